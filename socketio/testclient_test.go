package socketio_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// patience is how long a test waits for something that should be there within milliseconds.
const patience = 20 * time.Second

// A testServer is a server on a port of its own, or on a network in memory.
type testServer struct {
	*socketio.Server

	tb   testing.TB
	url  string
	http *http.Server
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	log  *logBuffer
}

// serve starts a server that is shut down when the test ends, which must not take long.
func serve(tb testing.TB, opts *socketio.Options) *testServer {
	tb.Helper()
	port := peers.FreePort(tb)
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	s := serveOn(tb, l, opts)
	s.dial = new(net.Dialer).DialContext
	return s
}

// serveInMemory starts a server that is reached through pipes, which suits the bubble of a synctest.
func serveInMemory(tb testing.TB, opts *socketio.Options) *testServer {
	tb.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	var o socketio.Options
	if opts != nil {
		o = *opts
	}
	o.Engine.DisableParking = true // a goroutine that polls the network keeps the time of a bubble from passing
	s := serveOn(tb, l, &o)
	s.dial = l.dial
	return s
}

func serveOn(tb testing.TB, l net.Listener, opts *socketio.Options) *testServer {
	tb.Helper()
	var o socketio.Options
	if opts != nil {
		o = *opts
	}
	s := &testServer{tb: tb, url: "http://" + l.Addr().String(), log: &logBuffer{}}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	}
	// The whole suite runs with a goroutine for each connection too.
	o.Engine.DisableParking = o.Engine.DisableParking || os.Getenv("TANDEM_PARKING") == "off"
	s.Server = socketio.NewServer(&o)
	s.http = &http.Server{Handler: s.Server, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.http.Serve(l) // ends with Close
	}()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("shut the server down: %v\n%s", err, goroutines())
		}
		s.http.Close()
		<-served
	})
	return s
}

// goroutines returns the stacks of all goroutines.
func goroutines() []byte {
	buf := make([]byte, 1<<16)
	return buf[:runtime.Stack(buf, true)]
}

// echo makes the server acknowledge the event "echo" with its arguments, which [client.sync] relies on.
func (s *testServer) echo() *testServer {
	socketio.OnWithAck(s, "echo", func(_ context.Context, _ *socketio.Socket, a socketio.Args) (socketio.Args, error) {
		return a, nil
	})
	return s
}

// logBuffer keeps what the server logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 1<<20 {
		return len(b), nil
	}
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A pipeListener is a network in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:10000" }

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The transports that the tests of the protocol run on.
var transports = []string{"websocket", "polling"}

// A client speaks the protocol as text lines. A message is written as it is on the wire after the Engine.IO type, and a binary message as
// "b" and its base64. It answers pings by itself.
type client struct {
	tb   testing.TB
	link link

	in     chan string // messages, closed at the end of the connection
	quit   chan struct{}
	ended  chan struct{} // closed when the reader has ended
	once   sync.Once
	cause  error // why the connection ended; valid once in is closed
	pings  chan struct{}
	noPong bool
	acks   int
}

// A link is the Engine.IO side of a client.
type link interface {
	// send sends Engine.IO packets.
	send(packets ...string) error
	// receive returns the next packets.
	receive() ([]string, error)
	// hangUp tells the server that the connection ends.
	hangUp()
	// close ends everything.
	close()
}

// dialClient opens a connection without connecting to a namespace.
func (s *testServer) dialClient(transport string) (*client, error) {
	l, err := s.dialLink(transport)
	if err != nil {
		return nil, err
	}
	c := &client{
		tb: s.tb, link: l, in: make(chan string, 256), quit: make(chan struct{}), ended: make(chan struct{}),
		pings: make(chan struct{}, 16),
	}
	return c, nil
}

func (s *testServer) dialLink(transport string) (link, error) {
	if transport == "websocket" {
		return dialWebSocket(s)
	}
	return dialPolling(s)
}

// open opens a connection that ends with the test. The connection is in no namespace yet.
func (s *testServer) open(tb testing.TB, transport string) *client {
	tb.Helper()
	c, err := s.dialClient(transport)
	if err != nil {
		tb.Fatalf("open a %s connection: %v", transport, err)
	}
	c.tb = tb
	c.start()
	tb.Cleanup(c.close)
	return c
}

// join opens a connection and connects it to the namespaces, the main one if there are none.
func (s *testServer) join(tb testing.TB, transport string, namespaces ...string) *client {
	tb.Helper()
	c := s.open(tb, transport)
	if len(namespaces) == 0 {
		namespaces = []string{"/"}
	}
	for _, n := range namespaces {
		c.connect(n, "")
	}
	return c
}

