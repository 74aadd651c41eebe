package engine

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/internal/budget"
	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/idtable"
	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// Server is an Engine.IO server: an http.Handler that opens sessions and
// carries their traffic. It works behind any middleware whose ResponseWriter
// has an Unwrap method, and never owns the http.Server: see [Server.Shutdown].
type Server struct {
	opts    Options
	accept  Accept
	limits  wsframe.Limits
	pool    *flush.Pool[*sink]
	wheel   *wheel.Wheel
	parking parking
	timers  timers
	frames  struct{ ping, pongProbe, close, noop *packet.Frame }

	queues  sync.Pool // of *queue
	pieces  sync.Pool // of *piece
	answers sync.Pool // of *answer
	once    sync.Pool // of *Frame, see NewFrame
	batches sync.Pool // of *Batch
	buffers sync.Pool // of *readBuffer
	bodies  sync.Pool // of *bytes.Buffer
	gzips   sync.Pool // of *gzip.Writer
	zlibs   sync.Pool // of *zlib.Writer

	compressing chan struct{} // holds as many as may compress at the same time

	logs    *logonce.Log
	refused atomic.Uint64 // requests
	faults  atomic.Uint64 // sessions whose clients have violated the protocol

	handshakes handshakes
	output     *budget.Budget // of what waits for clients
	input      *budget.Budget // of what clients have sent

	mu       sync.RWMutex
	sessions idtable.Table[*Session]
	departed map[string]*Session // see unregister
	orphans  map[*upgradeTry]struct{}
	draining bool

	// tasks counts the sessions whose receiver has not been told of their end,
	// and the goroutines that belong to connections. A session counts until all
	// goroutines that it may start have been counted, so the counter does not
	// rise from zero once no session can be opened any more.
	tasks   sync.WaitGroup
	stop    sync.Once
	stopped chan struct{}
}

// NewServer returns a server that asks accept for the receiver of each new
// session. opts may be nil. It panics if the options contradict themselves, or if
// their lists of origins or their cookie cannot work. No goroutine is started before
// the first session.
func NewServer(accept Accept, opts *Options) *Server {
	srv := &Server{
		opts:     opts.withDefaults(),
		accept:   accept,
		pool:     flush.NewPool[*sink](runtime.GOMAXPROCS(0)),
		wheel:    wheel.New(),
		sessions: idtable.New[*Session](),
		departed: make(map[string]*Session),
		orphans:  make(map[*upgradeTry]struct{}),
		stopped:  make(chan struct{}),

		compressing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	srv.logs = logonce.New(srv.opts.Logger)
	srv.output, srv.input = budget.New(srv.opts.OutputBudget), budget.New(srv.opts.InputBudget)
	srv.limits = wsframe.Limits{MaxMessage: srv.opts.MaxPayload, MaxFragments: srv.opts.MaxFragments}
	srv.timers = newTimers(srv.wheel, &srv.opts)
	srv.frames.ping = packet.Text(packet.Ping, "")
	srv.frames.pongProbe = packet.Text(packet.Pong, "probe")
	srv.frames.close = packet.Text(packet.Close, "")
	srv.frames.noop = packet.Text(packet.Noop, "")
	return srv
}

// ServeHTTP serves one request of a client.
//
// A poll for which there is nothing is a request that takes long: until something is
// sent, a ping at the latest. The ReadTimeout and the WriteTimeout of the http.Server
// do not end it. The Shutdown of the http.Server waits for it, as for every request,
// and so does the Close of httptest.Server: see [Server.Shutdown]. The Close of the
// http.Server ends it, and its session with [ErrPollAborted].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.serves(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	a := srv.admit(w, r)
	switch {
	case a.preflight:
		srv.opts.CORS.preflight(w, r)
	case a.refused != nil:
		srv.refuse(w, r, a.upgrade, a.refused)
	case a.departed:
		srv.answerDeparted(w, r)
	case a.upgrade:
		srv.serveWebSocket(w, r, a)
	case a.session != nil:
		a.session.servePolling(w, r)
	default:
		srv.openPolling(w, r)
	}
}

