package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A churnMessage is a text whose every byte follows from who it is for and its number: "u7:3:" for the third message for client 7 alone,
// "b:3:" for the third to all, and a filling.
func churnMessage(to string, n int) string {
	head := to + ":" + strconv.Itoa(n) + ":"
	size := []int{3, 40, 200, 900, 5000, 12_000, 40_000}[(n*5+len(to))%7]
	return head + strings.Repeat(head, size/len(head))
}

// A churnClient checks what it gets.
type churnClient struct {
	id           int
	next, shared int // the numbers of the next message of its own, and to all
}

func (c *churnClient) check(packet string) error {
	text, ok := strings.CutPrefix(packet, "4")
	if !ok {
		return nil // a packet of the protocol
	}
	to, rest, _ := strings.Cut(text, ":")
	number, _, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	if err != nil || text != churnMessage(to, n) {
		return fmt.Errorf("client %d got %d bytes %.30q", c.id, len(text), text)
	}
	switch {
	case to == "b" && (n == c.shared || c.shared == 0):
		c.shared = n + 1
	case to == fmt.Sprint("u", c.id) && n == c.next:
		c.next++
	default:
		return fmt.Errorf("client %d got message %s:%d, want %d of its own or %d to all", c.id, to, n, c.next, c.shared)
	}
	return nil
}

// A churn is a server whose clients come, take what they get in their own time, and go.
type churn struct {
	*server
	t       *testing.T
	ids     atomic.Int64
	running sync.WaitGroup
	stop    chan struct{}
	members sync.Map // of *engine.Session
	got     atomic.Int64
}

// stopped reports whether the test is over.
func (c *churn) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// feed sends a client messages of its own, in memory that is used again, and flushes now and then.
func (c *churn) feed(p *peer, id int) {
	to := fmt.Sprint("u", id)
	for n := 0; !c.stopped() && p.session.State() == engine.StateOpen; n++ {
		m := churnMessage(to, n)
		f, err := c.engine.NewFrame(false, len(m), func(dst []byte) ([]byte, error) { return append(dst, m...), nil })
		if err != nil {
			c.t.Error(err)
		}
		p.session.Send(f, []engine.SendOption{0, engine.Coalesce}[n%2])
		if n%5 == 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			if err := p.session.Flush(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, engine.ErrSessionClosed) {
				c.t.Errorf("Flush: %v", err)
			}
			cancel()
		}
		_ = p.session.Backlog()
	}
}

// webSocket is the life of a client on WebSocket.
func (c *churn) webSocket(ws *wsClient, client *churnClient, life int) {
	for range life {
		if c.stopped() {
			return
		}
		f, err := ws.readFrame()
		if err != nil || f.first == finClose {
			return // It was ended.
		}
		if f.first == finText {
			if err := client.check(f.payload); err != nil {
				c.t.Error(err)
				return
			}
			c.got.Add(1)
		}
		switch rand.IntN(100) {
		case 0:
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // so that it is blocked
		case 1:
			if ws.sendFrame(finPing, "ping") != nil {
				return
			}
		}
	}
}

// client is the life of a client, from its beginning to its end.
func (c *churn) client() error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	id := int(c.ids.Add(1))
	client := &churnClient{id: id}
	if id%2 == 0 {
		ws, res, err := conn.handshakeWS(fmt.Sprint(websocketQuery, "&id=", id), "")
		if err != nil || ws == nil {
			return fmt.Errorf("handshake: %d, %w", res.status, err)
		}
		if err := ws.readOpen(); err != nil {
			return err
		}
		c.webSocket(ws, client, 50+rand.IntN(500))
		return nil
	}
	res, err := conn.do(http.MethodGet, fmt.Sprint(pollingQuery, "&id=", id), "")
	if err != nil {
		return err
	}
	o, err := parseOpen(res.body)
	if err != nil {
		return err
	}
	query := pollingQuery + "&sid=" + o.SID
	for range 1 + rand.IntN(20) {
		if c.stopped() || !c.poll(conn, query, client) {
			return nil
		}
	}
	return c.upgrade(conn, o.SID, client)
}

