package frameworks

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp ends neither of them with its server.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// patience bounds what a test waits for.
const patience = 20 * time.Second

// wrap mounts a handler in a framework.
type wrap func(io http.Handler) http.Handler

// site is a server of a test, and what it has logged.
type site struct {
	io   *socketio.Server
	url  string
	logs *logBook
}

// serve serves a Socket.IO server inside of what mount returns. A client that sends "give" with a number gets a text of that many bytes.
func serve(t *testing.T, opts socketio.Options, mount wrap) *site {
	t.Helper()
	logs := &logBook{}
	opts.Logger = slog.New(slog.NewTextHandler(logs, nil))
	srv := socketio.NewServer(&opts)
	socketio.OnWithAck(srv, "give", func(_ context.Context, _ *socketio.Socket, n int) (string, error) {
		return strings.Repeat("x", n), nil
	})
	hs := httptest.NewUnstartedServer(mount(srv))
	hs.Listener.Close()
	hs.Listener = peers.Listen(t)
	hs.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(logs, nil), slog.LevelError)
	hs.Start()
	t.Cleanup(hs.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if t.Failed() {
			t.Logf("logged:\n%s", logs)
		}
	})
	return &site{io: srv, url: hs.URL, logs: logs}
}

// A logBook keeps what is logged.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns the lines that contain all of the texts.
func (l *logBook) lines(texts ...string) (found []string) {
	for line := range strings.Lines(l.String()) {
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

// request makes a request whose answer is returned as it is on the wire, and fails the test unless it has the status 200.
func request(t *testing.T, method, url, body string, header ...string) (http.Header, []byte) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, body %.200q, error %v", method, url, res.StatusCode, b, err)
	}
	return res.Header, b
}