// serves reports whether a request path is the server's.
func (srv *Server) serves(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return srv.opts.Path == "" || path == "" || strings.HasSuffix(path, srv.opts.Path)
}

// Len returns the number of open sessions.
func (srv *Server) Len() int {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.sessions.Len()
}

// Sessions returns the sessions that are open when the iteration begins.
func (srv *Server) Sessions() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		srv.mu.RLock()
		all := srv.sessions.All()
		srv.mu.RUnlock()
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Wheel returns the wheel that runs the server's timeouts, for package socketio.
func (srv *Server) Wheel() *wheel.Wheel { return srv.wheel }

// session returns a session by its id; nil if there is none.
func (srv *Server) session(id string) *Session {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.sessions.Find(id)
}

// Errors of register, and thereby of a handshake.
var (
	errDraining    = errors.New("the server is shutting down")
	errTooMany     = errors.New("the server has as many sessions as it may")
	errDuplicateID = errors.New("the id of the new session is taken")
)

// full reports why no session can be opened; nil if one can. mu is held.
func (srv *Server) full() error {
	switch {
	case srv.draining:
		return errDraining
	case srv.opts.MaxSessions > 0 && srv.sessions.Len() >= srv.opts.MaxSessions:
		return errTooMany
	}
	return nil
}

// register makes a session known.
func (srv *Server) register(s *Session) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if err := srv.full(); err != nil {
		return err
	}
	if srv.sessions.Find(s.ID()) != nil {
		return errDuplicateID
	}
	srv.tasks.Add(1)
	srv.sessions.Add(s)
	srv.pool.Start()
	return nil
}

// unregister forgets a session. If its client has closed it while no poll was
// pending, the id is kept for a moment more: the last poll may have been sent
// before the close packet and still arrive behind it, on another connection. It
// is answered as if it had arrived in time.
func (srv *Server) unregister(s *Session, departs bool) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.sessions.Remove(s)
	if departs {
		srv.departed[s.ID()] = s
		srv.timers.departed.Arm(&s.heartbeat)
	}
}

// takeDeparted forgets the id of a departed session and reports whether it was
// known.
func (srv *Server) takeDeparted(id string) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	s := srv.departed[id]
	if s == nil {
		return false
	}
	srv.wheel.Disarm(&s.heartbeat)
	delete(srv.departed, id)
	return true
}

// StopAccepting makes the server refuse new sessions with status 503. The
// existing ones live on.
func (srv *Server) StopAccepting() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.draining = true
}

// Draining reports whether new sessions are refused, because of StopAccepting or
// Shutdown.
func (srv *Server) Draining() bool {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.draining
}

// Shutdown ends the server: it refuses new sessions, closes all others with
// [ServerShutdown] once their queued frames have been sent, and waits for their
// receivers to be told and for every goroutine of the server to end. When ctx
// ends first, it gives up waiting for the clients, drops what is queued, and
// returns the context's error; the goroutines then end as soon as the receivers
// return. It must not be called from a receiver.
//
// It does not touch the http.Server, whose own Shutdown is not enough: that leaves
// WebSockets alone, and waits for pending polls, which may take a whole PingInterval.
// Call both, this one first or at the same time. Where only the http.Server is at
// hand to who ends the program, http.Server.RegisterOnShutdown can call this method;
// http.Server.Shutdown does not wait for it.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.StopAccepting()
	srv.hurryOrphans()
	for s := range srv.Sessions() {
		s.Close(ServerShutdown)
	}
	srv.stop.Do(func() {
		go func() {
			srv.tasks.Wait()
			srv.output.Stop()
			srv.input.Stop()
			srv.wheel.Close()
			srv.pool.Close()
			srv.parking.close()
			srv.logs.Close()
			close(srv.stopped)
		}()
	})
	select {
	case <-srv.stopped:
		return nil
	case <-ctx.Done():
		for s := range srv.Sessions() {
			s.Discard(ServerShutdown)
		}
		return context.Cause(ctx)
	}
}
