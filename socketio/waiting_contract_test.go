package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
)

// A dawdler is code of an application that waits without having said so, in every role
// that it may have. It waits when it meets the word "wait".
type dawdler struct {
	gate    chan struct{}
	waiting atomic.Int64
}

func (d *dawdler) wait() {
	d.waiting.Add(1)
	<-d.gate
}

func (d *dawdler) look(s string) {
	if strings.Contains(s, "wait") {
		d.wait()
	}
}

func (d *dawdler) ServeEvent(_ context.Context, e *socketio.Event) error {
	d.look(e.Name)
	return errors.New("for the log")
}

func (d *dawdler) guard(_ context.Context, s *socketio.Socket) error {
	d.look(s.Namespace().Name())
	return nil
}

func (d *dawdler) middleware(next socketio.Handler) socketio.Handler {
	return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
		d.look(e.Name)
		return next.ServeEvent(ctx, e)
	})
}

type parserDawdler struct {
	parser.Default
	*dawdler
}

func (d *parserDawdler) Decode(st *parser.State, data []byte, binary bool, p *adapter.Packet) (bool, error) {
	d.look(string(data))
	return d.Default.Decode(st, data, binary, p)
}

type codecDawdler struct {
	parser.JSON
	*dawdler
}

func (d codecDawdler) Unmarshal(data []byte, v any) error {
	d.look(string(data))
	return d.JSON.Unmarshal(data, v)
}

// A logDawdler is where a logger sends its records.
type logDawdler struct{ *dawdler }

func (logDawdler) Enabled(context.Context, slog.Level) bool    { return true }
func (d logDawdler) Handle(context.Context, slog.Record) error { d.wait(); return nil }
func (d logDawdler) WithAttrs([]slog.Attr) slog.Handler        { return d }
func (d logDawdler) WithGroup(string) slog.Handler             { return d }

// Whatever code of an application waits without saying so, and however often, it holds up
// nobody else: all of it has started, and another client is answered, after the server has
// noticed no more than three times that something waits.
func TestCodeThatWaitsHoldsUpNobody(t *testing.T) {
	const many, some = 1000, 100
	for name, test := range map[string]waiting{
		"handlers":    {many, `42["wait"]`, nil, func(d *dawdler, s *socketio.Server) { s.Handle("wait", d) }},
		"catch-alls":  {some, `42["wait"]`, nil, func(d *dawdler, s *socketio.Server) { s.OnAny(d) }},
		"middlewares": {some, `42["wait"]`, nil, func(d *dawdler, s *socketio.Server) { s.Wrap(d.middleware) }},
		"guards":      {many, `40/wait,`, nil, func(d *dawdler, s *socketio.Server) { s.Of("/wait").Use(d.guard) }},
		"parsers":     {many, `42["wait"]`, func(d *dawdler, o *socketio.Options) { o.Parser = &parserDawdler{dawdler: d} }, nil},
		"codecs": {
			some, `42["echo","wait"]`, func(d *dawdler, o *socketio.Options) { o.Codec = codecDawdler{dawdler: d} },
			func(_ *dawdler, s *socketio.Server) {
				socketio.On(s, "echo", func(context.Context, *socketio.Socket, struct{ A string }) error { return nil })
			},
		},
		"observers of connects": {
			some, `40/wait,`, func(d *dawdler, o *socketio.Options) {
				o.Observers = []socketio.Observer{{Connected: func(i socketio.ConnectedInfo) { d.look(i.Socket.Namespace().Name()) }}}
			},
			func(_ *dawdler, s *socketio.Server) { s.Of("/wait") },
		},
		"observers of disconnects": {some, `41`, func(d *dawdler, o *socketio.Options) {
			o.Observers = []socketio.Observer{{Disconnected: func(socketio.DisconnectedInfo) { d.wait() }}}
		}, nil},
		"observers of events": {some, `42["wait"]`, func(d *dawdler, o *socketio.Options) {
			o.Observers = []socketio.Observer{{Handled: func(i socketio.HandledInfo) { d.look(i.Event) }}}
		}, nil},
		"observers of bad input": {some, `4nonsense`, func(d *dawdler, o *socketio.Options) {
			o.Observers = []socketio.Observer{{BadInput: func(socketio.BadInputInfo) { d.wait() }}}
		}, nil},
		"loggers": {
			some, `42["fail"]`, func(d *dawdler, o *socketio.Options) { o.Logger = slog.New(logDawdler{d}) },
			func(d *dawdler, s *socketio.Server) { s.Handle("fail", d) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var times uint64
			for range 5 { // A machine that stalls holds up clients as well.
				if times = test.heldUp(t); times <= 3 {
					return
				}
				t.Logf("%d times; once more", times)
			}
			t.Errorf("others were held up %d times", times)
		})
	}
}

// waiting is a way in which a server is made to wait.
type waiting struct {
	clients   int
	message   string // that each of them sends
	configure func(*dawdler, *socketio.Options)
	register  func(*dawdler, *socketio.Server)
}

// heldUp returns how often the server notices that something waits.
func (wt waiting) heldUp(t *testing.T) uint64 {
	t.Helper()
	d := &dawdler{gate: make(chan struct{})}
	opts := socketio.Options{Logger: slog.New(slog.DiscardHandler)}
	if wt.configure != nil {
		wt.configure(d, &opts)
	}
	srv := socketio.NewServer(&opts)
	socketio.OnWithAck(srv, "hello", func(context.Context, *socketio.Socket, socketio.None) (string, error) { return "you", nil })
	if wt.register != nil {
		wt.register(d, srv)
	}
	url := benchServer(t, srv)
	t.Cleanup(func() { close(d.gate) }) // before the server is shut down
	clients := make([]*benchClient, wt.clients)
	for i := range clients {
		clients[i] = dialBench(t, url)
	}
	healthy := dialBench(t, url)
	before := srv.Engine().Stats().HeldUp
	frame := clientFrame(wt.message)
	for _, c := range clients {
		c.write(t, frame)
	}
	for end := time.Now().Add(patience); int(d.waiting.Load()) < wt.clients; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d wait", d.waiting.Load(), wt.clients)
		}
	}
	healthy.write(t, clientFrame(`421["hello"]`))
	if got := string(healthy.next(t)); got != `431["you"]` {
		t.Fatalf("got %s", got)
	}
	return srv.Engine().Stats().HeldUp - before
}
