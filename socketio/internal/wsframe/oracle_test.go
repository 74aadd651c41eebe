package wsframe_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// stream is a connection that reads given bytes and collects what is written.
type stream struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *stream) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *stream) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *stream) Close() error                     { return nil }
func (s *stream) SetDeadline(time.Time) error      { return nil }
func (s *stream) SetReadDeadline(time.Time) error  { return nil }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// hijackable lends a stream to gorilla's upgrader.
type hijackable struct {
	http.ResponseWriter
	conn *stream
}

func (h *hijackable) Header() http.Header { return http.Header{} }

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// gorilla reads a client's bytes with gorilla/websocket. It returns what that
// delivers, and the error other than the end of the bytes.
func gorilla(t *testing.T, in []byte) (events []string, err error) {
	t.Helper()
	r := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}
	var up websocket.Upgrader
	c, err := up.Upgrade(&hijackable{conn: &stream{in: bytes.NewReader(in)}}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(limits.MaxMessage)
	control := func(op ws.OpCode) func(string) error {
		return func(data string) error {
			events = append(events, fmt.Sprintf("control %d %q", op, data))
			return nil
		}
	}
	c.SetPingHandler(control(ws.OpPing))
	c.SetPongHandler(control(ws.OpPong))
	for {
		kind, data, err := c.ReadMessage()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return events, nil
		}
		if ce, ok := errors.AsType[*websocket.CloseError](err); ok && ce.Code == websocket.CloseAbnormalClosure {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, fmt.Sprintf("message binary=%v %q", kind == websocket.BinaryMessage, data))
		if kind == websocket.TextMessage && !utf8.Valid(data) {
			// gorilla leaves this to its user.
			return events[:len(events)-1], errors.New("invalid text")
		}
	}
}

// ours reads a client's bytes in pieces with our parser. rest tells that it
// waits for more.
func ours(in []byte, piece int) (events []string, rest bool, err error) {
	var p wsframe.Parser
	r := &closing{}
	err = feed(&p, in, piece, r)
	return r.events, !p.Idle(), err
}

// closing is a recorder that stops at a close frame, from which on gorilla
// reads no further.
type closing struct{ recorder }

var errClosed = errors.New("close frame")

func (c *closing) Control(op ws.OpCode, data []byte) error {
	if op == ws.OpClose {
		return errClosed
	}
	return c.recorder.Control(op, data)
}

func FuzzFrames(f *testing.F) {
	f.Add(frame(0x81, "hello"), 1)
	f.Add(join(frame(0x01, "a"), frame(0x89, "p"), frame(0x80, "b")), 3)
	f.Add(join(frame(0x82, strings.Repeat("x", 400)), frame(0x81, "after")), 7)
	f.Add(frame(0x88, "\x03\xe8bye"), 2)
	f.Add(frame(0xc1, "rsv"), 1)
	f.Add(frame(0x81, "\xff"), 100)
	f.Add(join(frame(0x02, strings.Repeat("x", 800)), frame(0x80, strings.Repeat("x", 800))), 50)
	f.Add([]byte{0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 1)
	f.Add(join(frame(0x02, ""), bytes.Repeat(frame(0x00, ""), 6)), 1)
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		if piece <= 0 {
			piece = 1
		}
		got, rest, err := ours(in, piece)
		whole, _, wholeErr := ours(in, max(len(in), 1))
		if strings.Join(got, "\n") != strings.Join(whole, "\n") || (err == nil) != (wholeErr == nil) {
			t.Fatalf("in pieces of %d: %q, %v; as a whole: %q, %v", piece, got, err, whole, wholeErr)
		}
		if ce, ok := errors.AsType[*wsframe.CloseError](err); ok && ce.Code == ws.StatusPolicyViolation {
			return // gorilla does not count fragments
		}
		want, wantErr := gorilla(t, in)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got %q, %v; gorilla %q, %v", got, err, want, wantErr)
		}
		switch {
		case err != nil && wantErr == nil:
			t.Fatalf("error %v, gorilla has none", err)
		case err == nil && wantErr != nil && !rest:
			// With something left, gorilla has judged by half a header.
			t.Fatalf("no error, gorilla: %v", wantErr)
		}
	})
}

// TestReadsWhatGorillaWrites parses the bytes of gorilla's client, masked and
// fragmented as it likes.
func TestReadsWhatGorillaWrites(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	received := make(chan []byte)
	go func() {
		defer close(received)
		br := bufio.NewReader(server)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		answer := &stream{in: bytes.NewReader(nil)}
		var up websocket.Upgrader
		if _, err := up.Upgrade(&hijackable{conn: answer}, req, nil); err != nil {
			return
		}
		_, _ = server.Write(answer.out.Bytes())
		all, _ := io.ReadAll(br)
		received <- all
	}()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return client, nil }, WriteBufferSize: 64}
	c, resp, err := d.Dial("ws://in.memory/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	var want []string
	for i, n := range []int{0, 1, 60, 63, 64, 65, 200, 250} {
		kind, binary, data := websocket.TextMessage, i%2 == 1, strings.Repeat("x", n)
		if binary {
			kind = websocket.BinaryMessage
		}
		want = append(want, fmt.Sprintf("message binary=%v %q", binary, data))
		w, err := c.NextWriter(kind)
		if err != nil {
			t.Fatal(err)
		}
		// Beyond its write buffer, gorilla's writer makes fragments.
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	in := <-received
	for _, piece := range []int{1, 7, len(in)} {
		events, rest, err := ours(in, piece)
		if err != nil || rest || strings.Join(events, "\n") != strings.Join(want, "\n") {
			t.Fatalf("pieces of %d: %v, rest %v, got %q", piece, err, rest, events)
		}
	}
}
