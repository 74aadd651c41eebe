package peers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// goInstance is one of our servers.
type goInstance struct {
	is   string
	url  string
	io   *socketio.Server
	http *httptest.Server
	log  lockedBuffer

	mu  sync.Mutex
	got [][]any

	closing sync.Once
}

// lockedBuffer keeps what is logged.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startGo starts a server that does what the reference server of testdata/cluster.js does.
func startGo(t *testing.T, name, redisAddr string, opts clusterOptions) *goInstance {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	g := &goInstance{is: name}
	g.io = socketio.NewServer(&socketio.Options{
		Adapter: redisadapter.New(rdb, &opts.ours),
		Engine:  engine.Options{PingInterval: opts.heartbeat, PingTimeout: 4 * opts.heartbeat},
		Logger:  slog.New(slog.NewTextHandler(&g.log, nil)),
		// Clients are known by their auth, which the reference server publishes, too.
		PublishHandshake: func(s *socketio.Socket, published *socketio.Handshake) { published.Auth = s.Handshake().Auth },
	})
	for _, nsp := range []string{"/", "/custom"} {
		g.serve(g.io.Of(nsp))
	}
	g.http, g.url = serveHTTP(t, g.io)
	t.Cleanup(func() {
		g.shutdown(t)
		if err := rdb.Close(); err != nil {
			t.Errorf("closing the Redis client of %s: %v", name, err)
		}
		if log := g.log.String(); t.Failed() && log != "" {
			t.Logf("log of %s:\n%s", name, log)
		}
	})
	return g
}

// serveHTTP starts an HTTP server for a Socket.IO server.
func serveHTTP(t *testing.T, io *socketio.Server) (srv *httptest.Server, url string) {
	t.Helper()
	srv = httptest.NewUnstartedServer(io)
	srv.Listener.Close()
	srv.Listener = peers.Listen(t)
	srv.Start()
	return srv, srv.URL
}

// shutdown ends the server as a program should that is told to stop.
func (g *goInstance) shutdown(t *testing.T) {
	g.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(g.io.Shutdown(ctx), g.http.Config.Shutdown(ctx)); err != nil {
			t.Errorf("Shutdown of %s: %v", g.is, err)
		}
		g.http.Close()
	})
}

type socketDeep struct {
	List []any `json:"list"`
}

// The data of each socket.
var (
	nameKey = socketio.NewKey[string]("name")
	deepKey = socketio.NewKey[socketDeep]("deep")
)

func (g *goInstance) serve(n *socketio.Namespace) {
	n.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Name string }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		nameKey.Set(s, auth.Name)
		deepKey.Set(s, socketDeep{List: []any{1, nil, "é"}})
		return nil
	})
	socketio.On(n, "join", func(_ context.Context, s *socketio.Socket, rooms []any) error {
		s.Join(roomNames(rooms)...)
		return nil
	})
	socketio.On(n, "say", func(_ context.Context, _ *socketio.Socket, a socketio.Args) error {
		var room string
		if err := a.Decode(0, &room); err != nil {
			return err
		}
		return n.To(room).Emit("said", a.MarshalArgs()[1:]...)
	})
	socketio.OnWithAck(n, "echo", func(_ context.Context, _ *socketio.Socket, v any) (any, error) { return v, nil })

	socketio.OnServer(n, "note", func(_ context.Context, a socketio.Args) error {
		note := []any{n.Name()}
		for i := range a.Len() {
			var v any
			if err := a.Decode(i, &v); err != nil {
				return err
			}
			note = append(note, v)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.got = append(g.got, note)
		return nil
	})
	socketio.OnServerWithAck(n, "ask", func(_ context.Context, a socketio.Args) (map[string]any, error) {
		got, err := decodeAll(a)
		return map[string]any{"from": g.is, "got": got}, err
	})
	socketio.OnServerWithAck(n, "ask nothing", func(context.Context, socketio.None) (socketio.None, error) { return socketio.None{}, nil })
	socketio.OnServerWithAck(n, "ask some", func(_ context.Context, silent string) (string, error) {
		if silent == g.is {
			return "", errors.New("told to be silent")
		}
		return g.is, nil
	})
}

