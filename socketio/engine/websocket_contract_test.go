package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// The sizes at which the header of a frame, or a buffer, changes its shape.
var sizes = []int{0, 1, 124, 125, 126, 127, 128, 4093, 4096, 65_534, 65_535, 65_536, 65_537, 999_999}

func TestSizesOfMessages(t *testing.T) { inBothModes(t, testSizesOfMessages) }

func testSizesOfMessages(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	ws := s.openWS(t)
	for _, n := range sizes {
		m := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		ws.mustText(t, "4"+m)
		ws.expect(t, "4"+m)
		ws.must(t, finBinary, m)
		ws.expectFrame(t, finBinary, m)
	}
}

// traffic is a bit of everything, to be cut into pieces in every way.
func traffic() (wire []byte, want []message) {
	wire = appendFrame(wire, finText, "4one")
	wire = appendFrame(wire, finPing, "?")
	wire = appendFrame(wire, 0x01, "4t\xc3")
	wire = appendFrame(wire, finPong, "")
	wire = appendFrame(wire, 0x00, "")
	wire = appendFrame(wire, 0x80, "\xa9o")
	wire = appendFrame(wire, finBinary, strings.Repeat("x", 130))
	wire = appendFrame(wire, 0x02, "")
	wire = appendFrame(wire, 0x80, "")
	wire = appendFrame(wire, finText, "4last")
	return wire, []message{text("one"), text("téo"), bin(strings.Repeat("x", 130)), bin(""), text("last")}
}

func TestFramesCutAnywhere(t *testing.T) { inBothModes(t, testFramesCutAnywhere) }

