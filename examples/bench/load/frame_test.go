package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestParseFrame(t *testing.T) {
	long := strings.Repeat("x", 126)
	tests := []struct {
		name    string
		in      string
		op      byte
		payload string
		n       int
		more    bool
		err     error
	}{
		{name: "empty input"},
		{name: "half a header", in: "\x81"},
		{name: "text", in: "\x81\x02hi", op: opText, payload: "hi", n: 4},
		{name: "followed by another", in: "\x81\x02hi\x81", op: opText, payload: "hi", n: 4},
		{name: "half a payload", in: "\x81\x02h"},
		{name: "empty payload", in: "\x89\x00", op: opPing, n: 2},
		{name: "16-bit length", in: "\x81\x7e\x00\x7e" + long, op: opText, payload: long, n: 130},
		{name: "half a 16-bit length", in: "\x81\x7e\x00"},
		{name: "64-bit length", in: "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x7e" + long, op: opText, payload: long, n: 136},
		{name: "half a 64-bit length", in: "\x81\x7f\x00\x00\x00\x00\x00\x00\x00"},
		{name: "absurd length", in: "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", err: errTooLong},
		{name: "first fragment", in: "\x01\x02hi", op: opText, payload: "hi", n: 4, more: true},
		{name: "last fragment", in: "\x80\x02hi", op: opMore, payload: "hi", n: 4},
		{name: "reserved bit", in: "\xc1\x02hi", err: errReserved},
		{name: "masked", in: "\x81\x82....hi", err: errMasked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, n, err := parseFrame([]byte(tt.in))
			if !errors.Is(err, tt.err) || n != tt.n || f.op != tt.op || string(f.payload) != tt.payload || f.final != (n > 0 && !tt.more) {
				t.Errorf("parseFrame(%.20q) = %#x %.20q, %d, %v; want %#x %.20q, %d, %v",
					tt.in, f.op, f.payload, n, err, tt.op, tt.payload, tt.n, tt.err)
			}
		})
	}
}

// oneWay is a connection on which in is read and to which out is written.
type oneWay struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *oneWay) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *oneWay) Write(b []byte) (int, error) { return c.out.Write(b) }
func (*oneWay) Close() error                  { return nil }

// hijackable is a response writer that gives away conn.
type hijackable struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// SetDeadline is all that gorilla asks of the connection besides.
func (*oneWay) SetDeadline(time.Time) error      { return nil }
func (*oneWay) SetWriteDeadline(time.Time) error { return nil }

// peer returns the server's end of a WebSocket connection of gorilla's.
func peer(t *testing.T, conn *oneWay) *websocket.Conn {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(handshake())))
	if err != nil {
		t.Fatal(err)
	}
	ws, err := (&websocket.Upgrader{}).Upgrade(hijackable{conn: conn}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestRequestIsAccepted(t *testing.T) {
	conn := &oneWay{in: strings.NewReader("")}
	peer(t, conn)
	answer := conn.out.Bytes()
	n, err := parseUpgrade(answer, acceptValue())
	if err != nil || n != len(answer) {
		t.Errorf("parseUpgrade(%q) = %d, %v", answer, n, err)
	}
	if n, err := parseUpgrade(answer[:len(answer)-1], acceptValue()); n != 0 || err != nil {
		t.Errorf("parseUpgrade of an incomplete answer = %d, %v", n, err)
	}
	if _, err := parseUpgrade(bytes.ReplaceAll(answer, acceptValue(), []byte("something else")), acceptValue()); !errors.Is(err, errRefused) {
		t.Errorf("parseUpgrade with a wrong accept value: %v", err)
	}
	if _, err := parseUpgrade([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), acceptValue()); !errors.Is(err, errRefused) {
		t.Errorf("parseUpgrade of a refusal: %v", err)
	}
}

// FuzzAppendFrame lets gorilla/websocket read what appendFrame has written.
func FuzzAppendFrame(f *testing.F) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 125, 126, 127, 0xffff, 0x10000} {
		f.Add(bytes.Repeat([]byte{'a', 'b', 'c'}, n/3+1)[:n])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		conn := &oneWay{}
		ws := peer(t, conn)
		conn.in = bytes.NewReader(appendFrame(nil, opText, payload))
		kind, got, err := ws.ReadMessage()
		if err != nil || kind != websocket.TextMessage || !bytes.Equal(got, payload) {
			t.Errorf("gorilla read %d %q, %v instead of %q", kind, got, err, payload)
		}
	})
}

// FuzzParseFrame feeds parseFrame what gorilla/websocket has written, cut at any
// place, and bytes of any kind.
func FuzzParseFrame(f *testing.F) {
	f.Add([]byte("hello"), 3)
	f.Add(bytes.Repeat([]byte("x"), 126), 3)
	f.Add(bytes.Repeat([]byte("x"), 0x10000), 9)
	f.Add([]byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), 0)
	f.Fuzz(func(t *testing.T, payload []byte, cut int) {
		if fr, n, err := parseFrame(payload); err == nil && (n > len(payload) || len(fr.payload) > n) {
			t.Fatalf("parseFrame(%q) = %d, %q", payload, n, fr.payload)
		}
		conn := &oneWay{in: strings.NewReader("")}
		ws := peer(t, conn)
		conn.out.Reset()
		if err := ws.WriteMessage(websocket.TextMessage, payload); err != nil {
			t.Fatal(err)
		}
		b := slices.Clone(conn.out.Bytes())
		fr, n, err := parseFrame(b)
		if len(payload) <= maxPayload && (err != nil || n != len(b) || fr.op != opText || !bytes.Equal(fr.payload, payload)) {
			t.Errorf("parseFrame = %#x %q, %d, %v instead of %q", fr.op, fr.payload, n, err, payload)
		}
		if cut >= 0 && cut < len(b) {
			if _, n, err := parseFrame(b[:cut]); n != 0 || err != nil && !errors.Is(err, errTooLong) {
				t.Errorf("parseFrame of %d of %d bytes = %d, %v", cut, len(b), n, err)
			}
		}
	})
}

func TestFramesAreParsedWithoutAllocation(t *testing.T) {
	b := []byte("\x81\x0642[\"a\"")
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := parseFrame(b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}
