package engine_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// browserHeaders are about what a browser sends.
var browserHeaders = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Accept: */*", "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9",
	"Referer: http://127.0.0.1/", "Cookie: a=b; session=0123456789abcdef0123456789abcdef",
}

// A pollWire is a keep-alive connection that costs the benchmark next to nothing.
type pollWire struct {
	tb      testing.TB
	conn    io.ReadWriter
	br      *bufio.Reader
	request []byte
	body    []byte
}

// wire opens a connection for one kind of request.
func (c *pollingClient) wire(tb testing.TB, method, body string) *pollWire {
	tb.Helper()
	conn := c.server.open(tb)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		tb.Fatal(err)
	}
	return &pollWire{tb: tb, conn: conn, br: bufio.NewReader(conn), request: []byte(formatRequest(method, c.query(), body, browserHeaders...))}
}

// ask sends the request.
func (w *pollWire) ask() {
	if _, err := w.conn.Write(w.request); err != nil {
		w.tb.Fatal(err)
	}
}

// hear reads an answer with a Content-Length and checks its body.
func (w *pollWire) hear(want string) {
	length := 0
	for {
		line, err := w.br.ReadSlice('\n')
		if err != nil {
			w.tb.Fatal(err)
		}
		if len(line) == 2 {
			break
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(n)))
		}
	}
	if length > cap(w.body) {
		w.body = make([]byte, length)
	}
	w.body = w.body[:length]
	if _, err := io.ReadFull(w.br, w.body); err != nil || string(w.body) != want {
		w.tb.Fatalf("got %q (%v), want %q", w.body, err, want)
	}
}

// awaitPoll waits until a poll is pending.
func awaitPoll(tb testing.TB, s *engine.Session) {
	tb.Helper()
	await(tb, "a poll", s.Writable)
}

// BenchmarkPoll is a message for a client whose poll is pending, and its next poll.
func BenchmarkPoll(b *testing.B) {
	s := start(b, nil)
	c := s.openPolling(b)
	w := c.wire(b, http.MethodGet, "")
	frame := engine.NewTextFrame("hello, polling client")
	w.ask()
	b.ReportAllocs()
	for b.Loop() {
		awaitPoll(b, c.peer.session)
		c.peer.session.Send(frame, 0)
		w.hear("4hello, polling client")
		w.ask()
	}
}

// BenchmarkPollQueued is a poll for which there is a message already.
func BenchmarkPollQueued(b *testing.B) {
	s := start(b, nil)
	c := s.openPolling(b)
	w := c.wire(b, http.MethodGet, "")
	frame := engine.NewTextFrame("hello, polling client")
	b.ReportAllocs()
	for b.Loop() {
		c.peer.session.Send(frame, 0)
		w.ask()
		w.hear("4hello, polling client")
	}
}

// BenchmarkPost is a data request with one message.
func BenchmarkPost(b *testing.B) {
	s := start(b, nil)
	c := s.openPolling(b)
	w := c.wire(b, http.MethodPost, "4hello, server")
	b.ReportAllocs()
	for b.Loop() {
		w.ask()
		w.hear("ok")
		c.peer.messages.drain()
	}
}
