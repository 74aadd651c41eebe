package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The first byte of WebSocket frames that are no fragments: RFC 6455, section 5.2.
const (
	finText   = 0x81
	finBinary = 0x82
	finClose  = 0x88
	finPing   = 0x89
	finPong   = 0x8a
)

// noStatus is the close code that stands for a close frame without a code.
const noStatus = 1005

// mask is the masking key of all frames of the tests. It is not zero, so that a
// server that forgets to unmask is found out.
var mask = [4]byte{0x12, 0x34, 0x56, 0x78}

// wsHeaders are the headers of a WebSocket handshake.
var wsHeaders = []string{
	"Connection: Upgrade",
	"Upgrade: websocket",
	"Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// A wsClient is a WebSocket client that can send any frame.
type wsClient struct {
	*rawConn
	res  response // the 101 answer
	sid  string
	peer *peer
}

// A wsFrame is a frame received.
type wsFrame struct {
	first   byte
	payload string
}

// handshakeWS sends a WebSocket handshake, with bytes that follow it at once, and
// reads the answer. The client is nil unless it is 101.
func (c *rawConn) handshakeWS(query, early string, headers ...string) (*wsClient, response, error) {
	request := formatRequest(http.MethodGet, query, "", slices.Concat(wsHeaders, headers)...)
	if _, err := io.WriteString(c, request+early); err != nil {
		return nil, response{}, err
	}
	res, err := c.receive(http.MethodGet)
	if err != nil || res.status != http.StatusSwitchingProtocols {
		return nil, res, err
	}
	return &wsClient{rawConn: c, res: res}, res, nil
}

// connectWS opens a session over WebSocket and reads the OPEN packet.
func (s *server) connectWS(headers ...string) (*wsClient, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	c, res, err := conn.handshakeWS(websocketQuery, "", headers...)
	if err == nil && c == nil {
		err = fmt.Errorf("handshake: status %d %q", res.status, res.body)
	}
	if err == nil {
		err = c.readOpen()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// readOpen reads the first packet of a session.
func (c *wsClient) readOpen() error {
	packet, err := c.readText()
	if err != nil {
		return err
	}
	o, err := parseOpen(packet)
	c.sid = o.SID
	return err
}

// openWS is connectWS for the test's own goroutine. It is the only client that
// connects meanwhile, since it takes the next session for its own.
func (s *server) openWS(tb testing.TB, headers ...string) *wsClient {
	tb.Helper()
	c, err := s.connectWS(headers...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	c.peer = s.next(tb)
	return c
}

// appendFrame appends a masked frame whose first byte is given.
func appendFrame(dst []byte, first byte, payload string) []byte {
	dst = appendFrameHeader(dst, first, uint64(len(payload)))
	for i := range len(payload) {
		dst = append(dst, payload[i]^mask[i%4])
	}
	return dst
}

// appendFrameHeader appends the header of a masked frame.
func appendFrameHeader(dst []byte, first byte, length uint64) []byte {
	dst = append(dst, first)
	switch {
	case length < 126:
		dst = append(dst, 0x80|byte(length))
	case length < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary16(dst, length)
	default:
		dst = append(dst, 0x80|127)
		dst = binary64(dst, length)
	}
	return append(dst, mask[:]...)
}

func binary16(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint16(dst, uint16(n)) }

func binary64(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }

// closePayload returns the payload of a close frame.
func closePayload(code int, reason string) string {
	return string(binary16(nil, uint64(code))) + reason
}

// sendFrame sends one frame.
func (c *wsClient) sendFrame(first byte, payload string) error {
	_, err := c.Write(appendFrame(nil, first, payload))
	return err
}

// must sends one frame from the test's own goroutine.
func (c *wsClient) must(tb testing.TB, first byte, payload string) {
	tb.Helper()
	if err := c.sendFrame(first, payload); err != nil {
		tb.Fatalf("sending frame %#x: %v", first, err)
	}
}

// mustText sends text messages, one frame each.
func (c *wsClient) mustText(tb testing.TB, packets ...string) {
	tb.Helper()
	for _, p := range packets {
		c.must(tb, finText, p)
	}
}

// readFrame reads one frame, which must keep the rules for servers.
func (c *wsClient) readFrame() (wsFrame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return wsFrame{}, err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return wsFrame{}, fmt.Errorf("frame with header % x: reserved bit set or masked", head)
	}
	length := uint64(head[1])
	switch length {
	case 126:
		var ext [2]byte
		if _, err := io.ReadFull(c.br, ext[:]); err != nil {
			return wsFrame{}, err
		}
		length = uint64(binary.BigEndian.Uint16(ext[:]))
	case 127:
		var ext [8]byte
		if _, err := io.ReadFull(c.br, ext[:]); err != nil {
			return wsFrame{}, err
		}
		length = binary.BigEndian.Uint64(ext[:])
	}
	if length > 64<<20 {
		return wsFrame{}, fmt.Errorf("frame of %d bytes", length)
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(c.br, payload)
	return wsFrame{head[0], string(payload)}, err
}

// errClosedByServer is what reading a message returns at a close frame.
var errClosedByServer = errors.New("close frame from the server")

// readMessage reads the next data frame; it skips pings and pongs of the
// WebSocket layer.
func (c *wsClient) readMessage() (wsFrame, error) {
	for {
		f, err := c.readFrame()
		switch {
		case err != nil:
			return f, err
		case f.first == finText || f.first == finBinary:
			return f, nil
		case f.first == finClose:
			return f, fmt.Errorf("%w with code %d", errClosedByServer, f.closeCode())
		case f.first != finPing && f.first != finPong:
			return f, fmt.Errorf("unexpected frame %#x", f.first)
		}
	}
}

// readText reads the next message, which must be a text.
func (c *wsClient) readText() (string, error) {
	f, err := c.readMessage()
	if err == nil && f.first != finText {
		err = fmt.Errorf("frame %#x, want a text", f.first)
	}
	return f.payload, err
}

// expect checks that these text messages arrive next.
func (c *wsClient) expect(tb testing.TB, want ...string) {
	tb.Helper()
	for _, w := range want {
		got, err := c.readText()
		if err != nil {
			tb.Fatalf("waiting for %.100q: %v", w, err)
		}
		if got != w {
			tb.Fatalf("got text %.100q, want %.100q", got, w)
		}
	}
}

// expectFrame checks the next frame of whatever kind.
func (c *wsClient) expectFrame(tb testing.TB, first byte, payload string) {
	tb.Helper()
	f, err := c.readFrame()
	if err != nil {
		tb.Fatalf("waiting for frame %#x: %v", first, err)
	}
	if f.first != first || f.payload != payload {
		tb.Fatalf("got frame %#x %.100q, want %#x %.100q", f.first, f.payload, first, payload)
	}
}

// closeCode returns the code of a close frame.
func (f wsFrame) closeCode() int {
	switch len(f.payload) {
	case 0:
		return noStatus
	case 1:
		return -1
	default:
		return int(binary.BigEndian.Uint16([]byte(f.payload)))
	}
}

// expectClosing skips data up to the close frame, which must have one of the
// codes, answers it and checks that the server closes the connection.
func (c *wsClient) expectClosing(tb testing.TB, codes ...int) {
	tb.Helper()
	for {
		f, err := c.readFrame()
		if err != nil {
			tb.Fatalf("waiting for a close frame with code %v: %v", codes, err)
		}
		if f.first != finClose {
			continue
		}
		if !slices.Contains(codes, f.closeCode()) {
			tb.Errorf("got close code %d (%q), want %v", f.closeCode(), f.payload, codes)
		}
		// The server may have closed the connection already.
		_ = c.sendFrame(finClose, f.payload)
		c.expectEOF(tb)
		return
	}
}

// expectEOF checks that the server closes the connection and sends nothing more.
func (c *rawConn) expectEOF(tb testing.TB) {
	tb.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); errors.Is(err, io.ErrClosedPipe) {
		return // A pipe tells its deadline that the server has closed it.
	}
	n, err := io.Copy(io.Discard, c.br)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		tb.Fatalf("the server did not close the connection (read %d more bytes)", n)
	}
	if n > 0 {
		tb.Errorf("the server sent %d bytes too many", n)
	}
}

// awaitEnd reads whatever comes until the connection has ended.
func (c *rawConn) awaitEnd(tb testing.TB) {
	tb.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); errors.Is(err, io.ErrClosedPipe) {
		return
	}
	_, err := io.Copy(io.Discard, c.br)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		tb.Fatal("the server did not close the connection")
	}
}

