package wsframe_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// BenchmarkFeedMany parses what a busy client sends: several frames in a piece, a frame
// that comes in two pieces, a message in fragments, a large one. Unmasking is a part of it.
func BenchmarkFeedMany(b *testing.B) {
	small, large := "2"+strings.Repeat("x", 63), strings.Repeat("x", 64<<10)
	one := frame(0x81, small)
	for _, bench := range []struct {
		name   string
		pieces [][]byte
	}{
		{"16 frames", [][]byte{[]byte(strings.Repeat(string(one), 16))}},
		{"two pieces", [][]byte{one[:20], one[20:]}},
		{"fragments", [][]byte{join(frame(0x01, small), frame(0x00, small), frame(0x80, small))}},
		{"binary 64 KiB", [][]byte{frame(0x82, large)}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var p wsframe.Parser
			lim := wsframe.Limits{MaxMessage: 1 << 20, MaxFragments: 8}
			buf := make([]byte, len(large)+100)
			b.SetBytes(int64(len(join(bench.pieces...))))
			b.ReportAllocs()
			for b.Loop() {
				for _, piece := range bench.pieces {
					if err := p.Feed(buf[:copy(buf, piece)], lim, nop{}); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
