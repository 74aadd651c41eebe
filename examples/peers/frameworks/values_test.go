package frameworks

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

type tenantKey struct{}

// tenants are frameworks whose routes have a parameter, which they keep in memory that they use again for the next request.
var tenants = map[string]struct {
	mount  wrap
	tenant func(r *http.Request) string
}{
	"chi": {
		mount: func(io http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Handle("/{tenant}/socket.io/", io)
			return r
		},
		tenant: func(r *http.Request) string { return chi.URLParam(r, "tenant") },
	},
	"gin": {
		mount: func(io http.Handler) http.Handler {
			r := newGin()
			r.Any("/:tenant/socket.io/", func(c *gin.Context) {
				ctx := context.WithValue(c.Request.Context(), tenantKey{}, c)
				io.ServeHTTP(c.Writer, c.Request.WithContext(ctx))
			})
			return r
		},
		tenant: func(r *http.Request) string { return r.Context().Value(tenantKey{}).(*gin.Context).Param("tenant") },
	},
}

// What a router knows of the handshake is there as long as the connection, if ConnContext copies it, whatever becomes of the router's memory.
func TestRouteParametersReachHandlers(t *testing.T) {
	for name, framework := range tenants {
		t.Run(name, func(t *testing.T) {
			type tenant struct{}
			s := serve(t, socketio.Options{ConnContext: func(r *http.Request) context.Context {
				return context.WithValue(context.Background(), tenant{}, framework.tenant(r))
			}}, func(io http.Handler) http.Handler { return io })
			s.io.Use(func(ctx context.Context, _ *socketio.Socket) error {
				if ctx.Value(tenant{}) == "" {
					return &socketio.Error{Message: "no tenant"}
				}
				return nil
			})
			socketio.OnWithAck(s.io, "tenant", func(ctx context.Context, _ *socketio.Socket, _ socketio.None) (any, error) {
				return ctx.Value(tenant{}), nil
			})
			h := framework.mount(s.io)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					want := fmt.Sprint("tenant", i)
					c, err := siotest.Connect(ctx, h, &siotest.Options{Path: "/" + want + "/socket.io/"})
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					for range 5 {
						if got, err := socketio.As[string](c.EmitWithAck(ctx, "tenant")); got != want || err != nil {
							t.Errorf("it is %q (%v), want %q", got, err, want)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
