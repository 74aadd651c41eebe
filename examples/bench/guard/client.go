package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a client waits for what has to come.
const patience = 30 * time.Second

var errUnexpected = errors.New("the server sent something else than expected")

// client is a WebSocket client that is connected to the main namespace. It sends
// what is encoded already, and reads one frame at a time.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// dial connects a client. The server has handled its CONNECT on return.
func dial(ctx context.Context, addr string) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReader(conn)}
	if err := c.handshake(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return c, nil
}

// handshake upgrades the connection and enters the main namespace.
func (c *client) handshake() error {
	err := c.send([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: guard\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("%w: %s", errUnexpected, resp.Status)
	}
	if err := c.expect(`0{`); err != nil {
		return err
	}
	if err := c.send(text("40")); err != nil {
		return err
	}
	return c.entered()
}

// entered waits until the client is in the main namespace. It answers the pings that come
// before.
func (c *client) entered() error {
	for {
		b, err := c.receive()
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(b, []byte(`40{`)):
			return nil
		case string(b) != "2":
			return fmt.Errorf("%w: %q instead of a connection", errUnexpected, b)
		}
		if err := c.send(text("3")); err != nil {
			return err
		}
	}
}

// send writes what is encoded.
func (c *client) send(b []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// receive returns the payload of the next frame, which is valid until the next
// call.
func (c *client) receive() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return nil, err
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(c.r, head[2:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	if n > cap(c.buf) {
		c.buf = make([]byte, n)
	}
	_, err := io.ReadFull(c.r, c.buf[:n])
	return c.buf[:n], err
}

// expect reads a frame, whose payload has to start with prefix.
func (c *client) expect(prefix string) error {
	b, err := c.receive()
	if err == nil && !bytes.HasPrefix(b, []byte(prefix)) {
		err = fmt.Errorf("%w: %q instead of %q", errUnexpected, b, prefix)
	}
	return err
}

// exchange sends a frame and expects an answer.
func (c *client) exchange(frame []byte, answer string) error {
	if err := c.send(frame); err != nil {
		return err
	}
	return c.expect(answer)
}

// text encodes a text message as a client sends it.
func text(s string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(ws.NewTextFrame([]byte(s)), [4]byte{0x5a, 0xc3, 0x96, 0x2d}))
}

// poller is a client that speaks HTTP long polling over two connections, as browsers
// do: polls on one, posts on the other.
type poller struct {
	sid        string
	gets, puts *client
}

// dialPoller connects a poller. The server has handled its CONNECT on return.
func dialPoller(ctx context.Context, addr string) (*poller, error) {
	p := &poller{}
	for _, c := range []**client{&p.gets, &p.puts} {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			p.close()
			return nil, err
		}
		*c = &client{conn: conn, r: bufio.NewReader(conn)}
	}
	if err := p.handshake(); err != nil {
		p.close()
		return nil, fmt.Errorf("connecting by polling: %w", err)
	}
	return p, nil
}

func (p *poller) handshake() error {
	open, err := p.poll()
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(open, `"sid":"`)
	p.sid, _, _ = strings.Cut(rest, `"`)
	if p.sid == "" {
		return fmt.Errorf("%w: %q", errUnexpected, open)
	}
	if err := p.post("40"); err != nil {
		return err
	}
	connected, err := p.poll()
	if err == nil && !strings.HasPrefix(connected, `40{`) {
		err = fmt.Errorf("%w: %q", errUnexpected, connected)
	}
	return err
}

// ask starts a poll.
func (p *poller) ask() error { return p.gets.send([]byte(p.request("GET", "") + "\r\n")) }

// answer waits for the answer to a poll.
func (p *poller) answer() (string, error) { return p.gets.body() }

// poll asks and waits for the answer.
func (p *poller) poll() (string, error) {
	if err := p.ask(); err != nil {
		return "", err
	}
	return p.answer()
}

// post posts a packet.
func (p *poller) post(packet string) error {
	head := p.request("POST", fmt.Sprintf("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n", len(packet)))
	if err := p.puts.send([]byte(head + "\r\n" + packet)); err != nil {
		return err
	}
	answer, err := p.puts.body()
	if err == nil && answer != "ok" {
		err = fmt.Errorf("%w: %q", errUnexpected, answer)
	}
	return err
}

// request returns the head of a request, without the line that ends it.
func (p *poller) request(method, header string) string {
	target := "/socket.io/?EIO=4&transport=polling"
	if p.sid != "" {
		target += "&sid=" + p.sid
	}
	return method + " " + target + " HTTP/1.1\r\nHost: guard\r\n" + header
}

// body reads an answer of HTTP.
func (c *client) body() (string, error) {
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s: %s", errUnexpected, resp.Status, b)
	}
	return string(b), err
}

// close closes both connections.
func (p *poller) close() {
	for _, c := range []*client{p.gets, p.puts} {
		if c != nil {
			c.conn.Close()
		}
	}
}
