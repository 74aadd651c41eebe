package packet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// BenchmarkFrame makes the frame of a message, as each emitted event does once.
func BenchmarkFrame(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 64)
	fill := func(dst []byte) ([]byte, error) { return append(dst, data...), nil }
	for name, binary := range map[string]bool{"text": false, "binary": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := packet.New(binary, len(data), fill); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// payloads are bodies of polling requests.
func payloads() map[string][]*packet.Frame {
	text := packet.Text(packet.Message, `2["msg","`+strings.Repeat("x", 64)+`"]`)
	return map[string][]*packet.Frame{
		"one":    {text},
		"16":     slices.Repeat([]*packet.Frame{text}, 16),
		"binary": {text, packet.Binary(make([]byte, 64))},
	}
}

func BenchmarkAppendPayload(b *testing.B) {
	for name, frames := range payloads() {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, packet.PayloadLen(frames))
			b.SetBytes(int64(cap(dst)))
			b.ReportAllocs()
			for b.Loop() {
				packet.AppendPayload(dst, frames)
			}
		})
	}
}

// BenchmarkDecodePayload splits a body and decodes its packets, which overwrites
// those with base64.
func BenchmarkDecodePayload(b *testing.B) {
	for name, frames := range payloads() {
		b.Run(name, func(b *testing.B) {
			sent := packet.AppendPayload(nil, frames)
			body := make([]byte, len(sent))
			b.SetBytes(int64(len(sent)))
			b.ReportAllocs()
			for b.Loop() {
				copy(body, sent)
				for rest, more := body, true; more; {
					var first []byte
					first, rest, more = packet.Next(rest)
					if p, err := packet.Decode(first); err != nil || p.Type != packet.Message {
						b.Fatal(p, err)
					}
				}
			}
		})
	}
}
