package redisadapter

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// client returns a client of a server at that address.
func client(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	return clientWith(tb, &redis.Options{Addr: addr})
}

// unreachable returns a client of a server that is not there.
func unreachable(tb testing.TB) *redis.Client {
	tb.Helper()
	// Not a name: the Redis client would look it up, which in a bubble breaks all later ones.
	return clientWith(tb, &redis.Options{Addr: "127.0.0.1:1", Dialer: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}})
}

func clientWith(tb testing.TB, opts *redis.Options) *redis.Client {
	tb.Helper()
	rdb := redis.NewClient(opts)
	tb.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			tb.Errorf("closing the client: %v", err)
		}
	})
	return rdb
}

func TestSuite(t *testing.T) {
	for name, opts := range map[string]*Options{
		"defaults":         nil,
		"specific answers": {PublishOnSpecificResponseChannel: true, Key: "other*key"},
	} {
		t.Run(name, func(t *testing.T) {
			server := peers.Redis(t)
			adaptertest.Run(t, adaptertest.Options{
				Nodes: 3,
				Start: func(t *testing.T, nodes int) []adapter.Factory {
					factories := make([]adapter.Factory, nodes)
					for i := range factories {
						factories[i] = New(client(t, server.Addr), opts)
					}
					return factories
				},
			})
		})
	}
}
