package frameworks

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// Clients ask for the path with a slash at its end, or without it if they are told so.
func TestPathsOfRouters(t *testing.T) {
	node := peers.Node(t)
	for name, tt := range map[string]struct {
		mount wrap
		path  string // of the option; "" is the default
		asked string // by the client
	}{
		"nothing":                    {mount: func(io http.Handler) http.Handler { return io }},
		"nothing, without a slash":   {mount: func(io http.Handler) http.Handler { return io }, path: "/socket.io"},
		"net/http":                   {mount: onMux("/socket.io/", "/socket.io")},
		"net/http with methods":      {mount: onMux("GET /socket.io/", "POST /socket.io/", "GET /socket.io", "POST /socket.io")},
		"net/http with {$}":          {mount: onMux("/socket.io/{$}", "/socket.io")},
		"net/http, any host":         {mount: onMux("/"), path: "/chat/ws", asked: "/app/chat/ws"},
		"StripPrefix with the path":  {mount: stripped("/socket.io")},
		"StripPrefix before it":      {mount: stripped("/api"), asked: "/api/socket.io"},
		"chi":                        {mount: onChi("/socket.io/", "/socket.io")},
		"chi's wildcard":             {mount: onChi("/socket.io/*", "/socket.io")},
		"chi's prefix as a wildcard": {mount: onChi("/socket.io*")},
		"chi's Mount": {mount: func(io http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Mount("/api", http.StripPrefix("/api", io))
			return r
		}, asked: "/api/socket.io"},
		"gin":            {mount: onGin("/socket.io/", "/socket.io")},
		"gin's wildcard": {mount: onGin("/socket.io/*any", "/socket.io")},
		"gin's group": {mount: func(io http.Handler) http.Handler {
			r := newGin()
			r.Group("/api").Any("/socket.io/*any", gin.WrapH(io)).Any("/socket.io", gin.WrapH(io))
			return r
		}, asked: "/api/socket.io"},
		"echo":                        {mount: onEcho("/socket.io/", "/socket.io")},
		"echo's wildcard":             {mount: onEcho("/socket.io/*", "/socket.io")},
		"echo's prefix as a wildcard": {mount: onEcho("/socket.io*")},
		"gorilla": {mount: func(io http.Handler) http.Handler {
			r := mux.NewRouter()
			r.PathPrefix("/socket.io").Handler(io)
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, socketio.Options{Path: tt.path}, tt.mount)
			asked := tt.asked
			if asked == "" {
				asked = "/socket.io"
			}
			for _, slash := range []bool{true, false} {
				for _, transports := range [][]string{{"polling", "websocket"}, {"websocket"}} {
					opts := map[string]any{"path": asked, "addTrailingSlash": slash, "transports": transports}
					if err := node.Try(nil, connects, s.url, "websocket", opts); err != nil {
						t.Errorf("a slash at the end: %v, %v: %.100v", slash, transports, err)
					}
				}
			}
		})
	}
}

func onMux(patterns ...string) wrap {
	return func(io http.Handler) http.Handler {
		m := http.NewServeMux()
		for _, p := range patterns {
			m.Handle(p, io)
		}
		return m
	}
}

func stripped(prefix string) wrap {
	return func(io http.Handler) http.Handler { return http.StripPrefix(prefix, io) }
}

func onChi(patterns ...string) wrap {
	return func(io http.Handler) http.Handler {
		r := chi.NewRouter()
		for _, p := range patterns {
			r.Handle(p, io)
		}
		return r
	}
}

func onGin(patterns ...string) wrap {
	return func(io http.Handler) http.Handler {
		r := newGin()
		for _, p := range patterns {
			r.Any(p, gin.WrapH(io))
		}
		return r
	}
}

func onEcho(patterns ...string) wrap {
	return func(io http.Handler) http.Handler {
		e := echo.New()
		for _, p := range patterns {
			e.Any(p, echo.WrapHandler(io))
		}
		return e
	}
}
