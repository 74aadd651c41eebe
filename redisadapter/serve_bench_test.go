package redisadapter

import (
	"context"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// unlistened is an adapter that has no connection whose end could be waited for.
type unlistened struct{ *classic }

func (u unlistened) Close(context.Context) error {
	u.cancel()
	return nil
}

// BenchmarkServe answers what other nodes ask of a server with 2,000 sockets.
func BenchmarkServe(b *testing.B) {
	const sockets = 2000
	node := newBare(b, "/", nil)
	s := siotest.New(b, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
		node.c = newClassic(h, node.c.link, func() bool { return false })
		return unlistened{node.c}
	}})
	for range sockets {
		s.Connect(&siotest.Options{Auth: map[string]string{"token": "abc"}})
	}
	for name, request := range map[string]string{
		"fetch":  `{"uid":"u","requestId":"r","type":5,"opts":{"rooms":[],"except":[]}}`,
		"rooms":  `{"uid":"u","requestId":"r","type":1}`,
		"join":   `{"uid":"u","type":2,"opts":{"rooms":[],"except":[]},"rooms":["r"]}`,
		"leave":  `{"uid":"u","type":3,"opts":{"rooms":[],"except":[]},"rooms":["r"]}`,
		"nobody": `{"uid":"u","type":4,"opts":{"rooms":["none"],"except":[]},"close":true}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				node.c.receive(node.c.request, request)
				node.published()
			}
		})
	}
}
