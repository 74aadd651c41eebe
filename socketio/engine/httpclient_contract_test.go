package engine_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The beginning of every query of a client.
const (
	pollingQuery   = "EIO=4&transport=polling"
	websocketQuery = "EIO=4&transport=websocket"
)

// A rawConn is a connection to the server on which a test writes the bytes it
// wants.
type rawConn struct {
	net.Conn
	br *bufio.Reader
}

// A response is an HTTP answer, read to its end.
type response struct {
	status int
	header http.Header
	body   string
	// closing reports that the server closes the connection after it.
	closing bool
}

// connect opens a connection with a deadline for all that happens on it.
func (s *server) connect() (*rawConn, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(s.limit)); err != nil {
		return nil, err
	}
	return &rawConn{Conn: c, br: bufio.NewReader(c)}, nil
}

// open is connect for the test's own goroutine: it fails the test on an error and
// closes the connection with it.
func (s *server) open(tb testing.TB) *rawConn {
	tb.Helper()
	c, err := s.connect()
	if err != nil {
		tb.Fatalf("connecting: %v", err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// formatRequest returns the bytes of a request. Headers are "Name: value" lines. A
// Content-Length is added for a body, unless a header tells the length already.
func formatRequest(method, query, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s /engine.io/?%s HTTP/1.1\r\nHost: localhost\r\n", method, query)
	told := false
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
		name, _, _ := strings.Cut(strings.ToLower(h), ":")
		told = told || name == "content-length" || name == "transfer-encoding"
	}
	if !told && (body != "" || method == http.MethodPost) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// send writes a request without waiting for its answer.
func (c *rawConn) send(method, query, body string, headers ...string) error {
	_, err := io.WriteString(c, formatRequest(method, query, body, headers...))
	return err
}

// receive reads the answer to a request of the given method.
func (c *rawConn) receive(method string) (response, error) {
	res, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return response{}, fmt.Errorf("reading the answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return response{}, fmt.Errorf("reading the body: %w", err)
	}
	return response{res.StatusCode, res.Header, string(body), res.Close}, nil
}

// do sends a request and reads its answer.
func (c *rawConn) do(method, query, body string, headers ...string) (response, error) {
	if err := c.send(method, query, body, headers...); err != nil {
		return response{}, err
	}
	return c.receive(method)
}

// mustReceive is receive for the test's own goroutine.
func (c *rawConn) mustReceive(tb testing.TB, method string) response {
	tb.Helper()
	res, err := c.receive(method)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

// request sends one request on a connection of its own.
func (s *server) request(tb testing.TB, method, query, body string, headers ...string) response {
	tb.Helper()
	c, err := s.connect()
	if err != nil {
		tb.Fatalf("connecting: %v", err)
	}
	defer c.Close()
	res, err := c.do(method, query, body, append(headers, "Connection: close")...)
	if err != nil {
		tb.Fatalf("%s ?%s: %v", method, query, err)
	}
	return res
}

// opening is the data of an OPEN packet.
type opening struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// parseOpen decodes an OPEN packet.
func parseOpen(packet string) (opening, error) {
	var o opening
	if !strings.HasPrefix(packet, "0") {
		return o, fmt.Errorf("not an OPEN packet: %.100q", packet)
	}
	err := json.Unmarshal([]byte(packet[1:]), &o)
	if err == nil && o.SID == "" {
		err = errors.New("OPEN packet without a sid")
	}
	return o, err
}

// A pollingClient is an Engine.IO client over plain HTTP requests.
type pollingClient struct {
	server *server
	sid    string
	peer   *peer
}

// openPolling opens a session over polling.
func (s *server) openPolling(tb testing.TB) *pollingClient {
	tb.Helper()
	res := s.request(tb, http.MethodGet, pollingQuery, "")
	if res.status != http.StatusOK {
		tb.Fatalf("handshake: status %d %q", res.status, res.body)
	}
	o, err := parseOpen(res.body)
	if err != nil {
		tb.Fatal(err)
	}
	return &pollingClient{server: s, sid: o.SID, peer: s.next(tb)}
}

func (c *pollingClient) query() string { return pollingQuery + "&sid=" + c.sid }

// get polls once.
func (c *pollingClient) get(tb testing.TB) response {
	tb.Helper()
	return c.server.request(tb, http.MethodGet, c.query(), "")
}

// post sends one payload.
func (c *pollingClient) post(tb testing.TB, payload string) response {
	tb.Helper()
	return c.server.request(tb, http.MethodPost, c.query(), payload)
}

// mustPost sends a payload that the server must accept.
func (c *pollingClient) mustPost(tb testing.TB, payload string) {
	tb.Helper()
	if res := c.post(tb, payload); res.status != http.StatusOK || res.body != "ok" {
		tb.Fatalf("POST %.100q: got %d %q, want 200 \"ok\"", payload, res.status, res.body)
	}
}

// poll begins a poll and returns when the server holds it.
func (c *pollingClient) poll(tb testing.TB, headers ...string) *rawConn {
	tb.Helper()
	conn := c.server.open(tb)
	if err := conn.send(http.MethodGet, c.query(), "", headers...); err != nil {
		tb.Fatal(err)
	}
	eventually(tb, "the server holds the poll", func() bool { return c.peer.session.Writable() || c.peer.isClosed() })
	return conn
}

// expectGet polls once and checks the answer.
func (c *pollingClient) expectGet(tb testing.TB, want string) {
	tb.Helper()
	if res := c.get(tb); res.status != http.StatusOK || res.body != want {
		tb.Fatalf("GET: got %d %.200q, want 200 %.200q", res.status, res.body, want)
	}
}

// expectGone checks that the server does not know the session any more.
func (c *pollingClient) expectGone(tb testing.TB) {
	tb.Helper()
	expectRefusal(tb, c.get(tb), http.StatusBadRequest, 1, "Session ID unknown")
	expectRefusal(tb, c.post(tb, "4x"), http.StatusBadRequest, 1, "Session ID unknown")
}

// expectRefusal checks the answer to a request that is not admitted.
func expectRefusal(tb testing.TB, res response, status, code int, message string) {
	tb.Helper()
	want := fmt.Sprintf(`{"code":%d,"message":%q}`, code, message)
	if res.status != status || res.body != want {
		tb.Errorf("got %d %.200q, want %d %q", res.status, res.body, status, want)
	}
	if got := res.header.Get("Content-Type"); got != "application/json" {
		tb.Errorf("Content-Type %q, want application/json", got)
	}
}

// expectEmpty checks for an answer with nothing but a status.
func expectEmpty(tb testing.TB, res response, status int) {
	tb.Helper()
	if res.status != status || res.body != "" {
		tb.Errorf("got %d %.200q, want %d and no body", res.status, res.body, status)
	}
}
