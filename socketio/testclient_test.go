package socketio_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

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
	pongs  sync.WaitGroup // those that are being sent
	cause  error          // why the connection ended; valid once in is closed
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
		if !c.noPong { // not while reading, which has to go on: the server may not be reading just then
			c.pongs.Go(func() { _ = c.link.send("3") })
		}
		return true
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
		c.pongs.Wait()
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
