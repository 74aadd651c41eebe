package packet_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// lenientBase64 says in plain words what the decoder has to do: take the
// characters of the alphabet up to the first padding, and decode them.
func lenientBase64(s string) []byte {
	s, _, _ = strings.Cut(s, "=")
	var clean strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean.WriteByte(c)
		case c == '-':
			clean.WriteByte('+')
		case c == '_':
			clean.WriteByte('/')
		}
	}
	text := clean.String()
	if len(text)%4 == 1 {
		text = text[:len(text)-1] // six bits are no byte
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

func FuzzDecodePacket(f *testing.F) {
	for _, s := range []string{"", "4", "4hello", "2probe", "3", "b", "bAQIDBA==", "b@@@@", "bYW-_", "7", "b=", "bY W\nJj", "0{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text := string(in)
		p, err := packet.Decode(in)
		switch {
		case text == "" || (text[0] != 'b' && (text[0] < '0' || text[0] > '6')):
			if err == nil {
				t.Fatalf("%q: no error", text)
			}
		case err != nil:
			t.Fatalf("%q: %v", text, err)
		case text[0] == 'b':
			want := lenientBase64(text[1:])
			if !p.Binary || p.Type != packet.Message || !bytes.Equal(p.Data, want) {
				t.Fatalf("%q: got %q, want %q", text, p.Data, want)
			}
			again, err := packet.Decode(bytes.Clone(packet.Binary(want).Polling()))
			if err != nil || !bytes.Equal(again.Data, want) {
				t.Fatalf("%q: encoded and decoded: %q, %v", text, again.Data, err)
			}
		default:
			if p.Binary || byte(p.Type) != text[0] || string(p.Data) != text[1:] {
				t.Fatalf("%q: got %q %q", text, p.Type, p.Data)
			}
			if got := string(packet.Text(p.Type, string(p.Data)).Polling()); got != text {
				t.Fatalf("%q: encoded again: %q", text, got)
			}
		}
	})
}

func FuzzDecodePayload(f *testing.F) {
	for _, s := range []string{"", "4a", "4a\x1e4b", "4a\x1e\x1e4b", "\x1e", "bAQ==\x1e4x", "1\x1e4x", "4a\x1e"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want := strings.Split(string(in), "\x1e")
		var frames []*packet.Frame
		var texts []string
		for rest, more := in, true; more; {
			var first []byte
			first, rest, more = packet.Next(rest)
			texts = append(texts, string(first))
			p, err := packet.Decode(bytes.Clone(first))
			if err != nil {
				continue
			}
			if p.Binary {
				frames = append(frames, packet.Binary(p.Data))
			} else {
				frames = append(frames, packet.Text(p.Type, string(p.Data)))
			}
		}
		if strings.Join(texts, "|") != strings.Join(want, "|") || len(texts) != len(want) {
			t.Fatalf("split %q into %q", in, texts)
		}
		body := packet.AppendPayload(nil, frames)
		if len(body) != packet.PayloadLen(frames) {
			t.Fatalf("PayloadLen = %d, body is %d", packet.PayloadLen(frames), len(body))
		}
		for i, rest, more := 0, body, len(frames) > 0; more; i++ {
			var first []byte
			first, rest, more = packet.Next(rest)
			if !bytes.Equal(first, frames[i].Polling()) {
				t.Fatalf("packet %d: %q, want %q", i, first, frames[i].Polling())
			}
		}
	})
}
