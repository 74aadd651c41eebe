package engine_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// slowMode is one of the ways in which a server writes to its clients.
type slowMode struct {
	name      string
	tls       bool
	transport string
	opts      engine.Options
}

// slowModes are the ways in which a server writes to its clients.
func slowModes(writeTimeout time.Duration) []slowMode {
	opts := engine.Options{WriteTimeout: writeTimeout, PingInterval: time.Hour, CompressionThreshold: -1}
	goroutines := opts
	goroutines.DisableParking = true
	modes := []slowMode{
		{"goroutines", false, "websocket", goroutines}, {"TLS", true, "websocket", opts}, {"polling", false, "polling", opts},
	}
	if engine.Parks {
		modes = append(modes, slowMode{"parked", false, "websocket", opts})
	}
	return modes
}

// A narrowListener keeps the system from taking much of what is written.
type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(16 << 10)
	}
	return c, err
}

// A slowConn reads some kilobytes at a time, and then waits, until it is told to hurry.
type slowConn struct {
	*net.TCPConn
	hurry atomic.Bool
}

// catchUp makes it read all that comes.
func (c *slowConn) catchUp() {
	_ = c.SetReadBuffer(4 << 20)
	c.hurry.Store(true)
}

func (c *slowConn) Read(b []byte) (int, error) {
	if c.hurry.Load() {
		return c.TCPConn.Read(b)
	}
	time.Sleep(25 * time.Millisecond)
	return c.TCPConn.Read(b[:min(len(b), 4<<10)])
}

// startSlow serves clients whose connections hold little, and read slowly once slow is set.
func startSlow(t *testing.T, m slowMode) (s *server, conns *mailbox[*slowConn]) {
	t.Helper()
	s = serve(t, &m.opts, nil, func(hs *httptest.Server) {
		hs.Listener = narrowListener{hs.Listener}
		if m.tls {
			hs.StartTLS()
		}
	})
	conns = newMailbox[*slowConn]()
	addr := s.http.Listener.Addr().String()
	s.dial = func() (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return nil, err
		}
		slow := &slowConn{TCPConn: conn.(*net.TCPConn)}
		_ = slow.SetReadBuffer(16 << 10)
		slow.hurry.Store(true)
		conns.put(slow)
		if !m.tls {
			return slow, nil
		}
		config := &tls.Config{RootCAs: s.http.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
		return tls.Client(slow, config), nil
	}
	return s, conns
}

// A client that takes something all the time is not ended, however long it takes in all.
func TestWhoTakesSomethingIsNotEnded(t *testing.T) { //nolint:tparallel // its times are its own
	const timeout = 2 * time.Second
	for _, m := range slowModes(timeout) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, conns := startSlow(t, m)
			frames := []*engine.Frame{engine.NewTextFrame("first" + strings.Repeat("x", 2<<20)), engine.NewBinaryFrame(make([]byte, 100_000)), engine.NewTextFrame("last")}
			if m.transport == "websocket" {
				ws := s.openWS(t)
				conn, _ := conns.take(0)
				takeSlowly(t, ws.peer, conn, frames, 5*timeout, func() {
					ws.expect(t, "4first"+strings.Repeat("x", 2<<20))
					ws.expectFrame(t, finBinary, strings.Repeat("\x00", 100_000))
					ws.expect(t, "4last")
				})
				return
			}
			c := s.openPolling(t)
			conns.drain()
			poll := c.poll(t)
			conn, _ := conns.take(0)
			var got string
			takeSlowly(t, c.peer, conn, frames, 5*timeout, func() {
				got = poll.mustReceive(t, http.MethodGet).body
			})
			for !strings.HasSuffix(got, "\x1e4last") {
				got += "\x1e" + c.get(t).body
			}
			if want := 6 + 2<<20 + 1 + 1 + 133_336 + 1 + 5; len(got) != want {
				t.Errorf("got %d bytes, want %d", len(got), want)
			}
		})
	}
}

// takeSlowly sends frames to a client that takes them slowly for a time, and then at once.
func takeSlowly(t *testing.T, p *peer, conn *slowConn, frames []*engine.Frame, d time.Duration, take func()) {
	t.Helper()
	conn.hurry.Store(false)
	hurried := make(chan bool)
	go func() {
		time.Sleep(d)
		waiting := p.session.Backlog().Bytes > 0
		conn.catchUp()
		hurried <- waiting
	}()
	for _, f := range frames {
		p.session.Send(f, 0)
	}
	take()
	if !<-hurried {
		t.Error("nothing waited any more when the client began to hurry: the test does not show anything")
	}
	p.expectOpen(t)
}

// A client that takes nothing is ended once it has done so for WriteTimeout.
func TestWhoTakesNothingIsEnded(t *testing.T) { //nolint:tparallel // its times are its own
	const timeout = 2 * time.Second
	for _, m := range slowModes(timeout) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, _ := startSlow(t, m)
			var p *peer
			if m.transport == "polling" {
				c := s.openPolling(t)
				c.poll(t) // and does not read the answer
				p = c.peer
			} else {
				p = s.openWS(t).peer
			}
			begin := time.Now()
			p.send(strings.Repeat("x", 8<<20))
			if err := p.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
				t.Errorf("error %v, want %v", err, engine.ErrNoProgress)
			}
			if took := time.Since(begin); took < timeout || took > 2*timeout {
				t.Errorf("it was ended after %v", took)
			}
		})
	}
}

