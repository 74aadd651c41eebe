package engine_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/engine"
)

// journal is a receiver that writes everything down.
type journal struct {
	mu        sync.Mutex
	messages  []string
	reasons   []engine.Reason
	errs      []error
	onMessage func(*engine.Session, engine.Message)
}

func (j *journal) OnMessage(s *engine.Session, m engine.Message) {
	j.mu.Lock()
	j.messages = append(j.messages, string(m.Data))
	j.mu.Unlock()
	if j.onMessage != nil {
		j.onMessage(s, m)
	}
}

func (j *journal) OnClose(_ *engine.Session, r engine.Reason, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reasons = append(j.reasons, r)
	j.errs = append(j.errs, err)
}

// closed returns the reasons and their details so far.
func (j *journal) closed() ([]engine.Reason, []error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reasons, j.errs
}

// bench is a server whose clients are in memory, for tests with a fake clock.
type bench struct {
	t       *testing.T
	srv     *engine.Server
	journal *journal
	session *engine.Session // the latest one
}

// newBench returns a server that is shut down when the test ends. It must be
// closed inside a synctest bubble.
func newBench(t *testing.T, opts *engine.Options) *bench {
	t.Helper()
	b := &bench{t: t, journal: &journal{}}
	b.srv = engine.NewServer(func(s *engine.Session) engine.Receiver {
		b.session = s
		return b.journal
	}, opts)
	return b
}

// stop shuts the server down.
func (b *bench) stop() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.srv.Shutdown(ctx); err != nil {
		b.t.Errorf("Shutdown: %v", err)
	}
}

// hijackable is a ResponseWriter over one end of a pipe.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// request returns a request of the protocol.
func request(method, query string) *http.Request {
	return &http.Request{
		Method: method, URL: &url.URL{Path: "/engine.io/", RawQuery: "EIO=4&" + query},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody,
		Host: "in.memory", RemoteAddr: "pipe:1", RequestURI: "/engine.io/?EIO=4&" + query,
	}
}

// upgradeRequest returns a request for a WebSocket, for a new session if sid is empty.
func upgradeRequest(sid string) *http.Request {
	query := "transport=websocket"
	if sid != "" {
		query += "&sid=" + sid
	}
	r := request(http.MethodGet, query)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}

// pipeClient is a WebSocket client over a pipe.
type pipeClient struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	open string // the first packet; empty for an upgrade
}

// dial opens a WebSocket, for a new session if sid is empty.
func (b *bench) dial(sid string) *pipeClient {
	b.t.Helper()
	client, server := net.Pipe()
	r := upgradeRequest(sid)
	go b.srv.ServeHTTP(&hijackable{httptest.NewRecorder(), server}, r)
	c := &pipeClient{t: b.t, conn: client, br: bufio.NewReader(client)}
	resp, err := http.ReadResponse(c.br, r)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.t.Fatalf("handshake: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if sid == "" {
		_, c.open = c.read()
	}
	return c
}

// read returns the next frame.
func (c *pipeClient) read() (ws.OpCode, string) {
	c.t.Helper()
	f, err := readFrame(c.br)
	if err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	return f.Header.OpCode, string(f.Payload)
}

// expect fails unless the next frame is the text.
func (c *pipeClient) expect(text string) {
	c.t.Helper()
	if op, got := c.read(); op != ws.OpText || got != text {
		c.t.Fatalf("got %d %q, want %q", op, got, text)
	}
}

// write sends a text message.
func (c *pipeClient) write(text string) {
	c.t.Helper()
	if err := ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewTextFrame([]byte(text)))); err != nil {
		c.t.Errorf("writing %q: %v", text, err)
	}
}

// readFrame reads one frame, which a test expects to be small enough.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// http makes a request and returns the status and the body.
func (b *bench) http(method, query string) (int, string) {
	w := httptest.NewRecorder()
	b.srv.ServeHTTP(w, request(method, query))
	return w.Code, w.Body.String()
}