// poll polls once, and reports whether the session lives.
func (c *churn) poll(conn *rawConn, query string, client *churnClient) bool {
	res, err := conn.do(http.MethodGet, query, "")
	if err != nil || res.status != http.StatusOK {
		return false // It was ended.
	}
	for packet := range strings.SplitSeq(res.body, "\x1e") {
		if err := client.check(packet); err != nil {
			c.t.Errorf("polling: %v", err)
			return false
		}
		c.got.Add(1)
	}
	return true
}

// upgrade changes to WebSocket, or begins to.
func (c *churn) upgrade(polling *rawConn, sid string, client *churnClient) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	ws, _, err := conn.handshakeWS(websocketQuery+"&sid="+sid, "")
	if err != nil || ws == nil {
		return nil
	}
	if ws.sendFrame(finText, "2probe") != nil {
		return nil
	}
	if m, err := ws.readText(); err != nil || m != "3probe" || client.id%3 == 0 {
		return nil
	}
	if client.id%5 == 0 && !c.poll(polling, pollingQuery+"&sid="+sid, client) {
		return nil
	}
	if ws.sendFrame(finText, "5") != nil {
		return nil
	}
	c.webSocket(ws, client, 50+rand.IntN(200))
	return nil
}

// Whatever becomes of sessions, each client gets its own messages and those to all, byte by byte and in order; none is used again while
// somebody has it, and nothing stays counted.
func TestMessagesUnderChurn(t *testing.T) { inBothModes(t, testMessagesUnderChurn) }

func testMessagesUnderChurn(t *testing.T, opts *engine.Options) {
	const clients = 12
	opts.MaxQueueBytes, opts.OutputBudget, opts.WriteTimeout = 3<<20, 12<<20, 300*time.Millisecond
	opts.CompressionThreshold = -1
	s, _ := startSlow(t, slowMode{opts: *opts})
	c := &churn{server: s, t: t, stop: make(chan struct{})}
	s.onAccept = func(p *peer) {
		id, err := strconv.Atoi(p.session.Handshake().Query().Get("id"))
		if err != nil {
			t.Error(err)
		}
		c.members.Store(p.session, nil)
		c.running.Go(func() {
			c.feed(p, id)
			c.members.Delete(p.session)
		})
	}
	for range clients {
		c.running.Go(func() {
			for !c.stopped() {
				if err := c.client(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	c.running.Go(func() { // messages to all
		for n := 1; !c.stopped(); n++ {
			batch := s.engine.NewBatch()
			c.members.Range(func(session, _ any) bool {
				batch.Add(session.(*engine.Session))
				return true
			})
			batch.Send([]*engine.Frame{engine.NewTextFrame(churnMessage("b", n))}, 0)
			time.Sleep(time.Millisecond)
		}
	})
	c.running.Go(func() { // some are ended by the server
		for !c.stopped() {
			time.Sleep(5 * time.Millisecond)
			c.members.Range(func(session, _ any) bool {
				switch rand.IntN(40) {
				case 0:
					session.(*engine.Session).Discard(engine.ForcedClose)
				case 1:
					session.(*engine.Session).Close(engine.ForcedClose)
				}
				return true
			})
		}
	})
	time.Sleep(4 * time.Second) // It is a load, of which more takes longer.
	close(c.stop)
	eventually(t, "nothing is counted any more", func() bool {
		for session := range s.engine.Sessions() {
			session.Discard(engine.ForcedClose)
		}
		return s.engine.OutputUsed() == 0 && s.engine.Len() == 0
	})
	c.running.Wait()
	t.Logf("%d messages for %d clients were checked", c.got.Load(), c.ids.Load())
}
