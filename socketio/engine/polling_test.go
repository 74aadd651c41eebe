package engine_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/engine"
)

// poll opens a polling session and returns the query of its requests.
func (b *bench) poll() string {
	b.t.Helper()
	if code, body := b.http(http.MethodGet, "transport=polling"); code != http.StatusOK {
		b.t.Fatalf("handshake: %d %s", code, body)
	}
	return "transport=polling&sid=" + b.session.ID()
}

// post makes a data request and returns the status and the body.
func (b *bench) post(query, data string) (int, string) {
	r := request(http.MethodPost, query)
	r.Body = io.NopCloser(strings.NewReader(data))
	r.ContentLength = int64(len(data))
	w := httptest.NewRecorder()
	b.srv.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestVolatileOnPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		query := b.poll()
		b.session.Send(engine.NewTextFrame("lost"), engine.Volatile) // nobody polls
		got := make(chan string)
		go func() {
			_, body := b.http(http.MethodGet, query)
			got <- body
		}()
		synctest.Wait()
		if !b.session.Writable() {
			t.Error("not writable though a poll is pending")
		}
		b.session.SendAll([]*engine.Frame{engine.NewTextFrame("kept"), engine.NewBinaryFrame([]byte("too"))}, engine.Volatile)
		if body := <-got; body != "4kept\x1ebdG9v" {
			t.Errorf("got %q", body)
		}
		if b.session.Writable() {
			t.Error("writable though no poll is pending")
		}
	})
}

func TestQueueOfPollingSessionIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &engine.Options{MaxQueueBytes: 10_000})
		defer b.stop()
		b.poll()
		// One message of any size can always be queued.
		b.session.Send(engine.NewTextFrame(strings.Repeat("x", 20_000)), 0)
		b.wantOpen()
		b.session.Send(engine.NewTextFrame("x"), 0)
		b.wantReason(engine.SlowConsumer)
		if _, errs := b.journal.closed(); !errors.Is(errs[0], engine.ErrQueueFull) {
			t.Errorf("detail = %v", errs)
		}
	})
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int
		messages   string
		reason     engine.Reason // "" if the session lives on
	}{
		{"several", "4a\x1e4b\x1ebAQI=\x1e4", http.StatusOK, "a|b|\x01\x02|", ""},
		{"ignored types", "0\x1e5\x1e6\x1e4a", http.StatusOK, "a", ""},
		{"bad in the middle", "4a\x1e\x1e4b", http.StatusBadRequest, "a", engine.ParseError},
		{"separator at the end", "4a\x1e", http.StatusBadRequest, "a", engine.ParseError},
		{"empty", "", http.StatusBadRequest, "", engine.ParseError},
		{"unknown type", "9", http.StatusBadRequest, "", engine.ParseError},
		{"close", "4a\x1e1\x1e4b", http.StatusOK, "a", engine.TransportClose},
		{"ping", "2", http.StatusBadRequest, "", engine.TransportError},
		{"bytes that are not UTF-8", "4a\xffb", http.StatusOK, "a\uFFFDb", ""},
		{"as many packets as allowed", "4" + strings.Repeat("\x1e4", 9), http.StatusOK, strings.Repeat("|", 9), ""},
		{"more packets than allowed", "4" + strings.Repeat("\x1e4", 10), http.StatusBadRequest, strings.Repeat("|", 9), engine.TransportError},
		{"exactly the limit", "4" + strings.Repeat("x", 999), http.StatusOK, strings.Repeat("x", 999), ""},
		{"beyond the limit", "4" + strings.Repeat("x", 1000), http.StatusRequestEntityTooLarge, "", engine.TransportError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &engine.Options{MaxPackets: 10, MaxPayload: 1000})
				defer b.stop()
				code, body := b.post(b.poll(), tt.body)
				if code != tt.status || (code == http.StatusOK) != (body == "ok") {
					t.Errorf("got %d %q, want %d", code, body, tt.status)
				}
				if got := strings.Join(b.journal.messages, "|"); got != tt.messages {
					t.Errorf("messages %q, want %q", got, tt.messages)
				}
				if tt.reason == "" {
					b.wantOpen()
				} else {
					b.wantReason(tt.reason)
				}
			})
		})
	}
}

func TestPollCompression(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("compress me ", 1000)
	tests := []struct {
		name, accept, text, want string
		option                   engine.SendOption
		threshold                int
	}{
		{"gzip", "gzip, deflate", long, "gzip", 0, 0},
		{"deflate", "deflate", long, "deflate", 0, 0},
		{"not accepted", "br", long, "", 0, 0},
		{"short", "gzip", "short", "", 0, 0},
		{"not wanted", "gzip", long, "", engine.NoCompress, 0},
		{"disabled", "gzip", long, "", 0, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &engine.Options{CompressionThreshold: tt.threshold})
				defer b.stop()
				query := b.poll()
				b.session.Send(engine.NewTextFrame(tt.text), tt.option)
				r := request(http.MethodGet, query)
				r.Header.Set("Accept-Encoding", tt.accept)
				w := httptest.NewRecorder()
				b.srv.ServeHTTP(w, r)
				if got := w.Header().Get("Content-Encoding"); got != tt.want {
					t.Errorf("encoding %q, want %q", got, tt.want)
				}
				if got := decompress(t, w.Body, tt.want); got != "4"+tt.text {
					t.Errorf("body of %d bytes differs", len(got))
				}
			})
		})
	}
}

