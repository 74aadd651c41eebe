package frameworks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// recorder is a middleware that has no Unwrap.
type recorder struct{ http.ResponseWriter }

// Middlewares and frameworks whose writers may not be taken over, and the text that names the writer.
var unhijackable = map[string]struct {
	mount wrap
	named string
}{
	"http.TimeoutHandler": {
		func(io http.Handler) http.Handler { return http.TimeoutHandler(io, patience, "too late") }, "*http.timeoutWriter",
	},
	"echo's Timeout": {
		func(io http.Handler) http.Handler {
			e := echo.New()
			e.Use(echomiddleware.TimeoutWithConfig(echomiddleware.TimeoutConfig{Timeout: patience})) //nolint:staticcheck // It is in use although it is deprecated.
			e.Any("/socket.io/", echo.WrapHandler(io))
			return e
		}, "*http.timeoutWriter",
	},
	"gin in http.TimeoutHandler": {
		func(io http.Handler) http.Handler {
			r := newGin()
			r.Any("/socket.io/", gin.WrapH(io))
			return http.TimeoutHandler(r, patience, "too late")
		}, "*http.timeoutWriter",
	},
	"a recorder": {
		func(io http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.ServeHTTP(&recorder{w}, r) })
		}, "*frameworks.recorder",
	},
	"a recorder around gin": {
		func(io http.Handler) http.Handler {
			engine := newGin()
			engine.Any("/socket.io/", gin.WrapH(io))
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine.ServeHTTP(&recorder{w}, r) })
		}, "*frameworks.recorder",
	},
}

// connects has the official client connect and get small and large answers, until it is on the transport that is expected.
const connects = `
	const [url, final, opts] = args;
	const socket = await connect(url, opts);
	try {
		for (const n of [10, 3000, 100_000]) {
			const got = await socket.timeout(10_000).emitWithAck("give", n);
			if (got.length !== n) throw new Error("got " + got.length + " bytes, want " + n);
		}
		const engine = socket.io.engine;
		await until(() => engine.transport.name === final && !engine.upgrading);
	} finally {
		socket.disconnect();
	}`

// Where connections cannot be taken over, clients stay on polling and get everything, and the application is told once.
func TestWithoutHijacking(t *testing.T) {
	node := peers.Node(t)
	for name, tt := range unhijackable {
		t.Run(name, func(t *testing.T) {
			checkUnhijackable(t, node, serve(t, socketio.Options{}, tt.mount), tt.named)
		})
	}
}

// checkUnhijackable connects clients with each set of transports.
func checkUnhijackable(t *testing.T, node *peers.NodeProcess, s *site, named string) {
	t.Helper()
	for range 3 {
		node.Eval(t, nil, connects, s.url, "polling", map[string]any{})
	}
	if err := node.Try(nil, connects, s.url, "websocket", map[string]any{"transports": []string{"websocket"}}); err == nil {
		t.Error("a client with WebSocket only has connected")
	}
	if lines := s.logs.lines("level=WARN", "WebSocket", named); len(lines) != 1 {
		t.Errorf("%d lines name %s", len(lines), named)
	}
	if lines := s.logs.lines("panic"); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
}

// The adaptor of fiber collects each answer, and has no connection to give away.
func TestFibersAdaptor(t *testing.T) {
	node := peers.Node(t)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	s := serve(t, socketio.Options{}, func(io http.Handler) http.Handler {
		app.All("/socket.io/", adaptor.HTTPHandler(io))
		return http.NotFoundHandler()
	})
	l := peers.Listen(t)
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	s.url = "http://" + l.Addr().String()
	checkUnhijackable(t, node, s, "fasthttpadaptor")
}

// Middlewares that let connections be taken over, in any order.
func TestClientsUpgradeBehindMiddleware(t *testing.T) {
	node := peers.Node(t)
	for name, mount := range map[string]wrap{
		"chi": func(io http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(middleware.RequestID, logging, middleware.Recoverer, middleware.Compress(5))
			r.Handle("/socket.io/", io)
			return r
		},
		"gin": compressing["gin"], "echo": compressing["echo"], "gorilla": compressing["gorilla"], "gzhttp": compressing["gzhttp"],
		"chi around gin": func(io http.Handler) http.Handler {
			engine := newGin()
			engine.Any("/socket.io/", gin.WrapH(io))
			return logging(engine)
		},
		"a writer that unwraps around gin": func(io http.Handler) http.Handler {
			engine := newGin()
			engine.Any("/socket.io/", gin.WrapH(io))
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine.ServeHTTP(unwrapping{w}, r) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, socketio.Options{}, mount)
			node.Eval(t, nil, connects, s.url, "websocket", map[string]any{})
			node.Eval(t, nil, connects, s.url, "websocket", map[string]any{"transports": []string{"websocket"}})
			if lines := s.logs.lines("level=WARN"); len(lines) != 0 || strings.Contains(s.logs.String(), "panic") {
				t.Errorf("logged: %s", s.logs)
			}
		})
	}
}

// unwrapping is a writer of a middleware that can do nothing but unwrap.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }
