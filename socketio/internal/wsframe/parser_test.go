package wsframe_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// recorder writes down what a parser finds.
type recorder struct {
	events []string
	fail   error
}

func (r *recorder) Message(binary bool, data []byte) error {
	r.events = append(r.events, fmt.Sprintf("message binary=%v %q", binary, data))
	return r.fail
}

func (r *recorder) Control(op ws.OpCode, data []byte) error {
	r.events = append(r.events, fmt.Sprintf("control %d %q", op, data))
	return r.fail
}

var limits = wsframe.Limits{MaxMessage: 1000, MaxFragments: 5}

// frame returns a masked frame. first is its first byte.
func frame(first byte, data string) []byte {
	op := ws.OpCode(first & 0x0f)
	f := ws.MaskFrameWith(ws.NewFrame(op, first&0x80 != 0, []byte(data)), [4]byte{1, 2, 3, 4})
	f.Header.Rsv = first >> 4 & 7
	return ws.MustCompileFrame(f)
}

// join concatenates frames.
func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// feed parses a stream that arrives in pieces of n bytes.
func feed(p *wsframe.Parser, stream []byte, n int, h wsframe.Handler) error {
	for len(stream) > 0 {
		piece := bytes.Clone(stream[:min(n, len(stream))])
		stream = stream[len(piece):]
		if err := p.Feed(piece, limits, h); err != nil {
			return err
		}
		// The parser must have kept nothing of the buffer.
		clear(piece)
	}
	return nil
}

func TestMessagesAtEveryBoundary(t *testing.T) {
	t.Parallel()
	stream := join(
		frame(0x81, "one"),
		frame(0x82, "\x00\xff"),
		frame(0x01, "frag"), frame(0x89, "ping between"), frame(0x00, "men"), frame(0x80, "ted"),
		frame(0x81, strings.Repeat("x", 300)),
		frame(0x81, ""),
		frame(0x01, "\xc3"), frame(0x80, "\xa9"),
	)
	want := []string{
		`message binary=false "one"`, `message binary=true "\x00\xff"`, `control 9 "ping between"`,
		`message binary=false "fragmented"`, fmt.Sprintf("message binary=false %q", strings.Repeat("x", 300)),
		`message binary=false ""`, `message binary=false "é"`,
	}
	for n := 1; n <= len(stream); n++ {
		var p wsframe.Parser
		var r recorder
		if err := feed(&p, stream, n, &r); err != nil {
			t.Fatalf("pieces of %d: %v", n, err)
		}
		if strings.Join(r.events, "\n") != strings.Join(want, "\n") {
			t.Fatalf("pieces of %d: got %q, want %q", n, r.events, want)
		}
		if !p.Idle() {
			t.Fatalf("pieces of %d: something is left", n)
		}
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	unmasked := ws.MustCompileFrame(ws.NewTextFrame([]byte("x")))
	tests := []struct {
		name   string
		stream []byte
		code   ws.StatusCode
	}{
		{"unmasked", unmasked, ws.StatusProtocolError},
		{"first reserved bit", frame(0xc1, "x"), ws.StatusProtocolError},
		{"second reserved bit", frame(0xa1, "x"), ws.StatusProtocolError},
		{"third reserved bit", frame(0x91, "x"), ws.StatusProtocolError},
		{"reserved data opcode", frame(0x83, "x"), ws.StatusProtocolError},
		{"reserved control opcode", frame(0x8b, "x"), ws.StatusProtocolError},
		{"fragmented control frame", frame(0x09, "x"), ws.StatusProtocolError},
		{"long control frame", frame(0x89, strings.Repeat("x", 126)), ws.StatusProtocolError},
		{"continuation of nothing", frame(0x80, "x"), ws.StatusProtocolError},
		{"new message inside a message", join(frame(0x01, "x"), frame(0x81, "y")), ws.StatusProtocolError},
		{"invalid text", frame(0x81, "\xff"), ws.StatusInvalidFramePayloadData},
		{"text cut inside a character", join(frame(0x01, "\xc3"), frame(0x80, "x")), ws.StatusInvalidFramePayloadData},
		{"message beyond the limit", frame(0x82, strings.Repeat("x", 1001)), ws.StatusMessageTooBig},
		{"fragments beyond the limit", join(frame(0x02, strings.Repeat("x", 600)), frame(0x80, strings.Repeat("x", 401))), ws.StatusMessageTooBig},
		{"length with its highest bit set", []byte{0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, ws.StatusProtocolError},
		{"length of almost 2^63", []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, ws.StatusMessageTooBig},
		{"too many fragments", join(frame(0x02, ""), bytes.Repeat(frame(0x00, ""), 5)), ws.StatusPolicyViolation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, len(tt.stream)} {
				var p wsframe.Parser
				var r recorder
				err := feed(&p, tt.stream, n, &r)
				ce, ok := errors.AsType[*wsframe.CloseError](err)
				if !ok || ce.Code != tt.code {
					t.Errorf("pieces of %d: error %v, want code %d", n, err, tt.code)
				}
				if len(r.events) > 0 {
					t.Errorf("pieces of %d: delivered %q", n, r.events)
				}
			}
		})
	}
}