// decompress reads a body of the given encoding.
func decompress(t *testing.T, body *bytes.Buffer, encoding string) string {
	t.Helper()
	var r io.Reader = body
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(body)
	case "deflate":
		r, err = zlib.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A poll that was sent before the close packet may arrive behind it.
func TestPollBehindClosePacket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		query := b.poll()
		b.post(query, "1")
		b.wantReason(engine.TransportClose)
		if code, _ := b.post(query, "4x"); code != http.StatusBadRequest {
			t.Errorf("data request: %d", code)
		}
		if code, body := b.http(http.MethodGet, query); code != http.StatusOK || body != "6" {
			t.Errorf("first poll: %d %q", code, body)
		}
		if code, _ := b.http(http.MethodGet, query); code != http.StatusBadRequest {
			t.Errorf("second poll: %d", code)
		}
		query = b.poll()
		b.post(query, "1")
		time.Sleep(time.Second)
		if code, _ := b.http(http.MethodGet, query); code != http.StatusBadRequest {
			t.Errorf("much later poll: %d", code)
		}
	})
}

func TestPollsDuringUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		query := b.poll()
		type answer struct {
			code int
			body string
			at   time.Duration
		}
		start := time.Now()
		answers := make(chan answer, 1)
		poll := func() {
			code, body := b.http(http.MethodGet, query)
			answers <- answer{code, body, time.Since(start)}
		}
		go poll()
		synctest.Wait()
		c := b.dial(b.session.ID())
		defer c.conn.Close()
		c.write("2probe")
		c.expect("3probe")
		if a := <-answers; a.body != "6" || a.at != 0 {
			t.Errorf("a poll pending before the upgrade: %+v", a)
		}
		go poll()
		if a := <-answers; a.body != "6" || a.at < 90*time.Millisecond || a.at > 110*time.Millisecond {
			t.Errorf("a poll during the upgrade: %+v", a)
		}
		go poll()
		synctest.Wait()
		b.session.Send(engine.NewTextFrame("for the poll"), 0)
		if a := <-answers; a.body != "4for the poll" {
			t.Errorf("a message during the upgrade: %+v", a)
		}
		b.session.Send(engine.NewTextFrame("for the WebSocket"), 0)
		b.session.Send(engine.NewTextFrame("lost"), engine.Volatile)
		c.write("5")
		c.expect("4for the WebSocket")
		go poll()
		if a := <-answers; a.code != http.StatusBadRequest {
			t.Errorf("a poll after the upgrade: %+v", a)
		}
		other := b.dial(b.session.ID()) // a second upgrade is turned away
		defer other.conn.Close()
		if op, data := other.read(); op != ws.OpClose || data != "" {
			t.Errorf("got %d %q", op, data)
		}
		b.session.Send(engine.NewTextFrame("alive"), 0)
		c.expect("4alive")
	})
}

// A client that confirms an upgrade while it still polls is refused like one
// whose poll arrives after the upgrade.
func TestPollBesideConfirmation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		query := b.poll()
		c := b.dial(b.session.ID())
		defer c.conn.Close()
		code := make(chan int)
		go func() {
			got, _ := b.http(http.MethodGet, query)
			code <- got
		}()
		synctest.Wait()
		c.write("2probe")
		c.expect("3probe")
		c.write("5")
		if got := <-code; got != http.StatusBadRequest {
			t.Errorf("status %d", got)
		}
	})
}

// nosyWriter is a writer that asks for its session before it does what it is told.
type nosyWriter struct {
	*httptest.ResponseRecorder
	session *engine.Session
	body    *io.PipeReader
}

func (w *nosyWriter) SetReadDeadline(end time.Time) error {
	_ = w.session.Transport()
	if end.IsZero() || end.After(time.Now()) {
		return nil
	}
	return w.body.CloseWithError(os.ErrDeadlineExceeded)
}

// What a middleware has wrapped around the ResponseWriter may use the session when the
// reading of a data request is stopped.
func TestReadingIsStoppedWithoutALock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := request(http.MethodPost, b.poll())
	body, client := io.Pipe()
	r.Body, r.ContentLength = body, 100
	w := &nosyWriter{httptest.NewRecorder(), b.session, body}
	served, discarded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(served)
		b.srv.ServeHTTP(w, r)
	}()
	if _, err := io.WriteString(client, "4x"); err != nil { // The body is being read.
		t.Fatal(err)
	}
	go func() {
		defer close(discarded)
		b.session.Discard(engine.ForcedClose)
	}()
	for _, done := range []chan struct{}{discarded, served} {
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the session is locked while its user's code runs")
		}
	}
	if w.Code != http.StatusBadRequest {
		t.Errorf("the data request was answered with %d", w.Code)
	}
	b.stop() // It would not end either.
}

// lateWriter takes its time to stop the reading.
type lateWriter struct {
	*httptest.ResponseRecorder
	stopping, release chan struct{}
}

func (w *lateWriter) SetReadDeadline(end time.Time) error {
	if end.IsZero() || end.After(time.Now()) {
		return nil
	}
	close(w.stopping)
	<-w.release
	return nil
}

// A writer is not used any more when its handler has returned, even if the body happens
// to be complete in the moment in which its reading is stopped.
func TestHandlerWaitsUntilReadingIsStopped(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		r := request(http.MethodPost, b.poll())
		body, client := io.Pipe()
		r.Body, r.ContentLength = body, 2
		w := &lateWriter{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		served := make(chan struct{})
		go func() {
			defer close(served)
			b.srv.ServeHTTP(w, r)
		}()
		synctest.Wait() // It is reading.
		go b.session.Discard(engine.ForcedClose)
		<-w.stopping
		_, _ = io.WriteString(client, "4x")
		_ = client.Close()
		synctest.Wait()
		select {
		case <-served:
			t.Error("the handler has returned, though its writer is in use")
		default:
		}
		close(w.release)
		<-served
		b.wantReason(engine.ForcedClose)
	})
}
