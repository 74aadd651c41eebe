package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// checkHeaders compares headers; an empty value stands for none.
func checkHeaders(tb testing.TB, got http.Header, want map[string]string) {
	tb.Helper()
	for name, value := range want {
		if g := strings.Join(got.Values(name), ","); g != value {
			tb.Errorf("%s: %q, want %q", name, g, value)
		}
	}
}

func TestPreflight(t *testing.T) {
	s := start(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"*"}}})
	c := s.openPolling(t)
	for _, query := range []string{pollingQuery, c.query(), "", "EIO=4&transport=abc"} {
		res := s.request(t, http.MethodOptions, query, "", "Origin: http://example.com",
			"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: X-One, Content-Type")
		expectEmpty(t, res, http.StatusNoContent)
		checkHeaders(t, res.header, map[string]string{
			"Access-Control-Allow-Origin":  "*",
			"Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
			"Access-Control-Allow-Headers": "X-One, Content-Type",
			"Access-Control-Max-Age":       "",
			"Vary":                         "Access-Control-Request-Headers",
		})
	}
	c.peer.expectOpen(t)
}

func TestPreflightWithOptions(t *testing.T) {
	s := start(t, &engine.Options{CORS: &engine.CORS{
		Origins:        []string{"https://app.example.com"},
		Credentials:    true,
		Methods:        []string{"GET", "POST"},
		AllowedHeaders: []string{"X-One", "X-Two"},
		ExposedHeaders: []string{"X-Three"},
		MaxAge:         time.Hour,
	}})
	res := s.request(t, http.MethodOptions, pollingQuery, "", "Origin: https://app.example.com",
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: X-Other")
	expectEmpty(t, res, http.StatusNoContent)
	checkHeaders(t, res.header, map[string]string{
		"Access-Control-Allow-Origin":      "https://app.example.com",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods":     "GET,POST",
		"Access-Control-Allow-Headers":     "X-One,X-Two",
		"Access-Control-Max-Age":           "3600",
		"Vary":                             "Origin",
	})
	res = s.request(t, http.MethodOptions, pollingQuery, "", "Origin: https://evil.example",
		"Access-Control-Request-Method: POST")
	if res.status != http.StatusForbidden {
		t.Errorf("preflight of another origin: got %d %q, want 403", res.status, res.body)
	}
	checkHeaders(t, res.header, map[string]string{
		"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "",
	})
}

// What others have said of what the answer varies with stays: caches would mix the answers up.
func TestVaryOfOthersIsKept(t *testing.T) {
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept-Encoding")
			next.ServeHTTP(w, r)
		})
	}
	s := serve(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"http://a.example"}}}, wrap, nil)
	c := s.openPolling(t)
	c.peer.send("hello")
	for _, request := range []struct {
		method, query, origin string
		status                int
		vary                  string
	}{
		{http.MethodGet, pollingQuery, "http://a.example", http.StatusOK, "Accept-Encoding,Origin"},
		{http.MethodGet, c.query(), "http://a.example", http.StatusOK, "Accept-Encoding,Origin"},
		{http.MethodGet, pollingQuery, "http://b.example", http.StatusForbidden, "Accept-Encoding,Origin"},
		{http.MethodOptions, pollingQuery, "http://a.example", http.StatusNoContent, "Accept-Encoding,Origin,Access-Control-Request-Headers"},
	} {
		res := s.request(t, request.method, request.query, "", "Origin: "+request.origin)
		if res.status != request.status {
			t.Errorf("%+v: status %d", request, res.status)
		}
		checkHeaders(t, res.header, map[string]string{"Vary": request.vary})
	}
	ws, res, err := s.open(t).handshakeWS(websocketQuery, "", "Origin: http://a.example")
	if err != nil || ws == nil {
		t.Fatalf("websocket: %d, error %v", res.status, err)
	}
	checkHeaders(t, res.header, map[string]string{"Vary": "Accept-Encoding,Origin"})
}