// The same to the millisecond, for connections that are not written without waiting.
func TestWriteTimeoutIsOfEachPiece(t *testing.T) {
	opts := engine.Options{WriteTimeout: 10 * time.Second, PingInterval: time.Hour, CompressionThreshold: -1}
	const piece = 16 << 10
	payload := strings.Repeat("x", 20*piece)
	type reader struct {
		peer         *peer
		conn         io.Reader
		every, least time.Duration // between what it takes, and until it is ended
	}
	for name, open := range map[string]func(t *testing.T, s *server) reader{
		"websocket": func(t *testing.T, s *server) reader {
			t.Helper()
			ws := s.openWS(t)
			return reader{ws.peer, ws.Conn, 9 * time.Second, 10 * time.Second}
		},
		// The head of the answer shifts the pieces.
		"polling": func(t *testing.T, s *server) reader {
			t.Helper()
			c := s.openPolling(t)
			return reader{c.peer, c.poll(t).Conn, 4 * time.Second, 6 * time.Second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, &opts, func(t *testing.T, s *server) {
				r := open(t, s)
				r.peer.send(payload)
				for range 9 {
					time.Sleep(r.every)
					if _, err := io.ReadFull(r.conn, make([]byte, piece)); err != nil {
						t.Fatal(err)
					}
				}
				r.peer.expectOpen(t)
				last := time.Now()
				if err := r.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(last); took < r.least || took > 10*time.Second+granule {
					t.Errorf("it was ended %v after it took something", took)
				}
			})
		})
	}
}

// A client that does not poll for what waits is ended, whatever else is sent to it meanwhile, and one that polls again is not.
func TestWhoDoesNotPollIsEnded(t *testing.T) {
	inBubble(t, &engine.Options{WriteTimeout: 10 * time.Second, PingInterval: time.Hour}, func(t *testing.T, s *server) {
		c, idle := s.openPolling(t), s.openPolling(t)
		for i := range 10 {
			time.Sleep(5 * time.Second) // nothing waits: nothing has to be polled for
			c.peer.send(fmt.Sprint(i))
			time.Sleep(9 * time.Second)
			c.peer.send("more")
			c.expectGet(t, fmt.Sprint("4", i, "\x1e4more"))
		}
		start := time.Now()
		go func() {
			for c.peer.session.State() == engine.StateOpen {
				c.peer.send("x")
				time.Sleep(time.Second / 10)
			}
		}()
		if err := c.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took < 10*time.Second || took > 10*time.Second+granule {
			t.Errorf("it was ended after %v", took)
		}
		idle.peer.expectOpen(t)
		time.Sleep(time.Second) // the sender has ended
	})
}

// A client has one answer at a time: polls that it sends beside one whose answer it does not read get nothing more, so that what it may
// have waiting is bounded.
func TestPollsBesideAnAnswerThatIsNotRead(t *testing.T) {
	opts := engine.Options{WriteTimeout: time.Minute, PingInterval: time.Hour, CompressionThreshold: -1, MaxQueueBytes: 8 << 20}
	inBubble(t, &opts, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		message := strings.Repeat("x", 1<<20)
		first := s.open(t)
		if err := first.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 4 {
			c.peer.send(message)
		}
		synctest.Wait()
		second := s.open(t)
		if err := second.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c.peer.session.Writable() {
			t.Error("writable, though an answer is not read")
		}
		if b := c.peer.session.Backlog(); b.Packets != 4 || b.Bytes < 4<<20 || b.Bytes > 5<<20 {
			t.Errorf("backlog %+v", b)
		}
		for range 4 {
			c.peer.send(message)
		}
		if err := c.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("error %v, want %v", err, engine.ErrQueueFull)
		}
		synctest.Wait()
		if b := c.peer.session.Backlog(); b != (engine.Backlog{}) {
			t.Errorf("backlog %+v of a session that has ended: its answer is still being written", b)
		}
	})
}

// The poll that follows an answer may arrive before the server knows that the answer has been written.
func TestPollRightBehindAnAnswer(t *testing.T) {
	opts := engine.Options{WriteTimeout: time.Minute, PingInterval: time.Hour, CompressionThreshold: -1}
	inBubble(t, &opts, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		first := c.poll(t)
		for i := range 3 {
			c.peer.send(fmt.Sprint(i, strings.Repeat("x", 1<<20)))
		}
		c.peer.session.Close(engine.ForcedClose)
		second := s.open(t)
		if err := second.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, conn := range []*rawConn{first, second} {
			if got := conn.mustReceive(t, http.MethodGet).body; got != fmt.Sprint("4", i, strings.Repeat("x", 1<<20)) {
				t.Errorf("answer %d has %d bytes %.10q", i, len(got), got)
			}
		}
		c.expectGet(t, "42"+strings.Repeat("x", 1<<20))
		c.expectGet(t, "1")
		c.peer.expectClose(t, engine.ForcedClose)
	})
}

// A client that takes its time for what waits gets a ping nevertheless, before all that waits, or it would give the connection up.
func TestPingOvertakesWhatWaits(t *testing.T) {
	opts := engine.Options{WriteTimeout: time.Hour, PingInterval: 5 * time.Second, PingTimeout: time.Hour, CompressionThreshold: -1}
	inBubble(t, &opts, func(t *testing.T, s *server) {
		ws, c := s.openWS(t), s.openPolling(t)
		for i := range 50 {
			for _, p := range []*peer{ws.peer, c.peer} {
				p.send(fmt.Sprint(i, strings.Repeat("x", 100_000)))
			}
		}
		time.Sleep(6 * time.Second)
		for i := range 51 {
			m, err := ws.readText()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case m == "2" && i == 1:
			case m == "2" || i == 1:
				t.Errorf("message %d is %.10q, want the ping behind the first", i, m)
			}
		}
		if got := c.get(t).body; !strings.HasPrefix(got, "2\x1e40xxx") {
			t.Errorf("the answer begins with %.10q, want the ping", got)
		}
	})
}
