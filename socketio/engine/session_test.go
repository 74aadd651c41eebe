package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/tandem-go/tandem/socketio/engine"
)

// tcpBench is a server on a real socket.
type tcpBench struct {
	*bench
	http     *httptest.Server
	sessions chan *engine.Session
}

func newTCPBench(t *testing.T, opts *engine.Options) *tcpBench {
	t.Helper()
	b := &tcpBench{bench: &bench{t: t, journal: &journal{}}, sessions: make(chan *engine.Session, 1000)}
	b.srv = engine.NewServer(func(s *engine.Session) engine.Receiver {
		b.sessions <- s
		return b.journal
	}, opts)
	b.http = httptest.NewServer(b.srv)
	t.Cleanup(b.http.Close)
	t.Cleanup(b.stop)
	return b
}

// connect opens a session on a WebSocket and reads the first packet.
func (b *tcpBench) connect() (*engine.Session, net.Conn) {
	b.t.Helper()
	url := "ws" + strings.TrimPrefix(b.http.URL, "http") + "/?EIO=4&transport=websocket"
	conn, br, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	var r io.Reader = conn
	if br != nil {
		r = br
	}
	f, err := readFrame(r)
	if err != nil || len(f.Payload) == 0 || f.Payload[0] != '0' {
		b.t.Fatalf("first packet %q, %v", f.Payload, err)
	}
	return <-b.sessions, conn
}

// waitUntil polls a condition.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestSlowConsumerIsDisconnected(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, &engine.Options{MaxQueueBytes: 1 << 20})
	s, _ := b.connect() // and never read again
	f := engine.NewTextFrame(strings.Repeat("x", 100_000))
	waitUntil(t, "the session is closed", func() bool {
		s.Send(f, 0)
		return s.State() == engine.StateClosed
	})
	waitUntil(t, "the receiver is told", func() bool { r, _ := b.journal.closed(); return len(r) > 0 })
	if r, errs := b.journal.closed(); r[0] != engine.SlowConsumer || !errors.Is(errs[0], engine.ErrQueueFull) {
		t.Errorf("closed for %q: %v", r, errs)
	}
}

func TestWriteTimeoutDisconnects(t *testing.T) {
	t.Parallel()
	// The answer to the handshake has to be written in this time too.
	b := newTCPBench(t, &engine.Options{WriteTimeout: 2 * time.Second, MaxQueueBytes: 100 << 20})
	s, _ := b.connect()
	s.Send(engine.NewTextFrame(strings.Repeat("x", 20<<20)), 0)
	waitUntil(t, "the receiver is told", func() bool { r, _ := b.journal.closed(); return len(r) > 0 })
	if r, _ := b.journal.closed(); r[0] != engine.SlowConsumer {
		t.Errorf("closed for %q", r)
	}
}

func TestVolatileIsDroppedWhileBlocked(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, nil)
	s, conn := b.connect()
	if !s.Writable() {
		t.Error("a fresh session is not writable")
	}
	s.Send(engine.NewTextFrame(strings.Repeat("x", 20<<20)), 0)
	// The handshake may still own the output; then it writes the message when it is
	// done.
	waitUntil(t, "the socket is full", func() bool { return !s.Writable() })
	s.SendAll([]*engine.Frame{engine.NewTextFrame("lost"), engine.NewBinaryFrame([]byte("lost"))}, engine.Volatile)
	s.Send(engine.NewTextFrame("kept"), 0)
	if f, err := readFrame(conn); err != nil || len(f.Payload) != 20<<20+1 {
		t.Fatalf("large message: %d bytes, %v", len(f.Payload), err)
	}
	if f, err := readFrame(conn); err != nil || string(f.Payload) != "4kept" {
		t.Errorf("got %q, %v", f.Payload, err)
	}
	waitUntil(t, "writable again", s.Writable)
	s.Send(engine.NewTextFrame("volatile"), engine.Volatile)
	if f, err := readFrame(conn); err != nil || string(f.Payload) != "4volatile" {
		t.Errorf("got %q, %v", f.Payload, err)
	}
}