// Pages can only read what the headers allow, refusals included.
func TestHeadersOfCORS(t *testing.T) {
	s := startEcho(t, &engine.Options{CORS: &engine.CORS{
		Origins: []string{"http://a.example", "http://b.example"}, Credentials: true, ExposedHeaders: []string{"X-Three"},
	}})
	c := s.openPolling(t)
	const origin = "Origin: http://b.example"
	want := map[string]string{
		"Access-Control-Allow-Origin":      "http://b.example",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers":    "X-Three",
		"Vary":                             "Origin",
	}
	for _, query := range []string{pollingQuery, pollingQuery + "&sid=unknown", "EIO=4", "EIO=3&transport=polling"} {
		checkHeaders(t, s.request(t, http.MethodGet, query, "", origin).header, want)
	}
	checkHeaders(t, s.request(t, http.MethodPost, c.query(), "4hello", origin).header, want)
	checkHeaders(t, s.request(t, http.MethodGet, c.query(), "", origin).header, want)
	ws, res, err := s.open(t).handshakeWS(websocketQuery, "", origin)
	if err != nil || ws == nil {
		t.Fatalf("websocket: %d, error %v", res.status, err)
	}
	checkHeaders(t, res.header, want)
}

// In the reference the list of origins only decides about headers, which do not
// concern WebSocket: a page of any origin can open one with the visitor's cookies.
func TestFaultOriginsAreEnforced(t *testing.T) {
	s := startEcho(t, &engine.Options{CORS: &engine.CORS{
		Origins:     []string{"https://example.com", "https://*.example.org", "http://localhost:8080"},
		AllowOrigin: func(origin string) bool { return origin == "app://desktop" },
	}})
	c := s.openPolling(t) // without an Origin, as programs do
	allowed := []string{
		"https://example.com", "https://a.example.org", "https://a.b.example.org", "https://EXAMPLE.com",
		"http://localhost:8080", "app://desktop",
		"http://localhost", // the host of all requests of these tests
	}
	for _, origin := range allowed {
		header := "Origin: " + origin
		if res := s.request(t, http.MethodGet, pollingQuery, "", header); res.status != http.StatusOK {
			t.Errorf("%s: polling got %d %q", origin, res.status, res.body)
		}
		if ws, res, err := s.open(t).handshakeWS(websocketQuery, "", header); err != nil || ws == nil {
			t.Errorf("%s: websocket got %d %q, error %v", origin, res.status, res.body, err)
		}
		if res := s.request(t, http.MethodPost, c.query(), "4hello", header); res.status != http.StatusOK {
			t.Errorf("%s: a request of a session got %d %q", origin, res.status, res.body)
		}
	}
	for _, origin := range []string{
		"https://evil.example", "http://example.com", "https://example.com:444", "https://example.com.evil.example",
		"https://evilexample.org", "https://example.org", "https://evil.example#.example.org", "https://evil.example/.example.org",
		"https://u:p@evil.example?.example.org", "null", "https://a.example.org:8443", "http://localhost:8081", "example.com",
		"app://desktop2",
	} {
		header := "Origin: " + origin
		before := s.engine.Len()
		for _, query := range []string{pollingQuery, c.query()} {
			res := s.request(t, http.MethodGet, query, "", header)
			expectRefusal(t, res, http.StatusForbidden, 4, "Forbidden")
			if got := res.header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: Access-Control-Allow-Origin %q", origin, got)
			}
		}
		expectRefusal(t, s.request(t, http.MethodPost, c.query(), "4hello", header), http.StatusForbidden, 4, "Forbidden")
		for _, query := range []string{websocketQuery, websocketQuery + "&sid=" + c.sid} {
			s.expectRefusedWS(t, query, []int{http.StatusForbidden}, "", header)
		}
		if n := s.engine.Len(); n != before {
			t.Errorf("%s: %d sessions, want %d", origin, n, before)
		}
	}
	c.peer.expectOpen(t)
	for range allowed {
		c.peer.expect(t, text("hello"))
	}
}
