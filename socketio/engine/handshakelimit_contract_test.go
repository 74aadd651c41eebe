package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/engine"
)

// What a session keeps of its handshake is bounded; the rest of a request is not.
func TestLimitOfHandshakes(t *testing.T) {
	refused := newMailbox[*engine.RequestError]()
	asked := 0
	s := start(t, &engine.Options{
		OnRefused:    func(_ *http.Request, e *engine.RequestError) { refused.put(e) },
		AllowRequest: func(*http.Request) error { asked++; return nil },
	})
	for name, tc := range map[string]struct {
		query   string
		headers []string
		fits    bool
	}{
		"ordinary":             {"", []string{"Cookie: session=" + strings.Repeat("c", 4000), "User-Agent: Mozilla/5.0"}, true},
		"just small enough":    {"", []string{"X: " + strings.Repeat("x", 15_000)}, true},
		"a large header":       {"", []string{"X: " + strings.Repeat("x", 16<<10)}, false},
		"a large common one":   {"", []string{"User-Agent: " + strings.Repeat("x", 16<<10)}, false},
		"many headers":         {"", manyHeaders(2000, ""), false},
		"many of the same":     {"", []string{strings.Repeat("Via: a\r\n", 3000) + "Via: b"}, false},
		"a large query":        {"&token=" + strings.Repeat("x", 16<<10), nil, false},
		"as large as net/http": {"", []string{"X: " + strings.Repeat("x", 1_000_000)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			ws, wsRes, err := s.open(t).handshakeWS(websocketQuery+tc.query, "", tc.headers...)
			if err != nil {
				t.Fatal(err)
			}
			res := s.request(t, http.MethodGet, pollingQuery+tc.query, "", tc.headers...)
			if tc.fits {
				if ws == nil || res.status != http.StatusOK {
					t.Errorf("refused: %+v, %+v", wsRes, res)
				}
				return
			}
			expectRefusal(t, res, http.StatusRequestHeaderFieldsTooLarge, int(engine.HandshakeTooLarge), "Handshake too large")
			if ws != nil || wsRes.status != http.StatusRequestHeaderFieldsTooLarge || !wsRes.closing {
				t.Errorf("over WebSocket: got %+v", wsRes)
			}
			for range 2 {
				if e, ok := refused.take(patience); !ok || e.Code != engine.HandshakeTooLarge || e.Detail == "" {
					t.Errorf("OnRefused got %v", e)
				}
			}
			if asked > 0 {
				t.Error("AllowRequest has been asked")
			}
		})
	}
	// Later requests are not kept.
	c := s.openPolling(t)
	large := "X: " + strings.Repeat("x", 100_000)
	if res := s.request(t, http.MethodPost, c.query(), "4hello", large); res.status != http.StatusOK {
		t.Errorf("a data request: %+v", res)
	}
	if ws, res, err := s.open(t).handshakeWS(websocketQuery+"&sid="+c.sid, "", large); ws == nil {
		t.Errorf("an upgrade: %+v, %v", res, err)
	}
}

func manyHeaders(n int, value string) []string {
	headers := make([]string, n)
	for i := range headers {
		headers[i] = fmt.Sprintf("X-%d: %s", i, value)
	}
	return headers
}

func TestMaxHandshakeBytes(t *testing.T) {
	header := "X: " + strings.Repeat("x", 20_000)
	for limit, status := range map[int]int{
		0: http.StatusRequestHeaderFieldsTooLarge, 20_000: http.StatusRequestHeaderFieldsTooLarge, 32 << 10: http.StatusOK,
	} {
		s := start(t, &engine.Options{MaxHandshakeBytes: limit})
		if res := s.request(t, http.MethodGet, pollingQuery, "", header); res.status != status {
			t.Errorf("limit %d: status %d, want %d", limit, res.status, status)
		}
	}
}

func TestJSClientHandshakes(t *testing.T) {
	node := peers.Node(t)
	s := start(t, nil)
	for _, tr := range clientTransports {
		for cookie, fits := range map[int]bool{0: true, 4 << 10: true, 15 << 10: true, 16 << 10: false} {
			var opened bool
			node.Eval(t, &opened, `
				const [url, transports, cookie] = args;
				const c = new EngineClient(url, { path: "/engine.io", transports, extraHeaders: {
					Cookie: "session=" + "c".repeat(cookie), Authorization: "Bearer abc", Origin: "https://app.example.com",
					"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
				}});
				const opened = await Promise.race([once(c, "open").then(() => true), once(c, "error").then(() => false)]);
				c.close();
				return opened;`, s.http.URL, tr.transports, cookie)
			if opened != fits {
				t.Errorf("%s, a cookie of %d bytes: opened %t, want %t", tr.name, cookie, opened, fits)
			}
		}
	}
}
