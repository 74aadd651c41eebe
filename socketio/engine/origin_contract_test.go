package engine_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// logBook keeps what is logged.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// lines returns the lines that contain all of the texts.
func (l *logBook) lines(texts ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(line, text)
		}
		if !missing {
			found = append(found, line)
		}
	}
	return found
}

func (l *logBook) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// handshake returns the answer to a polling handshake that change has changed.
func (b *bench) handshake(change func(r *http.Request)) *httptest.ResponseRecorder {
	r, w := request(http.MethodGet, "transport=polling"), httptest.NewRecorder()
	change(r)
	b.srv.ServeHTTP(w, r)
	return w
}

// from returns a change of a request, to the host, from a page of the origin.
func from(origin, host string, headers ...string) func(r *http.Request) {
	return func(r *http.Request) {
		r.Host = host
		r.Header.Set("Origin", origin)
		for i := 0; i < len(headers); i += 2 {
			if headers[i] == "TLS" {
				r.TLS = new(tls.ConnectionState)
				continue
			}
			r.Header.Set(headers[i], headers[i+1])
		}
	}
}

// A page of the server's own origin passes, whoever writes the default port. The scheme counts where it is known.
func TestOwnOrigin(t *testing.T) {
	const proto = "X-Forwarded-Proto"
	for _, opts := range []engine.Options{{SameOriginOnly: true}, {CORS: &engine.CORS{Origins: []string{"https://other.example"}}}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &opts)
			defer b.stop()
			for _, tt := range []struct {
				origin, host string
				headers      []string
				want         int
			}{
				{"https://app.example.com", "app.example.com", nil, 200},
				{"https://app.example.com", "app.example.com:443", nil, 200},
				{"https://app.example.com:443", "app.example.com", nil, 200},
				{"https://APP.example.com", "app.Example.com:443", nil, 200},
				{"http://app.example.com", "app.example.com:80", nil, 200},
				{"http://app.example.com:8080", "app.example.com:8080", nil, 200},
				{"http://[::1]:8080", "[::1]:8080", nil, 200},
				{"https://app.example.com", "app.example.com:443", []string{proto, "https"}, 200},
				{"https://app.example.com", "app.example.com", []string{"TLS", ""}, 200},
				{"https://app.example.com", "app.example.com", []string{proto, "https, http"}, 200},
				{"https://app.example.com", "app.example.com:80", nil, 403},
				{"http://app.example.com", "app.example.com:443", nil, 403},
				{"https://app.example.com", "app.example.com:8443", nil, 403},
				{"https://app.example.com:8443", "app.example.com", nil, 403},
				{"http://app.example.com", "app.example.com", []string{"TLS", ""}, 403},
				{"http://app.example.com", "app.example.com", []string{proto, "https"}, 403},
				{"https://app.example.com", "app.example.com", []string{proto, "http"}, 403},
				{"ftp://app.example.com", "app.example.com", nil, 403},
				{"app.example.com", "app.example.com", nil, 403},
				{"https://app.example.com.", "app.example.com", nil, 403},
				{"https://evil.example", "app.example.com", nil, 403},
				{"null", "app.example.com", nil, 403},
			} {
				if w := b.handshake(from(tt.origin, tt.host, tt.headers...)); w.Code != tt.want {
					t.Errorf("origin %s, host %s, %q: status %d, want %d", tt.origin, tt.host, tt.headers, w.Code, tt.want)
				}
			}
		})
	}
}

func TestOriginsAreNormalised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &engine.Options{CORS: &engine.CORS{
			Origins: []string{"https://A.example/", "https://b.example:443", "http://c.example:80/", "https://*.D.example:443", "null", "app://Desktop", "file://"},
		}})
		defer b.stop()
		for origin, want := range map[string]int{
			"https://a.example": 200, "https://a.example:443": 200, "https://b.example": 200, "http://c.example": 200, "https://x.d.example": 200,
			"https://x.d.example:443": 200, "null": 200, "app://desktop": 200, "file://": 200,
			"https://a.example/": 403, "http://a.example": 403, "https://c.example": 403, "https://d.example": 403, "https://x.d.example:8443": 403,
			"https://b.example:80": 403,
		} {
			if w := b.handshake(from(origin, "here.example")); w.Code != want {
				t.Errorf("%s: status %d, want %d", origin, w.Code, want)
			}
		}
	})
}

// mustPanic fails the test unless the options are refused with a text.
func mustPanic(t *testing.T, opts *engine.Options, text string) {
	t.Helper()
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, text) {
			t.Errorf("NewServer panics with %q, want %q in it", v, text)
		}
	}()
	engine.NewServer(nil, opts)
}

func TestOptionsThatCannotWorkPanic(t *testing.T) {
	for _, origin := range []string{
		"", "example.com", "//example.com", "https://", "https:example.com", "https://example.com/app", "https://example.com//", "https://example.com?x", "https://*",
		"https://*.", "https://a.*.example.com", "http://localhost:*", "https://u@example.com", "https://exämple.com", "https://a.example, https://b.example",
		" https://example.com", "https://example.com:port", "*.example.com",
	} {
		mustPanic(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"https://fine.example", origin}}}, "can never match")
	}
	mustPanic(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"*"}, Credentials: true}}, "Credentials")
	mustPanic(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"https://a.example"}}, SameOriginOnly: true}, "SameOriginOnly")
	mustPanic(t, &engine.Options{Cookie: &http.Cookie{Name: "a b"}}, "Cookie")
}

