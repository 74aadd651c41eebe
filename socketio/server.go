package socketio

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/exec"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Server is a Socket.IO server. It is an [http.Handler] to be mounted at
// "/socket.io/", behind any middleware; it owns neither the listener nor the
// [http.Server]. Make one with [NewServer] and end it with [Server.Shutdown].
//
// The methods of the embedded [Namespace] are those of the main namespace, "/",
// which every client is in unless it asks for another.
type Server struct {
	*Namespace

	opts    Options
	id      string
	log     *slog.Logger
	logs    *logonce.Log // what may repeat goes through it
	engine  *engine.Server
	coder   *parser.Coder
	pool    *exec.Pool
	events  sync.Pool // of *Event
	drafts  sync.Pool // of *draft
	packets sync.Pool // of *adapter.Packet, for readers
	observe observers

	connectTimeout    *wheel.Class
	attachmentTimeout *wheel.Class

	// handling ends when Shutdown gives up waiting for the handlers of events from
	// other servers; stopHandling ends it.
	handling     context.Context //nolint:containedctx // its life is the server's
	stopHandling context.CancelFunc

	// ctx is what the server's own operations and the disconnect functions run under;
	// stop ends it.
	ctx  context.Context //nolint:containedctx // its life is the server's
	stop context.CancelFunc

	mu         sync.Mutex  // guards changes of namespaces, and of closed
	closed     atomic.Bool // the adapters are closed, and so is that of a namespace that is made now
	namespaces atomic.Pointer[map[string]*Namespace]

	draining atomic.Bool
	badInput atomic.Uint64
	badArgs  atomic.Uint64
	encode   func(*adapter.Packet) any
}

// NewServer returns a server. A nil opts means the defaults. It panics if options of the
// engine cannot work: see [engine.NewServer].
func NewServer(opts *Options) *Server {
	srv := &Server{opts: opts.withDefaults(), id: newID(), pool: exec.NewPool()}
	srv.log = srv.opts.Logger
	srv.logs = logonce.New(srv.log)
	srv.observe = newObservers(srv.opts.Observers)
	srv.coder = &parser.Coder{Codec: srv.opts.Codec, MaxAttachments: srv.opts.MaxAttachments}
	srv.encode = func(p *adapter.Packet) any { return srv.encodeOnce(p) }
	srv.handling, srv.stopHandling = context.WithCancel(context.Background())
	srv.ctx, srv.stop = context.WithCancel(context.Background())

	srv.engine = engine.NewServer(srv.accept, &srv.opts.Engine)
	srv.connectTimeout = srv.engine.Wheel().Class(srv.opts.ConnectTimeout)
	srv.attachmentTimeout = srv.engine.Wheel().Class(srv.opts.AttachmentTimeout)

	srv.namespaces.Store(&map[string]*Namespace{})
	srv.Namespace, _, _ = srv.create("/")
	tell(srv, srv.observe.namespaceMade, NamespaceMadeInfo{Namespace: srv.Namespace})
	return srv
}

// ServeHTTP serves the requests of clients: handshakes, long polls, posts and
// WebSocket upgrades. A long poll is a request that takes as long as nothing is sent to
// its client; the ReadTimeout and the WriteTimeout of the [http.Server] do not end it,
// and the Shutdown of the http.Server waits for it: see [Server.Shutdown].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { srv.engine.ServeHTTP(w, r) }

// Engine returns the server of the underlying connections.
func (srv *Server) Engine() *engine.Server { return srv.engine }

// Of returns the namespace of that name, and creates it on the first call. A
// leading slash that is missing is added. Clients can connect to a namespace as
// soon as it exists: register its guards and handlers before serving requests.
func (srv *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	if n, ok := srv.lookup(name); ok {
		return n
	}
	n, made, late := srv.create(name)
	if made {
		tell(srv, srv.observe.namespaceMade, NamespaceMadeInfo{Namespace: n})
	}
	if late {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody waits for it
		_ = n.adapter.Close(ctx)
	}
	return n
}

// create makes a namespace unless it exists. late tells that the server has shut down,
// so that the new namespace's adapter is to be closed.
func (srv *Server) create(name string) (n *Namespace, made, late bool) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if n, ok := srv.lookup(name); ok {
		return n, false, false
	}
	n = newNamespace(srv, name)
	table := maps.Clone(*srv.namespaces.Load())
	table[name] = n
	srv.namespaces.Store(&table)
	return n, true, srv.closed.Load()
}

func (srv *Server) lookup(name string) (*Namespace, bool) {
	n, ok := (*srv.namespaces.Load())[name]
	return n, ok
}