func (c *client) start() { go c.read() }

func (c *client) read() {
	defer close(c.ended)
	defer close(c.in)
	for {
		packets, err := c.link.receive()
		for _, p := range packets {
			if !c.packet(p) {
				c.cause = io.EOF
				return
			}
		}
		if err != nil {
			c.cause = err
			return
		}
	}
}

// packet handles one Engine.IO packet and reports whether the connection goes on.
func (c *client) packet(p string) bool {
	switch p[0] {
	case '1':
		return false
	case '2':
		select {
		case c.pings <- struct{}{}:
		default:
		}
		return c.noPong || c.link.send("3") == nil
	case '4':
		p = p[1:]
	case 'b':
	default:
		return true
	}
	select {
	case c.in <- p:
		return true
	case <-c.quit:
		return false
	}
}

// close ends the connection from the client's side and waits for the reader, which gets the chance to take what the server still sends.
func (c *client) close() {
	c.once.Do(func() {
		c.link.hangUp()
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
	drain:
		for {
			select {
			case _, ok := <-c.in:
				if !ok {
					break drain
				}
			case <-timer.C:
				break drain
			}
		}
		close(c.quit)
		c.link.close()
		<-c.ended
	})
}

// sendRaw sends Engine.IO packets. That the connection is closed meanwhile is no error: the test looks for that elsewhere.
func (c *client) sendRaw(packets ...string) { _ = c.link.send(packets...) }

// send sends messages.
func (c *client) send(messages ...string) { c.sendRaw(enginePackets(messages)...) }

func enginePackets(messages []string) []string {
	packets := make([]string, len(messages))
	for i, m := range messages {
		if !strings.HasPrefix(m, "b") {
			m = "4" + m
		}
		packets[i] = m
	}
	return packets
}

var errSilence = errors.New("nothing came")

// receive returns the next message.
func (c *client) receive(limit time.Duration) (string, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case m, ok := <-c.in:
		if !ok {
			return "", fmt.Errorf("connection ended: %w", c.cause)
		}
		return m, nil
	case <-timer.C:
		return "", errSilence
	}
}

// next returns the next message and fails the test if there is none.
func (c *client) next() string {
	c.tb.Helper()
	m, err := c.receive(patience)
	if err != nil {
		c.tb.Fatalf("await a message: %v", err)
	}
	return m
}

var sidPattern = regexp.MustCompile(`"sid":"[A-Za-z0-9_-]{20}"`)

// normalize replaces the socket id of a CONNECT answer, which is random.
func normalize(m string) string { return sidPattern.ReplaceAllString(m, `"sid":"*"`) }

// expect fails the test unless the next messages are those. A socket id stands as *.
func (c *client) expect(messages ...string) {
	c.tb.Helper()
	for i, want := range messages {
		m, err := c.receive(patience)
		if err != nil {
			c.tb.Fatalf("await message %d, %q: %v", i, want, err)
		}
		if got := normalize(m); got != want {
			c.tb.Fatalf("message %d is %.300q, want %.300q", i, got, want)
		}
	}
}

// expectClosed fails the test unless the server closes the connection now, without any further message.
func (c *client) expectClosed() {
	c.tb.Helper()
	m, err := c.receive(patience)
	if err == nil {
		c.tb.Fatalf("got %.300q, want the connection closed", m)
	}
	if errors.Is(err, errSilence) {
		c.tb.Fatal("the connection is still open")
	}
}

// connect connects to a namespace and returns the id of the socket.
func (c *client) connect(namespace, payload string) string {
	c.tb.Helper()
	sid, err := c.tryConnect(namespace, payload)
	if err != nil {
		c.tb.Fatal(err)
	}
	return sid
}

func (c *client) tryConnect(namespace, payload string) (sid string, err error) {
	prefix := ""
	if namespace != "/" {
		prefix = namespace + ","
	}
	if err := c.link.send("40" + prefix + payload); err != nil {
		return "", fmt.Errorf("send CONNECT to %s: %w", namespace, err)
	}
	m, err := c.receive(patience)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", namespace, err)
	}
	sid, ok := strings.CutPrefix(m, "0"+prefix+`{"sid":"`)
	if !ok || !strings.HasSuffix(sid, `"}`) {
		return "", fmt.Errorf("CONNECT to %s is answered with %q", namespace, m)
	}
	return strings.TrimSuffix(sid, `"}`), nil
}

// sync makes a round trip in the main namespace: it fails the test if the connection is closed or if the server has sent anything that the
// test has not read.
func (c *client) sync() {
	c.tb.Helper()
	c.acks++
	id := 7_000_000 + c.acks
	c.send(fmt.Sprintf(`2%d["echo","sync"]`, id))
	c.expect(fmt.Sprintf(`3%d["sync"]`, id))
}