// What is refused again and again is logged once, and then how often that was.
func TestRefusalsAreLoggedOnce(t *testing.T) {
	long := "https://" + strings.Repeat("x", 100_000)
	for name, tt := range map[string]struct {
		opts  engine.Options
		do    func(r *http.Request)
		texts []string
	}{
		"origins": {
			engine.Options{SameOriginOnly: true},
			from("https://evil.example", "app.example.com"),
			[]string{"origin", "origin=https://evil.example", "host=app.example.com"},
		},
		"long origins":    {engine.Options{SameOriginOnly: true}, from(long, long), []string{`origin="https://xxx`}},
		"old clients":     {engine.Options{}, func(r *http.Request) { r.URL.RawQuery = "EIO=3&transport=polling" }, []string{"socket.io-client 2.x"}},
		"failing guards":  {engine.Options{AllowRequest: func(*http.Request) error { return errors.New("database down") }}, func(*http.Request) {}, []string{"database down"}},
		"ids of nobody":   {engine.Options{NewID: func(*http.Request) (string, error) { return "", nil }}, func(*http.Request) {}, []string{"the id is empty"}},
		"bad transports":  {engine.Options{}, func(r *http.Request) { r.URL.RawQuery = "EIO=4&transport=abc" }, nil},
		"wanted refusals": {engine.Options{AllowRequest: func(*http.Request) error { return &engine.RefusedError{Message: "no"} }}, func(*http.Request) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs logBook
				tt.opts.Logger = logs.logger(slog.LevelInfo)
				refused := 0
				tt.opts.OnRefused = func(*http.Request, *engine.RequestError) { refused++ }
				b := newBench(t, &tt.opts)
				defer b.stop()
				for range 1000 {
					b.handshake(tt.do)
				}
				if st := b.srv.Stats(); refused != 1000 || st.Refused != 1000 {
					t.Errorf("OnRefused was told of %d and Stats of %d refusals, want 1000", refused, st.Refused)
				}
				if tt.texts == nil {
					if lines := logs.lines(); len(lines) != 0 {
						t.Errorf("logged: %q", lines)
					}
					return
				}
				lines := logs.lines(append(tt.texts, "level=WARN", "err=")...)
				if len(lines) != 1 || len(logs.lines()) != 1 || len(lines[0]) > 800 {
					t.Errorf("logged: %.2000q", logs.lines())
				}
				time.Sleep(time.Minute + time.Second)
				synctest.Wait()
				if got := logs.lines("suppressed=999"); len(got) != 1 || len(logs.lines()) != 2 {
					t.Errorf("a minute later: %.2000q", logs.lines())
				}
			})
		})
	}
}

func TestRefusalsAreDebugLines(t *testing.T) {
	var logs logBook
	b := newBench(t, &engine.Options{Logger: logs.logger(slog.LevelDebug)})
	defer b.stop()
	for range 3 {
		b.handshake(func(r *http.Request) { r.URL.RawQuery = "EIO=4&transport=abc" })
	}
	if got := logs.lines("level=DEBUG", "request refused", "err=", "unknown transport", "remote=pipe:1"); len(got) != 3 {
		t.Errorf("logged: %q", logs.lines())
	}
}

// The cookie has the defaults of the Node.js server.
func TestCookieDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, cookie := range map[string]*http.Cookie{
			"io=ID; Path=/; HttpOnly; SameSite=Lax":                     {},
			"sid=ID; Path=/app; HttpOnly; Secure; SameSite=Strict":      {Name: "sid", Path: "/app", Secure: true, SameSite: http.SameSiteStrictMode},
			"io=ID; Path=/; Max-Age=60; HttpOnly; SameSite=Lax":         {MaxAge: 60},
			"io=ID; Path=/; HttpOnly; Secure; SameSite=None":            {SameSite: http.SameSiteNoneMode, Secure: true},
			"io=ID; Path=/; Domain=example.com; HttpOnly; SameSite=Lax": {Domain: "example.com"},
		} {
			b := newBench(t, &engine.Options{Cookie: cookie})
			w := b.handshake(func(*http.Request) {})
			if got := strings.Replace(w.Header().Get("Set-Cookie"), b.session.ID(), "ID", 1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			b.stop()
		}
	})
}

// A receiver that panics with each message does not fill the log with stacks.
func TestPanicsOfReceiversAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs logBook
		b := newBench(t, &engine.Options{Logger: logs.logger(slog.LevelInfo)})
		b.journal.onMessage = func(*engine.Session, engine.Message) { panic("boom") }
		for range 100 {
			query := b.poll()
			b.post(query, "4x")
		}
		if got := logs.lines("level=ERROR", "err=boom", "stack=", "origin_contract_test.go"); len(got) != 1 || len(logs.lines()) != 1 {
			t.Errorf("%d lines, %d of them with a stack", len(logs.lines()), len(got))
		}
		b.stop()
		if got := logs.lines("suppressed=99"); len(got) != 1 {
			t.Errorf("after the end: %.1000q", logs.lines())
		}
	})
}

func TestStatsCountFaultsOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &engine.Options{MaxPayload: 100})
		defer b.stop()
		for _, data := range []string{"x", "2", strings.Repeat("4", 200)} {
			b.post(b.poll(), data)
		}
		b.post(b.poll(), "1") // is no fault
		b.poll()
		b.session.Discard(engine.ForcedClose)
		if got := b.srv.Stats().Faults; got != 3 {
			t.Errorf("%d faults, want 3", got)
		}
	})
}
