package wire_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter/wire"
)

func benchmarkTexts() map[string]string {
	return map[string]string{
		"chat":  `["msg",{"room":"lobby","from":"alice","text":"hello, world, this is a line of chat","at":1795280140870}]`,
		"64B":   `["msg","` + strings.Repeat("x", 64) + `"]`,
		"100kB": `["msg",[` + strings.Repeat(`{"id":123,"name":"someone","score":1.5,"tags":["a","b"]},`, 1800) + `null]]`,
	}
}

func BenchmarkAppendMsgpack(b *testing.B) {
	for name, text := range benchmarkTexts() {
		b.Run(name, func(b *testing.B) {
			dst, src := make([]byte, 0, 1<<18), []byte(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.AppendMsgpack(dst, src, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for name, text := range benchmarkTexts() {
		b.Run(name, func(b *testing.B) {
			msg, err := wire.AppendMsgpack(nil, []byte(text), nil)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, 0, 1<<18)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := wire.AppendJSON(dst, msg, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