func decodeAll(a socketio.Args) ([]any, error) {
	all := make([]any, a.Len())
	for i := range all {
		if err := a.Decode(i, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// roomNames returns the names of rooms as they are here: numbers as text.
func roomNames(rooms []any) []string {
	var names []string
	for _, r := range rooms {
		names = append(names, fmt.Sprint(r))
	}
	return names
}

func (g *goInstance) name() string { return g.is }

func (g *goInstance) choose(to selection) socketio.Broadcast {
	n := g.io.Of(to.Nsp)
	b := n.Except()
	if to.From != "" {
		s, ok := n.Socket(to.From)
		if !ok {
			panic("no socket " + to.From + " at " + g.is)
		}
		b = s.Broadcast()
	}
	if len(to.Rooms) > 0 {
		b = b.To(roomNames(to.Rooms)...)
	}
	b = b.Except(roomNames(to.Except)...)
	if to.Volatile {
		b = b.Volatile()
	}
	if to.Local {
		b = b.Local()
	}
	if to.Compress != nil {
		b = b.Compress(*to.Compress)
	}
	return b
}

func (g *goInstance) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (g *goInstance) check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", g.is, err)
	}
}

func (g *goInstance) emit(t *testing.T, to selection, event string, args ...any) {
	t.Helper()
	g.check(t, g.choose(to).Emit(event, args...))
}

func (g *goInstance) ask(to selection, patience time.Duration, event string, args ...any) (replies, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return collected(g.choose(to).EmitWithAck(ctx, event, args...))
}

// collected returns the first value of each answer. Answers that are missing when the time is over are no error of the operation.
func collected(all []socketio.Args, failure error) (got replies, err error) {
	if failure != nil {
		if _, ok := errors.AsType[*socketio.AckTimeoutError](failure); !ok || !errors.Is(failure, context.DeadlineExceeded) {
			return got, failure
		}
		got.Error = failure.Error()
	}
	got.Answers = make([]any, len(all))
	for i, a := range all {
		if a.Len() == 0 {
			continue
		}
		if err := a.Decode(0, &got.Answers[i]); err != nil {
			return got, err
		}
	}
	return got, nil
}

func (g *goInstance) fetch(t *testing.T, to selection) []found {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	all, err := g.choose(to).FetchSockets(ctx)
	g.check(t, err)
	out := make([]found, len(all))
	for i, s := range all {
		out[i] = found{ID: s.ID(), Rooms: s.Rooms()}
		g.check(t, json.Unmarshal(s.Data(), &out[i].Data))
		h, err := s.Handshake()
		g.check(t, err)
		raw, err := h.MarshalJSON()
		g.check(t, err)
		g.check(t, json.Unmarshal(raw, &out[i].Handshake))
	}
	return out
}

func (g *goInstance) joinAll(t *testing.T, to selection, rooms ...any) {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	g.check(t, g.choose(to).JoinAll(ctx, roomNames(rooms)...))
}

func (g *goInstance) leaveAll(t *testing.T, to selection, rooms ...any) {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	g.check(t, g.choose(to).LeaveAll(ctx, roomNames(rooms)...))
}

func (g *goInstance) disconnect(t *testing.T, to selection, closeConn bool) {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	g.check(t, g.choose(to).DisconnectSockets(ctx, closeConn))
}

func (g *goInstance) serverEmit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	g.check(t, g.io.Of(nsp).ServerEmit(ctx, event, args...))
}

func (g *goInstance) serverAsk(nsp, event string, args ...any) (replies, error) {
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	return collected(g.io.Of(nsp).ServerEmitWithAck(ctx, event, args...))
}

// serverPatience is how long the reference server waits for the answers of other servers; ours is told to.
const serverPatience = 5 * time.Second

func (g *goInstance) notes(*testing.T) [][]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([][]any{}, g.got...)
}

func (g *goInstance) count(t *testing.T, nsp string) int {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	n, err := g.io.Of(nsp).ServerCount(ctx)
	g.check(t, err)
	return n
}

func (g *goInstance) remote(t *testing.T, nsp, id string) remoteSocket {
	t.Helper()
	ctx, cancel := g.context()
	defer cancel()
	all, err := g.io.Of(nsp).To(id).FetchSockets(ctx)
	g.check(t, err)
	if len(all) != 1 || all[0].ID() != id {
		t.Fatalf("%s finds %d sockets with the id %s in %s", g.is, len(all), id, nsp)
	}
	return goRemote{g, all[0]}
}

// goRemote is a socket that one of our servers has fetched.
type goRemote struct {
	g *goInstance
	s socketio.RemoteSocket
}

func (r goRemote) emit(t *testing.T, event string, args ...any) {
	t.Helper()
	r.g.check(t, r.s.Emit(event, args...))
}

func (r goRemote) ask(t *testing.T, event string, args ...any) any {
	t.Helper()
	ctx, cancel := r.g.context()
	defer cancel()
	answer, err := socketio.As[any](r.s.EmitWithAck(ctx, event, args...))
	r.g.check(t, err)
	return answer
}

func (r goRemote) join(t *testing.T, rooms ...string) {
	t.Helper()
	ctx, cancel := r.g.context()
	defer cancel()
	r.g.check(t, r.s.Join(ctx, rooms...))
}

func (r goRemote) leave(t *testing.T, room string) {
	t.Helper()
	ctx, cancel := r.g.context()
	defer cancel()
	r.g.check(t, r.s.Leave(ctx, room))
}

func (r goRemote) disconnect(t *testing.T, closeConn bool) {
	t.Helper()
	ctx, cancel := r.g.context()
	defer cancel()
	r.g.check(t, r.s.Disconnect(ctx, closeConn))
}