// probe opens a WebSocket for a session that is polling.
func (c *pollingClient) probe(tb testing.TB) *wsClient {
	tb.Helper()
	ws, res, err := c.server.open(tb).handshakeWS(websocketQuery+"&sid="+c.sid, "")
	if err != nil || ws == nil {
		tb.Fatalf("upgrade: %d %q, error %v", res.status, res.body, err)
	}
	ws.sid, ws.peer = c.sid, c.peer
	return ws
}

// upgrade changes a session from polling to WebSocket, the way clients do it.
func (c *pollingClient) upgrade(tb testing.TB) *wsClient {
	tb.Helper()
	ws := c.probe(tb)
	ws.mustText(tb, "2probe")
	ws.expect(tb, "3probe")
	ws.mustText(tb, "5")
	eventually(tb, "the session is on websocket", func() bool { return c.peer.session.Transport() == "websocket" })
	return ws
}

// expectRefusedWS checks that a WebSocket handshake is refused with a plain text
// and the connection closed.
func (s *server) expectRefusedWS(tb testing.TB, query string, statuses []int, text string, headers ...string) {
	tb.Helper()
	conn := s.open(tb)
	_, res, err := conn.handshakeWS(query, "", headers...)
	if err != nil {
		tb.Fatalf("upgrade ?%s: %v", query, err)
	}
	if !slices.Contains(statuses, res.status) || !strings.Contains(res.body, text) {
		tb.Errorf("upgrade ?%s: got %d %q, want %v %q", query, res.status, res.body, statuses, text)
	}
	if !res.closing {
		tb.Errorf("upgrade ?%s: the answer lacks Connection: close", query)
	}
	conn.expectEOF(tb)
}

// expectTurnedAway checks that a session takes no further WebSocket: it is
// refused, or accepted only to be closed.
func (s *server) expectTurnedAway(tb testing.TB, sid string) {
	tb.Helper()
	ws, res, err := s.open(tb).handshakeWS(websocketQuery+"&sid="+sid, "")
	switch {
	case err != nil:
		tb.Fatal(err)
	case ws != nil:
		ws.expectClosing(tb, noStatus, 1000)
	case res.status != http.StatusBadRequest:
		tb.Errorf("got %d %q, want 101 or 400", res.status, res.body)
	}
}
