package socketio_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/parser"
)

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		option, path string
		status       int
	}{
		{"", "/socket.io/", http.StatusOK},
		{"", "/", http.StatusOK},
		{"", "/api/socket.io/", http.StatusOK},
		{"", "/engine.io/", http.StatusNotFound},
		{"", "/socket.io/x", http.StatusNotFound},
		{"/live/", "/live/", http.StatusOK},
		{"/live/", "/socket.io/", http.StatusNotFound},
	} {
		s := serve(t, &socketio.Options{Path: tt.option})
		resp, err := http.Get(s.url + tt.path + "?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("path %q: %s has status %d, want %d", tt.option, tt.path, resp.StatusCode, tt.status)
		}
		http.DefaultClient.CloseIdleConnections()
		for session := range s.Engine().Sessions() {
			session.Discard(engine.ForcedClose)
		}
	}
}

// countingCodec counts what it encodes and decodes.
type countingCodec struct {
	parser.JSON

	encoded, decoded atomic.Int32
}

func (c *countingCodec) Marshal(v any) ([]byte, error) {
	c.encoded.Add(1)
	return c.JSON.Marshal(v)
}

func (c *countingCodec) Unmarshal(data []byte, v any) error {
	c.decoded.Add(1)
	return c.JSON.Unmarshal(data, v)
}

func TestCodec(t *testing.T) {
	codec := &countingCodec{}
	s, c, _ := pair(t, &socketio.Options{Codec: codec})
	socketio.OnWithAck(s, "x", func(_ context.Context, _ *socketio.Socket, v struct{ A int }) (any, error) { return v, nil })
	if got := answer(t, c, "x", map[string]int{"A": 7}); got != `[{"A":7}]` {
		t.Errorf("the answer is %s", got)
	}
	if codec.encoded.Load() == 0 || codec.decoded.Load() == 0 {
		t.Errorf("the codec encoded %d and decoded %d values", codec.encoded.Load(), codec.decoded.Load())
	}
}

// A watcher notes what an observer is told.
type watcher struct{ journal }

func (w *watcher) observer() socketio.Observer {
	return socketio.Observer{
		Connected: func(i socketio.ConnectedInfo) { w.add("connect " + i.Socket.Namespace().Name()) },
		Disconnected: func(i socketio.DisconnectedInfo) {
			line := "disconnect " + i.Socket.Namespace().Name() + " " + string(i.Reason)
			if i.Event != "" {
				line += " during " + i.Event
			}
			w.add(line)
		},
		Refused: func(i socketio.RefusedInfo) { w.add("refusal " + i.Namespace + " " + i.Err.Error()) },
		Handled: func(i socketio.HandledInfo) {
			line := "event " + i.Event + " " + itoa(i.Bytes)
			if i.Err != nil {
				line += " " + i.Err.Error()
			}
			if i.Took < 0 || i.Socket == nil {
				line += " ?"
			}
			w.add(line)
		},
		Emitted: func(i socketio.EmittedInfo) {
			w.add("emit " + i.Namespace.Name() + " " + i.Event + " " + itoa(i.Bytes) + " to " + itoa(i.Sockets))
		},
		BadInput: func(i socketio.BadInputInfo) { w.add("bad input " + i.Err.Error()) },
	}
}

func TestObservers(t *testing.T) {
	w := &watcher{}
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{w.observer(), {}}}).echo()
	s.Of("/guarded").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "no"} })
	s.Handle("fails", socketio.HandlerFunc(func(context.Context, *socketio.Event) error { return errors.New("it failed") }))
	c, socket := s.joinSocket(t, "websocket", "/")
	other := s.join(t, "websocket")
	_ = socket.Emit("one", 1)
	_ = s.Emit("all", "x")
	_ = s.To("nowhere").Emit("nobody")
	c.run(`< 2["one",1]`, `< 2["all","x"]`)
	other.run(`< 2["all","x"]`)
	c.run(`> 0/guarded,`, `< 4/guarded,{"message":"no"}`, `> 0/random,`, `< 4/random,{"message":"Invalid namespace"}`)
	c.run(`> 21["echo"]`, `< 31[]`, `> 21["fails"]`, `< 31[{"error":{"message":"internal error"}}]`)
	eventually(t, "the second event", func() bool { return len(w.read()) == 8 })
	c.send("1")
	eventually(t, "the end of the socket", func() bool { return len(w.read()) == 9 })
	other.send("x")
	other.expectClosed()
	w.expect(t,
		"connect /", "connect /",
		`emit / one 9 to 1`, `emit / all 11 to 2`,
		"refusal /guarded no", "refusal /random Invalid namespace",
		"event echo 8", "event fails 9 it failed",
		"disconnect / client namespace disconnect",
		"bad input parser: unknown packet type",
		"disconnect / forced close",
	)
}

// Options are read once: the caller may use them for another server.
func TestOptionsAreNotChanged(t *testing.T) {
	o := socketio.Options{Path: "/x/"}
	serve(t, &o)
	if o.ConnectTimeout != 0 || o.Adapter != nil || o.Codec != nil || o.Engine.Path != "" || o.MaxNamespaces != 0 {
		t.Errorf("options are now %+v", o)
	}
}

// A namespace is made once, whoever asks for it, and a missing slash is added.
func TestOf(t *testing.T) {
	s := serve(t, nil)
	names := []string{"a", "/a", "", "/", "/b/c"}
	results := make(chan *socketio.Namespace, 100)
	for i := range cap(results) {
		go func() { results <- s.Of(names[i%len(names)]) }()
	}
	found := map[*socketio.Namespace]bool{}
	for range cap(results) {
		found[await(t, "the namespace", results)] = true
	}
	if len(found) != 3 || s.Of("") != s.Namespace || s.Of("a").Name() != "/a" || s.Of("a").Server() != s.Server {
		t.Errorf("%d namespaces were made", len(found))
	}
}
