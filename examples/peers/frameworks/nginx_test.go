package frameworks

import (
	"net/http"
	"testing"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Behind an nginx that ends TLS and names the port, as "$host:$server_port" does, the pages of the site itself pass, and no others.
func TestOriginsBehindNginx(t *testing.T) {
	node := peers.Node(t)
	s := serve(t, socketio.Options{Engine: engine.Options{SameOriginOnly: true}}, func(io http.Handler) http.Handler { return io })
	url := peers.Nginx(t, s.url, `
		proxy_set_header Host app.example.com:443;
		proxy_set_header X-Forwarded-Proto https;`)
	for _, transports := range [][]string{{"polling"}, {"websocket"}, {"polling", "websocket"}} {
		final := transports[len(transports)-1]
		opts := func(origin string) map[string]any {
			return map[string]any{"transports": transports, "extraHeaders": map[string]string{"Origin": origin}}
		}
		if err := node.Try(nil, connects, url, final, opts("https://app.example.com")); err != nil {
			t.Errorf("%v: %.200v", transports, err)
		}
		for _, origin := range []string{"https://evil.example", "http://app.example.com", "https://app.example.com:8443"} {
			if err := node.Try(nil, connects, url, final, opts(origin)); err == nil {
				t.Errorf("%v: a page of %s has connected", transports, origin)
			}
		}
	}
	if lines := s.logs.lines("level=WARN", "origin=https://evil.example", "host=app.example.com:443"); len(lines) != 1 || len(s.logs.lines("level=WARN")) != 1 {
		t.Errorf("logged: %s", s.logs)
	}
}

// An nginx that compresses by itself leaves one layer, too.
func TestCompressionBehindNginx(t *testing.T) {
	s := serve(t, socketio.Options{}, func(io http.Handler) http.Handler { return io })
	checkLayers(t, peers.Nginx(t, s.url, `
		gzip on;
		gzip_proxied any;
		gzip_types *;
		gzip_min_length 1;`))
}
