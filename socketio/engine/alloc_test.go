package engine_test

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/engine"
)

// drainConn counts the bytes that a client receives.
func drainConn(conn net.Conn, n *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		k, err := conn.Read(buf)
		n.Add(int64(k))
		if err != nil {
			return
		}
	}
}

// waitFor waits until n has reached want.
func waitFor(tb testing.TB, n *atomic.Int64, want int64) {
	tb.Helper()
	await(tb, "the clients to have received everything", func() bool { return n.Load() >= want })
}

// await looks often, because benchmarks wait with it, and allocates nothing.
func await(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Microsecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestBroadcastAllocatesNothingPerRecipient(t *testing.T) {
	b := newTCPBench(t, nil)
	const clients = 50
	var sessions []*engine.Session
	var received atomic.Int64
	for range clients {
		s, conn := b.connect()
		sessions = append(sessions, s)
		go drainConn(conn, &received)
	}
	frames := []*engine.Frame{engine.NewTextFrame("hello")}
	want := int64(0)
	broadcast := func() {
		batch := b.srv.NewBatch()
		for _, s := range sessions {
			batch.Add(s)
		}
		batch.Send(frames, 0)
		want += int64(clients * frames[0].Len())
		waitFor(t, &received, want)
	}
	broadcast()
	// One allocation in a while, when the garbage collector empties the pools.
	if n := testing.AllocsPerRun(200, broadcast); n > 2 && !raceEnabled {
		t.Errorf("%v allocations for %d recipients", n, clients)
	}
}

// answerer sends the same frame for each message.
type answerer struct{ frame *engine.Frame }

func (a answerer) OnMessage(s *engine.Session, _ engine.Message) { s.Send(a.frame, 0) }

func (answerer) OnClose(*engine.Session, engine.Reason, error) {}

func TestRoundTripAllocatesNothing(t *testing.T) {
	f := engine.NewTextFrame("hello")
	echo, stop := newRoundTrip(t, answerer{f}, "4hello", f.Len())
	defer stop()
	echo()
	if n := testing.AllocsPerRun(500, echo); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

// newRoundTrip returns a function that sends a message and reads the answer of
// the given length.
func newRoundTrip(tb testing.TB, r engine.Receiver, text string, answer int) (echo, stop func()) {
	tb.Helper()
	srv := engine.NewServer(func(*engine.Session) engine.Receiver { return r }, nil)
	ts := httptest.NewServer(srv)
	conn, br, _, err := ws.Dial(context.Background(), "ws"+strings.TrimPrefix(ts.URL, "http")+"/?EIO=4&transport=websocket")
	if err != nil {
		tb.Fatal(err)
	}
	in := io.Reader(conn)
	if br != nil {
		in = br
	}
	if _, err := readFrame(in); err != nil {
		tb.Fatal(err)
	}
	msg := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))
	buf := make([]byte, answer)
	echo = func() {
		if _, err := conn.Write(msg); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(in, buf); err != nil {
			tb.Fatal(err)
		}
	}
	return echo, func() {
		_ = conn.Close()
		_ = srv.Shutdown(context.Background())
		ts.Close()
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	f := engine.NewTextFrame(strings.Repeat("x", 64))
	echo, stop := newRoundTrip(b, answerer{f}, "4"+strings.Repeat("x", 64), f.Len())
	defer stop()
	b.ReportAllocs()
	for b.Loop() {
		echo()
	}
}

func BenchmarkBroadcast(b *testing.B) {
	const clients = 100
	srv := engine.NewServer(func(*engine.Session) engine.Receiver { return answerer{} }, nil)
	ts := httptest.NewServer(srv)
	defer ts.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	var received atomic.Int64
	for range clients {
		conn, br, _, err := ws.Dial(context.Background(), "ws"+strings.TrimPrefix(ts.URL, "http")+"/?EIO=4&transport=websocket")
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		in := io.Reader(conn)
		if br != nil {
			in = br
		}
		if _, err := readFrame(in); err != nil {
			b.Fatal(err)
		}
		go drainConn(conn, &received)
	}
	frames := []*engine.Frame{engine.NewTextFrame(strings.Repeat("x", 64))}
	want := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		batch := srv.NewBatch()
		for s := range srv.Sessions() {
			batch.Add(s)
		}
		batch.Send(frames, 0)
		want += int64(clients * frames[0].Len())
		waitFor(b, &received, want)
	}
}
