package packet_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want packet.Packet
		err  error
	}{
		{"message", "4hello", packet.Packet{Type: packet.Message, Data: []byte("hello")}, nil},
		{"empty message", "4", packet.Packet{Type: packet.Message}, nil},
		{"ping with data", "2probe", packet.Packet{Type: packet.Ping, Data: []byte("probe")}, nil},
		{"noop", "6", packet.Packet{Type: packet.Noop}, nil},
		{"binary", "bAQIDBA==", packet.Packet{Type: packet.Message, Binary: true, Data: []byte{1, 2, 3, 4}}, nil},
		{"empty binary", "b", packet.Packet{Type: packet.Message, Binary: true}, nil},
		{"empty", "", packet.Packet{}, packet.ErrEmpty},
		{"type beyond the last", "7x", packet.Packet{}, packet.ErrType},
		{"type before the first", "/", packet.Packet{}, packet.ErrType},
		{"letter", "abc", packet.Packet{}, packet.ErrType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := packet.Decode([]byte(tt.in))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			if got.Type != tt.want.Type || got.Binary != tt.want.Binary || !bytes.Equal(got.Data, tt.want.Data) {
				t.Errorf("got %q %v %q, want %q %v %q", got.Type, got.Binary, got.Data, tt.want.Type, tt.want.Binary, tt.want.Data)
			}
		})
	}
}

// The results were taken from Buffer.from(s, "base64") of Node.js.
func TestDecodeBase64AsNodeDoes(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"YWJjZGVm", "abcdef"},
		{"YWJj=ZGVm", "abc"},
		{"YWI=ZGVm", "ab"},
		{"@@@@", ""},
		{"YW-_", "ao\xbf"},
		{"YWJjZ", "abc"},
		{"YWJjZG", "abcd"},
		{"Y W\nJj", "abc"},
		{"=YWJj", ""},
		{"YWJj@ZGVm", "abcdef"},
	}
	for _, tt := range tests {
		p, err := packet.Decode([]byte("b" + tt.in))
		if err != nil || string(p.Data) != tt.want {
			t.Errorf("%q: got %q, %v; want %q", tt.in, p.Data, err, tt.want)
		}
	}
}

func TestFrameForms(t *testing.T) {
	t.Parallel()
	text := packet.Text(packet.Message, "hé")
	if got := hex.EncodeToString(text.WebSocket()); got != "8104"+hex.EncodeToString([]byte("4hé")) {
		t.Errorf("text frame = %s", got)
	}
	if got := string(text.Polling()); got != "4hé" {
		t.Errorf("text polling = %q", got)
	}
	bin := packet.Binary([]byte{1, 2, 3, 4})
	if got := hex.EncodeToString(bin.WebSocket()); got != "820401020304" {
		t.Errorf("binary frame = %s", got)
	}
	if got := string(bin.Polling()); got != "bAQIDBA==" {
		t.Errorf("binary polling = %q", got)
	}
	if got := string(bin.Polling()); got != "bAQIDBA==" {
		t.Errorf("cached binary polling = %q", got)
	}
	ctl := packet.Control(ws.OpPong, []byte("x"))
	if got := hex.EncodeToString(ctl.WebSocket()); got != "8a0178" {
		t.Errorf("control frame = %s", got)
	}
}

func TestFrameHeaderSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 70000} {
		for _, binary := range []bool{false, true} {
			data := strings.Repeat("x", n)
			f, err := packet.New(binary, n, func(dst []byte) ([]byte, error) { return append(dst, data...), nil })
			if err != nil {
				t.Fatal(err)
			}
			r := bytes.NewReader(f.WebSocket())
			h, err := ws.ReadHeader(r)
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			payload, err := io.ReadAll(r)
			if err != nil || int64(len(payload)) != h.Length {
				t.Fatalf("%d bytes: %d bytes of payload, %v", h.Length, len(payload), err)
			}
			want, op := data, ws.OpBinary
			if !binary {
				want, op = "4"+data, ws.OpText
			}
			if string(payload) != want || h.OpCode != op || !h.Fin {
				t.Errorf("%d bytes, binary %v: frame differs", n, binary)
			}
			if string(f.Payload()) != data {
				t.Errorf("%d bytes, binary %v: payload differs", n, binary)
			}
			if f.Len() != len(f.WebSocket()) || f.IsBinary() != binary {
				t.Errorf("%d bytes: Len = %d, IsBinary = %v", n, f.Len(), f.IsBinary())
			}
		}
	}
}

func TestNewReturnsErrorOfFill(t *testing.T) {
	t.Parallel()
	want := errors.New("no")
	f, err := packet.New(false, 0, func(dst []byte) ([]byte, error) { return nil, want })
	if f != nil || !errors.Is(err, want) {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestNewSurvivesFillThatLosesItsBuffer(t *testing.T) {
	t.Parallel()
	f, err := packet.New(false, 0, func([]byte) ([]byte, error) { return nil, nil })
	if err != nil || string(f.Polling()) != "4" {
		t.Errorf("got %q, %v; want an empty message", f.Polling(), err)
	}
}

func TestNewAllocatesBufferOnce(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 100)
	fill := func(dst []byte) ([]byte, error) { return append(dst, data...), nil }
	n := testing.AllocsPerRun(100, func() {
		if _, err := packet.New(false, len(data), fill); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 { // the frame and its buffer
		t.Errorf("%v allocations, want 2", n)
	}
}

func TestPollingFormIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f := packet.Binary([]byte("shared"))
	want := "b" + base64.StdEncoding.EncodeToString([]byte("shared"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := string(f.Polling()); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
}

func TestPayload(t *testing.T) {
	t.Parallel()
	frames := []*packet.Frame{packet.Text(packet.Message, "a"), packet.Binary([]byte("b")), packet.Text(packet.Close, "")}
	b := packet.AppendPayload(nil, frames)
	if string(b) != "4a\x1ebYg==\x1e1" {
		t.Errorf("payload = %q", b)
	}
	if n := packet.PayloadLen(frames); n != len(b) {
		t.Errorf("PayloadLen = %d, want %d", n, len(b))
	}
	if n := packet.PayloadLen(nil); n != 0 {
		t.Errorf("PayloadLen of nothing = %d", n)
	}
}

func TestNextKeepsEmptyPackets(t *testing.T) {
	t.Parallel()
	var got []string
	for rest, more := []byte("4a\x1e\x1e4b\x1e"), true; more; {
		var first []byte
		first, rest, more = packet.Next(rest)
		got = append(got, string(first))
	}
	if strings.Join(got, "|") != "4a||4b|" {
		t.Errorf("packets = %q", got)
	}
}
