package siotest_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, opts *socketio.Options) *socketio.Server {
	t.Helper()
	io := socketio.NewServer(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := io.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return io
}

// patience returns a context for what is to end by itself.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, io *socketio.Server, opts *siotest.Options) *siotest.Client {
	t.Helper()
	c, err := siotest.Connect(patience(t), io, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestBothDirections(t *testing.T) {
	io := newServer(t, nil)
	n := io.Of("/chat")
	socketio.OnWithAck(n, "reverse", func(_ context.Context, s *socketio.Socket, b []byte) ([]byte, error) {
		out := make([]byte, len(b))
		for i, v := range b {
			out[len(b)-1-i] = v
		}
		return out, s.Emit("reversed", out, "done")
	})
	c := connect(t, io, &siotest.Options{Namespace: "/chat"})
	if _, ok := n.Socket(c.ID()); !ok {
		t.Fatalf("the server does not know socket %q", c.ID())
	}
	answer, err := c.EmitWithAck(patience(t), "reverse", []byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := answer.Decode(0, &got); err != nil || string(got) != "\x03\x02\x01" {
		t.Fatalf("got %v, %v", got, err)
	}
	e, err := c.Receive(patience(t))
	if err != nil {
		t.Fatal(err)
	}
	var word string
	if err := errors.Join(e.Decode(0, &got), e.Decode(1, &word)); err != nil || word != "done" || e.Name != "reversed" {
		t.Fatalf("got %q %v %q, %v", e.Name, got, word, err)
	}
	if err := e.Decode(2, &word); err == nil {
		t.Fatal("decoded an argument that is not there")
	}
}

func TestRefusal(t *testing.T) {
	io := newServer(t, nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		if s.Handshake().Header.Get("X-Pass") == "yes" && s.Handshake().Query.Get("room") == "1" {
			return nil
		}
		return &socketio.Error{Message: "no", Data: 7}
	})
	_, err := siotest.Connect(patience(t), io, nil)
	refused, ok := errors.AsType[*siotest.ConnectError](err)
	if !ok || refused.Message != "no" || string(refused.Data) != "7" {
		t.Fatalf("got %v", err)
	}
	connect(t, io, &siotest.Options{
		Header: map[string][]string{"X-Pass": {"yes"}},
		Query:  map[string][]string{"room": {"1"}},
	})
	if _, err := siotest.Connect(patience(t), io, &siotest.Options{Namespace: "/nowhere"}); err == nil {
		t.Fatal("connected to a namespace that does not exist")
	}
}

func TestEnds(t *testing.T) {
	io := newServer(t, nil)
	kicked, closed := connect(t, io, nil), connect(t, io, nil)
	s, _ := io.Socket(kicked.ID())
	if err := s.Emit("last"); err != nil {
		t.Fatal(err)
	}
	s.Disconnect(false)
	if e, err := kicked.Receive(patience(t)); err != nil || e.Name != "last" {
		t.Fatalf("got %q, %v", e.Name, err)
	}
	if _, err := kicked.Receive(patience(t)); !errors.Is(err, siotest.ErrDisconnected) {
		t.Fatalf("got %v", err)
	}
	s, _ = io.Socket(closed.ID())
	s.Disconnect(true)
	if _, err := closed.Receive(patience(t)); !errors.Is(err, siotest.ErrDisconnected) {
		t.Fatalf("got %v", err)
	}
	left := connect(t, io, nil)
	s, _ = io.Socket(left.ID())
	if err := left.Disconnect(); err != nil {
		t.Fatal(err)
	}
	<-s.Context().Done()
}

func TestAckToServer(t *testing.T) {
	io := newServer(t, nil)
	c := connect(t, io, nil)
	go func() {
		if e, err := c.Receive(patience(t)); err == nil && e.WantsAck() {
			_ = e.Ack("yes", 2)
		}
	}()
	s, _ := io.Socket(c.ID())
	got, err := socketio.As[socketio.Args2[string, int]](s.EmitWithAck(patience(t), "well?"))
	if err != nil || got.A != "yes" || got.B != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
}

// If the context ends while Connect returns, either it says so or the client lives on.
func TestContextEndsAtTheLastMoment(t *testing.T) {
	io := newServer(t, nil)
	var end func()
	delay := 0
	io.OnConnect(func(context.Context, *socketio.Socket) error {
		for range delay % 64 { // so that one of them hits it
			runtime.Gosched()
		}
		end()
		return nil
	})
	socketio.OnWithAck(io, "alive", func(context.Context, *socketio.Socket, socketio.None) (bool, error) { return true, nil })
	connected := 0
	for delay = range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		end = cancel
		c, err := siotest.Connect(ctx, io, nil)
		cancel()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			continue
		}
		connected++
		if _, err := c.EmitWithAck(patience(t), "alive"); err != nil {
			t.Fatalf("the client is closed: %v", err)
		}
		c.Close()
	}
	t.Logf("%d of the clients have connected", connected)
}

// In a bubble time passes at once, and the client answers pings meanwhile.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := socketio.NewServer(&socketio.Options{Engine: engine.Options{PingInterval: time.Second, PingTimeout: time.Second}})
		c, err := siotest.Connect(t.Context(), io, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		s, ok := io.Socket(c.ID())
		if !ok || !s.Connected() {
			t.Error("the client did not live for an hour")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.EmitWithAck(ctx, "nobody answers"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		c.Close()
		if err := io.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What the server emits before it has answered CONNECT is received, too, as far as there is room for it.
func TestEventsBeforeTheAnswer(t *testing.T) {
	io := newServer(t, nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		for i := range 2000 {
			if err := s.Emit("early", i, []byte("blob")); err != nil {
				return err
			}
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := siotest.Connect(ctx, io, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := io.Socket(c.ID()); !ok {
		t.Errorf("the server does not know socket %q", c.ID())
	}
	ctx = patience(t)
	for want := range 1000 {
		e, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var i int
		var blob []byte
		if err := errors.Join(e.Decode(0, &i), e.Decode(1, &blob)); err != nil || i != want || string(blob) != "blob" {
			t.Fatalf("event %d is %d with %q (%v)", want, i, blob, err)
		}
	}
}

// The path is what the options say, by default the server's default.
func TestPath(t *testing.T) {
	for path, opts := range map[string]*siotest.Options{"/socket.io/": {}, "/elsewhere/": {Path: "/elsewhere/"}} {
		io := newServer(t, &socketio.Options{Path: path})
		c, err := siotest.Connect(patience(t), io, opts)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		c.Close()
	}
}