// Stats are counters of a server since its start, and the present number of what
// it serves.
type Stats struct {
	// Connections is the number of open connections.
	Connections int
	// Parked, Reading and Polling are the numbers of those whose WebSocket has no
	// goroutine, whose WebSocket has one, and that are on polling; see [engine.Stats],
	// which says more.
	Parked, Reading, Polling int
	// Sockets is the number of connected sockets in all namespaces.
	Sockets int
	// BadPackets is the number of connections that were closed because the client
	// broke the Socket.IO protocol. It does not count those whose handlers did not
	// return; see [Options].HandlerPatience.
	BadPackets uint64
	// BadArguments counts how often a handler or a guard got arguments, or the payload of a
	// CONNECT, that do not fit: its error has an [*ArgError] in it. Such an error is a debug
	// line, and [HandledInfo] and [RefusedInfo] have it.
	BadArguments uint64
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	e := srv.engine.Stats()
	st := Stats{
		Connections: e.Parked + e.Reading + e.Polling, Parked: e.Parked, Reading: e.Reading, Polling: e.Polling,
		BadPackets: srv.badInput.Load(), BadArguments: srv.badArgs.Load(),
	}
	for _, n := range *srv.namespaces.Load() {
		st.Sockets += n.Len()
	}
	return st
}

// frames encodes a packet for the transport: one frame, and one for each
// attachment.
func (srv *Server) frames(p *adapter.Packet) ([]*engine.Frame, error) {
	head, err := srv.head(p, false)
	if err != nil {
		return nil, err
	}
	frames := make([]*engine.Frame, 1, 1+len(p.Attachments))
	frames[0] = head
	if head.IsBinary() {
		return frames, nil
	}
	for _, a := range p.Attachments {
		frames = append(frames, engine.NewBinaryFrame(a))
	}
	return frames, nil
}

// head encodes the first message of a packet. once tells that it is for one socket
// and will be sent at once.
func (srv *Server) head(p *adapter.Packet, once bool) (*engine.Frame, error) {
	const header = 48 // what a packet's header usually needs at most
	var binary bool
	fill := func(dst []byte) (b []byte, err error) {
		b, binary, err = srv.opts.Parser.Append(dst, p)
		return b, err
	}
	f, err := srv.newFrame(once, false, len(p.Data)+header, fill)
	if err != nil || !binary {
		return f, err
	}
	return srv.newFrame(once, true, f.Len()+header, fill)
}

func (srv *Server) newFrame(once, binary bool, size int, fill func([]byte) ([]byte, error)) (*engine.Frame, error) {
	if once {
		return srv.engine.NewFrame(binary, size, fill)
	}
	return engine.NewFrame(binary, size, fill)
}

// encoded is what the memo of a broadcast's packet holds.
type encoded struct {
	frames []*engine.Frame
	err    error
}

func (srv *Server) encodeOnce(p *adapter.Packet) *encoded {
	frames, err := srv.frames(p)
	return &encoded{frames, err}
}

// Shutdown ends the server. New connections are refused at once and further
// events are not handled any more. Shutdown first waits for the handlers that
// run, for at most half of the time until ctx ends; then it disconnects all
// sockets with the reason [ServerShutdown], delivers what is queued for the clients,
// closes the connections, so that the clients reconnect elsewhere, and closes the
// adapters. It waits until all of the server's goroutines have ended. If
// ctx ends first it drops what is left and returns the context's error. Afterwards
// sockets return [ErrDisconnected], and what concerns many of them or other servers
// [ErrServerClosed].
//
// A handler that calls Shutdown is one that Shutdown waits for, until ctx ends: call
// it on another goroutine.
//
// Shutdown does not touch the [http.Server]. Call its Shutdown method as well,
// after this one or at the same time: alone it leaves WebSockets open and waits for
// pending long polls, each up to the PingInterval. A function that is registered with
// [http.Server.RegisterOnShutdown] can call this method, so that they end at once.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.draining.Store(true)
	defer srv.logs.Close()
	defer srv.stop()
	defer context.AfterFunc(ctx, srv.stop)()
	srv.engine.StopAccepting()

	grace, cancel := halfOf(ctx)
	_ = srv.pool.Quiet(grace) // handlers that do not end in time are cancelled below
	cancel()
	srv.stopHandling()

	namespaces := *srv.namespaces.Load()
	for _, n := range namespaces {
		for s := range n.Sockets() {
			s.close(ServerShutdown, nil)
		}
	}
	err := srv.engine.Shutdown(ctx)
	if e := srv.pool.Close(ctx); err == nil {
		err = e
	}
	srv.mu.Lock()
	srv.closed.Store(true)
	namespaces = *srv.namespaces.Load()
	srv.mu.Unlock()
	for _, n := range namespaces {
		if e := n.adapter.Close(ctx); err == nil {
			err = e
		}
	}
	return err
}

// halfOf returns a context that ends after half the time that ctx has left, and
// after 10 seconds if ctx has no deadline.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := 10 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline) / 2
	}
	return context.WithTimeout(ctx, wait)
}