// run runs a script. Its lines are "> message" to send (several at once are separated by " | "), "! packet" to send an Engine.IO packet,
// "< message" to await, "closed" and "sync".
func (c *client) run(script ...string) {
	c.tb.Helper()
	for _, line := range script {
		rest := ""
		if len(line) > 2 {
			rest = line[2:]
		}
		switch {
		case line == "closed":
			c.expectClosed()
		case line == "sync":
			c.sync()
		case line[0] == '>':
			c.send(strings.Split(rest, " | ")...)
		case line[0] == '!':
			c.sendRaw(rest)
		case line[0] == '<':
			c.expect(rest)
		default:
			c.tb.Fatalf("not a line of a script: %q", line)
		}
	}
}

// bin is a binary message as a client writes it.
func bin(b string) string { return "b" + base64.StdEncoding.EncodeToString([]byte(b)) }

// A wsLink is a WebSocket connection.
type wsLink struct {
	conn    *websocket.Conn
	writing lock
}

// A lock is a mutex that a synctest sees waiting.
type lock chan struct{}

func (l lock) with(f func() error) error {
	l <- struct{}{}
	defer func() { <-l }()
	return f()
}

func dialWebSocket(s *testServer) (*wsLink, error) {
	d := websocket.Dialer{NetDialContext: s.dial, ReadBufferSize: 1024, WriteBufferSize: 1024, HandshakeTimeout: patience}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return &wsLink{conn: conn, writing: make(lock, 1)}, nil
}

func (l *wsLink) send(packets ...string) error {
	return l.writing.with(func() error { return l.write(packets) })
}

func (l *wsLink) write(packets []string) error {
	for _, p := range packets {
		kind, data := websocket.TextMessage, []byte(p)
		if strings.HasPrefix(p, "b") {
			b, err := base64.StdEncoding.DecodeString(p[1:])
			if err != nil {
				return err
			}
			kind, data = websocket.BinaryMessage, b
		}
		if err := l.conn.WriteMessage(kind, data); err != nil {
			return err
		}
	}
	return nil
}

func (l *wsLink) receive() ([]string, error) {
	kind, data, err := l.conn.ReadMessage()
	if err != nil {
		l.conn.Close() // as clients do, so that the server need not wait
		return nil, err
	}
	if kind == websocket.BinaryMessage {
		return []string{bin(string(data))}, nil
	}
	return []string{string(data)}, nil
}

func (l *wsLink) hangUp() { l.conn.Close() }
func (l *wsLink) close()  { l.conn.Close() }

// A pollLink polls.
type pollLink struct {
	client  *http.Client
	url     string
	ctx     context.Context
	cancel  context.CancelFunc
	posting lock
}

func dialPolling(s *testServer) (*pollLink, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &pollLink{
		client: &http.Client{Transport: &http.Transport{DialContext: s.dial, ReadBufferSize: 1024, WriteBufferSize: 1024}},
		url:    s.url + "/socket.io/?EIO=4&transport=polling", ctx: ctx, cancel: cancel, posting: make(lock, 1),
	}
	packets, err := l.receive()
	if err != nil {
		l.close()
		return nil, err
	}
	_, rest, _ := strings.Cut(packets[0], `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		l.close()
		return nil, fmt.Errorf("not an open packet: %q", packets[0])
	}
	l.url += "&sid=" + sid
	return l, nil
}

const separator = "\x1e"

func (l *pollLink) send(packets ...string) error {
	return l.posting.with(func() error {
		_, err := l.request(http.MethodPost, strings.NewReader(strings.Join(packets, separator)))
		return err
	})
}

func (l *pollLink) receive() ([]string, error) {
	body, err := l.request(http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	return strings.Split(body, separator), nil
}

func (l *pollLink) request(method string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(l.ctx, method, l.url, body)
	if err != nil {
		return "", err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || len(answer) == 0 {
		return "", fmt.Errorf("%s is answered with %s: %q", method, resp.Status, answer)
	}
	return string(answer), nil
}

func (l *pollLink) hangUp() { _ = l.send("1") }

func (l *pollLink) close() {
	l.cancel()
	l.client.CloseIdleConnections()
}

// eachTransport runs a test on both transports.
func eachTransport(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			test(t, transport)
		})
	}
}

// eventually polls a condition and fails the test if it does not come true.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	end := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// await receives from a channel, and fails the test if nothing comes.
func await[T any](tb testing.TB, what string, c <-chan T) T {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		tb.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// deadline returns a context for what should take milliseconds.
func deadline(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}
