package engine_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// conversation returns the bytes of a valid client, the kind and details of which
// the generator picks.
func conversation(r *rand.Rand, sid string) []byte {
	payload := []string{
		"4hello", "4" + strings.Repeat("€", r.IntN(500)), "bAQIDBA==", "3", "1", "4a\x1ebAQ==\x1e4", "2probe", "5",
	}[r.IntN(8)]
	switch r.IntN(5) {
	case 0:
		return []byte(formatRequest(http.MethodGet, pollingQuery, ""))
	case 1:
		return []byte(formatRequest(http.MethodPost, pollingQuery+"&sid="+sid, payload))
	case 2:
		chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(payload), payload)
		return []byte(formatRequest(http.MethodPost, pollingQuery+"&sid="+sid, chunked, "Transfer-Encoding: chunked") +
			formatRequest(http.MethodGet, pollingQuery+"&sid="+sid, "", "Accept-Encoding: gzip"))
	case 3:
		wire := []byte(formatRequest(http.MethodGet, websocketQuery+"&sid="+sid, "", wsHeaders...))
		wire = appendFrame(wire, finText, "2probe")
		return appendFrame(appendFrame(wire, finText, "5"), finText, "4hello")
	default:
		wire := []byte(formatRequest(http.MethodGet, websocketQuery, "", wsHeaders...))
		wire = appendFrame(wire, finText, payload)
		wire = appendFrame(wire, finPing, "?")
		wire = appendFrame(wire, 0x02, "frag")
		wire = appendFrame(wire, 0x80, "ment")
		wire = appendFrame(wire, finBinary, strings.Repeat("b", r.IntN(70_000)))
		return appendFrame(wire, finClose, closePayload(1000, ""))
	}
}

// mutate changes some of the bytes: single ones and runs of them, mostly near the
// places where a protocol has its lengths and types.
func mutate(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			return []byte{byte(r.IntN(256))}
		}
		i := r.IntN(len(b))
		j := min(len(b), i+1+r.IntN(16))
		switch r.IntN(7) {
		case 0:
			b[i] ^= 1 << r.IntN(8)
		case 1:
			b[i] = []byte{0, 0x7f, 0x80, 0xfe, 0xff, '\r', '\n', 0x1e}[r.IntN(8)]
		case 2:
			b = append(b[:i], b[j:]...)
		case 3:
			b = append(b[:j:j], b[i:]...) // doubles a run
		case 4:
			b = b[:i]
		case 5:
			for k := i; k < j; k++ {
				b[k] = byte(r.IntN(256))
			}
		default:
			head := b[:r.IntN(min(len(b), 16))]
			b = append(append([]byte{}, head...), b[i:]...)
		}
	}
	return b
}

// attack plays one mutated conversation, with a session of its own to harm.
func (s *server) attack(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	sid := "unknown"
	if r.IntN(2) == 0 {
		conn, err := s.connect()
		if err != nil {
			return err
		}
		query, err := conn.handshakePolling()
		conn.Close()
		if err != nil {
			return err
		}
		_, sid, _ = strings.Cut(query, "sid=")
	}
	conn, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	wire := mutate(r, conversation(r, sid))
	cut := r.IntN(len(wire) + 1)
	for _, part := range [][]byte{wire[:cut], wire[cut:]} {
		if _, err := conn.Write(part); err != nil {
			return nil // The server need not hear it to the end.
		}
	}
	if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok && r.IntN(4) != 0 {
		_ = half.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, _ = io.Copy(io.Discard, conn.br)
	return nil
}

// A healthyClient exchanges numbers with the server until it is told to stop. It
// knows of no pings.
type healthyClient struct {
	exchange func(n int) error
	close    func()
}

func (s *server) healthyWS() (*healthyClient, error) {
	ws, err := s.connectWS()
	if err != nil {
		return nil, err
	}
	return &healthyClient{
		close: func() { ws.Close() },
		exchange: func(n int) error {
			want := fmt.Sprint("4", n)
			if err := ws.SetDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			if err := ws.sendFrame(finText, want); err != nil {
				return err
			}
			got, err := ws.readText()
			if err == nil && got != want {
				err = fmt.Errorf("got %q, want %q", got, want)
			}
			return err
		},
	}, nil
}

func (s *server) healthyPolling() (*healthyClient, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	query, err := conn.handshakePolling()
	return &healthyClient{
		close: func() { conn.Close() },
		exchange: func(n int) error {
			want := fmt.Sprint("4", n)
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			if res, err := conn.do(http.MethodPost, query, want); err != nil || res.body != "ok" {
				return fmt.Errorf("POST: got %d %q, error %w", res.status, res.body, err)
			}
			res, err := conn.do(http.MethodGet, query, "")
			if err != nil || res.body != want {
				return fmt.Errorf("GET: got %d %q, error %w, want %q", res.status, res.body, err, want)
			}
			return nil
		},
	}, err
}

// attackTime bounds the attack on slow machines.
const attackTime = 10 * time.Second

// Nothing that some clients send takes a message away from the others.
func TestMutatedTrafficHarmsNobodyElse(t *testing.T) {
	const healthy = 100
	s := startEcho(t, &engine.Options{MaxPayload: 100_000, PingInterval: time.Hour})
	clients := make([]*healthyClient, healthy)
	for i := range clients {
		open := s.healthyWS
		if i%10 == 0 {
			open = s.healthyPolling
		}
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		clients[i] = c
	}
	keep := make(map[*engine.Session]bool)
	for session := range s.engine.Sessions() {
		keep[session] = true
	}
	stop := make(chan struct{})
	var exchanges atomic.Int64
	var talking sync.WaitGroup
	for i, c := range clients {
		talking.Go(func() {
			for n := 0; ; n++ {
				if err := c.exchange(n); err != nil {
					t.Errorf("healthy client %d: message %d: %v", i, n, err)
					return
				}
				exchanges.Add(1)
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	seed := rand.Uint64()
	end := time.Now().Add(attackTime)
	var attacks atomic.Int64
	inParallel(t, 16, scaled(10_000), func(i int) error {
		if time.Now().After(end) {
			return nil
		}
		attacks.Add(1)
		return s.attack(seed + uint64(i))
	})
	close(stop)
	talking.Wait()
	t.Logf("%d attacks, %d exchanges; the first seed was %d", attacks.Load(), exchanges.Load(), seed)
	if n := exchanges.Load(); n < healthy {
		t.Errorf("the healthy clients exchanged only %d messages", n)
	}
	// A handshake may be handled only after its client has gone.
	eventually(t, "only the healthy sessions are left", func() bool {
		for session := range s.engine.Sessions() {
			if !keep[session] {
				session.Discard(engine.ForcedClose)
			}
		}
		return s.engine.Len() == healthy
	})
}

// Clients that begin something and do not go on must cost their own connection
// only.
func TestUnfinishedRequests(t *testing.T) {
	s := startEcho(t, nil)
	healthy := s.openWS(t)
	c := s.openPolling(t)
	for _, begin := range []string{
		"", "G", "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost:",
		formatRequest(http.MethodPost, c.query(), "4h", "Content-Length: 50"),
		formatRequest(http.MethodGet, websocketQuery, "", wsHeaders...) + "\x81",
		formatRequest(http.MethodGet, websocketQuery, "", wsHeaders...) + "\x01\xff\x00\x00",
	} {
		conn := s.open(t)
		if _, err := conn.Write([]byte(begin)); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		healthy.mustText(t, "4hello")
		healthy.expect(t, "4hello")
	}
	s.openWS(t)
}