func TestLimitIsExact(t *testing.T) {
	t.Parallel()
	var p wsframe.Parser
	var r recorder
	stream := join(frame(0x82, strings.Repeat("x", 1000)), frame(0x02, strings.Repeat("y", 999)), frame(0x80, "y"),
		frame(0x02, ""), bytes.Repeat(frame(0x00, ""), 3), frame(0x80, "z"))
	if err := feed(&p, stream, len(stream), &r); err != nil || len(r.events) != 3 {
		t.Errorf("got %d messages, %v", len(r.events), err)
	}
}

func TestErrorOfHandlerStops(t *testing.T) {
	t.Parallel()
	var p wsframe.Parser
	r := recorder{fail: errors.New("stop")}
	err := p.Feed(join(frame(0x81, "a"), frame(0x81, "b")), limits, &r)
	if !errors.Is(err, r.fail) || len(r.events) != 1 {
		t.Errorf("got %v after %q", err, r.events)
	}
}

// A header announces a large message: nothing may be allocated for it until it
// arrives.
func TestMemoryFollowsWhatHasArrived(t *testing.T) {
	big := wsframe.Limits{MaxMessage: 1 << 30, MaxFragments: 10}
	header := []byte{0x82, 0xff, 0, 0, 0, 0, 0x30, 0, 0, 0, 1, 2, 3, 4}
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var p wsframe.Parser
			if err := p.Feed(header, big, &recorder{}); err != nil || p.Idle() {
				b.Fatal("the header is not waited upon")
			}
		}
	})
	if n := got.AllocedBytesPerOp(); n > 1024 {
		t.Errorf("%d bytes allocated for 14 received", n)
	}
}

func TestCloseCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want ws.StatusCode
		fail ws.StatusCode
	}{
		{"", ws.StatusNoStatusRcvd, 0},
		{"\x03\xe8", 1000, 0},
		{"\x03\xe9going", 1001, 0},
		{"\x0b\xb8", 3000, 0},
		{"\x0f\xa1", 4001, 0},
		{"\x03", 0, ws.StatusProtocolError},
		{"\x03\xed", 0, ws.StatusProtocolError}, // 1005 must not be sent
		{"\x00\x01", 0, ws.StatusProtocolError},
		{"\x03\xe7", 0, ws.StatusProtocolError}, // 999
		{"\x03\xec", 0, ws.StatusProtocolError}, // 1004
		{"\x03\xf6", 1014, 0},
		{"\x03\xf7", 0, ws.StatusProtocolError}, // 1015
		{"\x0b\xb7", 0, ws.StatusProtocolError}, // 2999
		{"\x13\x87", 4999, 0},
		{"\x13\x88", 0, ws.StatusProtocolError}, // 5000
		{"\x03\xe8\xff", 0, ws.StatusInvalidFramePayloadData},
	}
	for _, tt := range tests {
		code, err := wsframe.CloseCode([]byte(tt.data))
		ce, failed := errors.AsType[*wsframe.CloseError](err)
		if failed != (tt.fail != 0) || failed && ce.Code != tt.fail || code != tt.want {
			t.Errorf("%q: got %d, %v; want %d, failure %d", tt.data, code, err, tt.want, tt.fail)
		}
	}
}

// nop ignores everything.
type nop struct{}

func (nop) Message(bool, []byte) error      { return nil }
func (nop) Control(ws.OpCode, []byte) error { return nil }

func TestSmallFrameAllocatesNothing(t *testing.T) {
	var p wsframe.Parser
	data := frame(0x81, "4hello")
	buf := make([]byte, len(data))
	if n := testing.AllocsPerRun(1000, func() {
		copy(buf, data)
		if err := p.Feed(buf, limits, nop{}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFeed(b *testing.B) {
	for _, size := range []int{64, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := frame(0x81, strings.Repeat("x", size))
			buf := make([]byte, len(data))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var p wsframe.Parser
			for b.Loop() {
				copy(buf, data)
				if err := p.Feed(buf, limits, nop{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