func TestCloseDrainsSlowPath(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, nil)
	s, conn := b.connect()
	s.Send(engine.NewTextFrame(strings.Repeat("x", 20<<20)), 0)
	s.Send(engine.NewTextFrame("last"), 0)
	s.Close(engine.ForcedClose)
	for _, want := range []int{20<<20 + 1, 5} {
		if f, err := readFrame(conn); err != nil || len(f.Payload) != want {
			t.Fatalf("%d bytes, %v; want %d", len(f.Payload), err, want)
		}
	}
	if f, err := readFrame(conn); err != nil || f.Header.OpCode != ws.OpClose || len(f.Payload) != 0 {
		t.Errorf("got %v %q, %v; want an empty close frame", f.Header, f.Payload, err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the close frame: %v", err)
	}
}

// Closing must come behind the frames that broadcasts have put into the inbox
// of a busy shard.
func TestCloseComesBehindBroadcasts(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, nil)
	for range 20 {
		s, conn := b.connect()
		const n = 200
		for i := range n {
			batch := b.srv.NewBatch()
			batch.Add(s)
			batch.Send([]*engine.Frame{engine.NewTextFrame(fmt.Sprint(i))}, 0)
		}
		s.Close(engine.ForcedClose)
		for i := range n {
			f, err := readFrame(conn)
			if err != nil || string(f.Payload) != "4"+fmt.Sprint(i) {
				t.Fatalf("message %d: %q, %v", i, f.Payload, err)
			}
		}
		if f, err := readFrame(conn); err != nil || f.Header.OpCode != ws.OpClose {
			t.Fatalf("got %v, %v; want the close frame", f.Header, err)
		}
		_ = conn.Close()
	}
}

func TestDoneIsClosedBeforeOnClose(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, nil)
	s, conn := b.connect()
	blocked := make(chan struct{})
	b.journal.onMessage = func(s *engine.Session, _ engine.Message) {
		close(blocked)
		<-s.Done() // would wait for ever if OnClose came first
	}
	if err := wsutil.WriteClientText(conn, []byte("4x")); err != nil {
		t.Fatal(err)
	}
	<-blocked
	s.Discard(engine.ForcedClose)
	waitUntil(t, "OnClose", func() bool { r, _ := b.journal.closed(); return len(r) == 1 })
	select {
	case <-s.Done():
	default:
		t.Error("Done of a closed session is not closed")
	}
	s.Close(engine.ForcedClose)
	s.Discard(engine.ForcedClose)
	s.Send(engine.NewTextFrame("x"), 0)
}

func TestPanicOfReceiverEndsOneSession(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, &engine.Options{Logger: slog.New(slog.DiscardHandler)})
	b.journal.onMessage = func(_ *engine.Session, m engine.Message) {
		if string(m.Data) == "bad" {
			panic("bad")
		}
	}
	_, bad := b.connect()
	other, _ := b.connect()
	if err := wsutil.WriteClientText(bad, []byte("4bad")); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "OnClose", func() bool { r, _ := b.journal.closed(); return len(r) == 1 })
	if _, errs := b.journal.closed(); !errors.Is(errs[0], engine.ErrPanic) {
		t.Errorf("detail = %v", errs[0])
	}
	if other.State() != engine.StateOpen {
		t.Error("another session has ended too")
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		accept func(*engine.Session) engine.Receiver
		want   []string // frames behind the first packet
	}{
		{"sends", func(s *engine.Session) engine.Receiver {
			s.Send(engine.NewTextFrame("hello"), 0)
			return &journal{}
		}, []string{"4hello"}},
		{"sends and closes", func(s *engine.Session) engine.Receiver {
			s.Send(engine.NewTextFrame("bye"), 0)
			s.Close(engine.ForcedClose)
			return &journal{}
		}, []string{"4bye", ""}},
		{"discards", func(s *engine.Session) engine.Receiver {
			s.Discard(engine.ForcedClose)
			return &journal{}
		}, []string{""}},
		{"returns nothing", func(s *engine.Session) engine.Receiver {
			s.Close(engine.ForcedClose)
			return nil
		}, []string{""}},
		{"panics", func(*engine.Session) engine.Receiver { panic("no") }, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := engine.NewServer(tt.accept, &engine.Options{Logger: slog.New(slog.DiscardHandler)})
			ts := httptest.NewServer(srv)
			defer ts.Close()
			defer func() { _ = srv.Shutdown(context.Background()) }()
			conn, br, _, err := ws.Dial(context.Background(), "ws"+strings.TrimPrefix(ts.URL, "http")+"/?EIO=4&transport=websocket")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var r io.Reader = conn
			if br != nil {
				r = br
			}
			if f, err := readFrame(r); err != nil || f.Payload[0] != '0' {
				t.Fatalf("first packet %q, %v", f.Payload, err)
			}
			for _, want := range tt.want {
				f, err := readFrame(r)
				if err != nil || string(f.Payload) != want || (want == "") != (f.Header.OpCode == ws.OpClose) {
					t.Fatalf("got %v %q, %v; want %q", f.Header, f.Payload, err, want)
				}
			}
		})
	}
}

func TestPingFloodCostsNoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		c := b.dial("")
		// The pipe has no buffer: nothing of what the server writes is taken.
		for i := range 10_000 {
			f := ws.MaskFrame(ws.NewPingFrame([]byte(fmt.Sprint(i))))
			if err := ws.WriteFrame(c.conn, f); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var pongs []string
		for len(pongs) == 0 || pongs[len(pongs)-1] != "9999" {
			op, data := c.read()
			if op != ws.OpPong {
				t.Fatalf("got opcode %d", op)
			}
			pongs = append(pongs, data)
		}
		if len(pongs) > 3 {
			t.Errorf("%d answers were kept", len(pongs))
		}
		go func() { _, _ = io.Copy(io.Discard, c.conn) }()
		b.stop()
		_ = c.conn.Close()
	})
}

// The same order must reach every session, whatever the mixture of broadcasts
// and single sends, while some of them are slow.
func TestOrderUnderLoad(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, &engine.Options{MaxQueueBytes: 64 << 20})
	const clients, n = 10, 300
	var sessions []*engine.Session
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // after the connections have been closed
	var bad atomic.Int32
	for i := range clients {
		s, conn := b.connect()
		sessions = append(sessions, s)
		wg.Go(func() {
			for j := range n {
				f, err := readFrame(conn)
				if err != nil || !strings.HasPrefix(string(f.Payload), fmt.Sprintf("4%d ", j)) {
					bad.Add(1)
					t.Errorf("client %d: message %d: %.20q, %v", i, j, f.Payload, err)
					return
				}
				if i%5 == 0 && j%50 == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	pad := strings.Repeat("x", 5000)
	for j := range n {
		f := engine.NewTextFrame(fmt.Sprintf("%d %s", j, pad))
		if j%3 == 0 {
			for _, s := range sessions {
				s.Send(f, 0)
			}
			continue
		}
		batch := b.srv.NewBatch()
		for _, s := range sessions {
			batch.Add(s)
		}
		batch.Send([]*engine.Frame{f}, 0)
	}
	wg.Wait()
	if bad.Load() > 0 {
		t.FailNow()
	}
}

func TestShutdownDeadline(t *testing.T) {
	t.Parallel()
	b := newTCPBench(t, nil)
	s, _ := b.connect()
	s.Send(engine.NewTextFrame(strings.Repeat("x", 20<<20)), 0) // never read
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := b.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v", err)
	}
	if s.State() != engine.StateClosed || b.srv.Len() != 0 {
		t.Error("the session has not been discarded")
	}
	resp, err := http.Get(b.http.URL + "/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || !b.srv.Draining() {
		t.Errorf("handshake after Shutdown: %s", resp.Status)
	}
}