func testFramesCutAnywhere(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	wire, want := traffic()
	for cut := range wire {
		ws := s.openWS(t)
		for _, part := range [][]byte{wire[:cut], wire[cut:]} {
			if _, err := ws.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		ws.peer.expect(t, want...)
		ws.expectFrame(t, finPong, "?")
		ws.Close()
	}
}

func TestFramesByteByByte(t *testing.T) { inBothModes(t, testFramesByteByByte) }

func testFramesByteByByte(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	wire, want := traffic()
	for i := range wire {
		if _, err := ws.Write(wire[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	ws.peer.expect(t, want...)
}

func TestManyFramesInOneSegment(t *testing.T) { inBothModes(t, testManyFramesInOneSegment) }

func testManyFramesInOneSegment(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	ws := s.openWS(t)
	const n = 5000
	var wire []byte
	for i := range n {
		wire = appendFrame(wire, finText, fmt.Sprint("4", i))
	}
	go func() { _, _ = ws.Write(wire) }()
	for i := range n {
		ws.expect(t, fmt.Sprint("4", i))
	}
}

func TestFragments(t *testing.T) { inBothModes(t, testFragments) }

func testFragments(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	m := strings.Repeat("añb", 1000)
	for _, size := range []int{1, 2, 3, 125, 126, 1000, 3999} {
		wire := []byte{}
		first := byte(0x01)
		parts := slices.Collect(slices.Chunk([]byte("4"+m), size))
		for i, part := range parts {
			if i == len(parts)-1 {
				first |= 0x80
			}
			wire = appendFrame(wire, first, string(part))
			first = 0x00
			if i%7 == 0 {
				wire = appendFrame(wire, finPing, "in between")
			}
		}
		go func() { _, _ = ws.Write(wire) }()
		ws.peer.expect(t, text(m))
	}
}

func TestPingsOfTheWebSocketLayer(t *testing.T) { inBothModes(t, testPingsOfTheWebSocketLayer) }

func testPingsOfTheWebSocketLayer(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	ws := s.openWS(t)
	for _, payload := range []string{"", "a", strings.Repeat("p", 125)} {
		ws.must(t, finPing, payload)
		ws.expectFrame(t, finPong, payload)
	}
	ws.must(t, finPong, "not asked for")
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
}

// violation is a way of breaking the rules of RFC 6455.
type violation struct {
	name  string
	wire  string
	codes []int
}

func violations() []violation {
	protocol, badText := []int{1002}, []int{1007}
	f := func(parts ...any) string {
		var wire []byte
		for i := 0; i < len(parts); i += 2 {
			first, _ := parts[i].(int)
			payload, _ := parts[i+1].(string)
			wire = appendFrame(wire, byte(first), payload)
		}
		return string(wire)
	}
	raw := func(first byte, length uint64) string { return string(appendFrameHeader(nil, first, length)) }
	return []violation{
		{"unmasked", "\x81\x024a", protocol},
		{"RSV1 without an extension", f(0xc1, "4a"), protocol},
		{"RSV2", f(0xa1, "4a"), protocol},
		{"RSV3", f(0x91, "4a"), protocol},
		{"RSV1 of a ping", f(0xc9, ""), protocol},
		{"opcode 3", f(0x83, "4a"), protocol},
		{"opcode 7", f(0x87, "4a"), protocol},
		{"opcode 11", f(0x8b, ""), protocol},
		{"opcode 15", f(0x8f, ""), protocol},
		{"long ping", f(0x89, strings.Repeat("a", 126)), protocol},
		{"long close", f(0x88, closePayload(1000, strings.Repeat("a", 124))), protocol},
		{"fragment of a ping", f(0x09, "a"), protocol},
		{"fragment of a close", f(0x08, ""), protocol},
		{"continuation of nothing", f(0x80, "4a"), protocol},
		{"first fragment of nothing", f(0x00, "4a"), protocol},
		{"text inside of a text", f(0x01, "4a", 0x81, "4b"), protocol},
		{"binary inside of a text", f(0x01, "4a", 0x02, "b"), protocol},
		{"length with its top bit set", raw(0x82, 1<<63), append(protocol, 1009)},
		{"bad text", f(0x81, "4\xff"), badText},
		{"text that ends within a character", f(0x81, "4\xe2\x82"), badText},
		{"surrogate", f(0x81, "4\xed\xa0\x80"), badText},
		{"overlong", f(0x81, "4\xc0\xaf"), badText},
		{"beyond Unicode", f(0x81, "4\xf4\x90\x80\x80"), badText},
		{"bad text in fragments", f(0x01, "4\xe2\x82", 0x80, "a"), badText},
		{"fragmented text that ends within a character", f(0x01, "4a", 0x80, "\xe2\x82"), badText},
		{"close with one byte", f(0x88, "\x03"), protocol},
		{"close code 0", f(0x88, closePayload(0, "")), protocol},
		{"close code 999", f(0x88, closePayload(999, "")), protocol},
		{"close code 1004", f(0x88, closePayload(1004, "")), protocol},
		{"close code 1005", f(0x88, closePayload(1005, "")), protocol},
		{"close code 1006", f(0x88, closePayload(1006, "")), protocol},
		{"close code 1016", f(0x88, closePayload(1016, "")), protocol},
		{"close code 2999", f(0x88, closePayload(2999, "")), protocol},
		{"close code 5000", f(0x88, closePayload(5000, "")), protocol},
		{"close with a bad text", f(0x88, closePayload(1000, "\xff")), append(badText, 1002)},
	}
}

func TestViolationsOfWebSocket(t *testing.T) { inBothModes(t, testViolationsOfWebSocket) }

func testViolationsOfWebSocket(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	for _, v := range violations() {
		t.Run(v.name, func(t *testing.T) {
			ws := s.openWS(t)
			ws.mustText(t, "4before")
			if _, err := ws.Write([]byte(v.wire)); err != nil {
				t.Fatal(err)
			}
			// More data behind the violation must not keep the peer from getting
			// the close frame.
			if err := ws.sendFrame(finText, "4after"); err != nil {
				t.Fatal(err)
			}
			ws.expectClosing(t, v.codes...)
			ws.peer.expectClose(t, engine.TransportError)
			ws.peer.expectNow(t, text("before"))
		})
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestClosingByTheClient(t *testing.T) { inBothModes(t, testClosingByTheClient) }

func testClosingByTheClient(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	for name, payload := range map[string]string{
		"without a code":    "",
		"normal":            closePayload(1000, ""),
		"going away":        closePayload(1001, "bye"),
		"code of a library": closePayload(3000, ""),
		"code of a program": closePayload(4999, strings.Repeat("a", 123)),
	} {
		t.Run(name, func(t *testing.T) {
			ws := s.openWS(t)
			ws.mustText(t, "4last words")
			ws.must(t, finClose, payload)
			f, err := ws.readFrame()
			if err != nil || f.first != finClose {
				t.Fatalf("got frame %#x, error %v, want a close frame", f.first, err)
			}
			if code := f.closeCode(); f.payload != "" && code != (wsFrame{payload: payload}).closeCode() {
				t.Errorf("the server answered with code %d", code)
			}
			ws.expectEOF(t)
			ws.peer.expectClose(t, engine.TransportClose)
			ws.peer.expectNow(t, text("last words"))
		})
	}
}

func TestConnectionThatIsCut(t *testing.T) { inBothModes(t, testConnectionThatIsCut) }

func testConnectionThatIsCut(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	for name, wire := range map[string][]byte{
		"between frames":     nil,
		"within a header":    {finText},
		"within a payload":   appendFrame(nil, finText, "4hello")[:8],
		"between fragments":  appendFrame(nil, 0x01, "4hel"),
		"within a key":       {finText, 0x85, 1, 2},
		"within a length":    {finText, 0xff, 0, 0},
		"after a huge claim": appendFrameHeader(nil, finBinary, 900_000),
	} {
		t.Run(name, func(t *testing.T) {
			ws := s.openWS(t)
			if _, err := ws.Write(wire); err != nil {
				t.Fatal(err)
			}
			ws.Close()
			ws.peer.expectClose(t, engine.TransportClose, engine.TransportError)
			ws.peer.expectNow(t)
		})
	}
}

// The reference reads such a packet and does nothing: the connection stays until
// the ping timeout.
func TestFaultClosePacketOverWebSocket(t *testing.T) {
	inBothModes(t, testFaultClosePacketOverWebSocket)
}

func testFaultClosePacketOverWebSocket(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	ws.mustText(t, "4before", "1", "4after")
	ws.expectClosing(t, noStatus, 1000)
	ws.peer.expectClose(t, engine.TransportClose)
	ws.peer.expectNow(t, text("before"))
}
