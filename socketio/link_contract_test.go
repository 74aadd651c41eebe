package socketio_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

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
