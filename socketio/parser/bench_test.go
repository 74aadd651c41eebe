package parser

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// benchPackets are packets of each form that there is on the wire.
func benchPackets() map[string]*adapter.Packet {
	binary := func(p *adapter.Packet) { p.Attachments = [][]byte{bytes.Repeat([]byte("x"), 64)} }
	return map[string]*adapter.Packet{
		"event":     ev(string(smallArgs)),
		"4 KiB":     ev(`["message","` + strings.Repeat("0123456789abcdef", 256) + `"]`),
		"namespace": plain(adapter.Event, "/chat", string(smallArgs)),
		"with ack":  with(ev(string(smallArgs)), id(7)),
		"ack":       with(plain(adapter.Ack, "/", `["ok",{"n":1}]`), id(123456)),
		"binary":    with(ev(`["message",`+ph0+`]`), binary),
		"connect":   plain(adapter.Connect, "/admin", `{"token":"0123456789abcdef"}`),
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	for name, p := range benchPackets() {
		b.Run(name, func(b *testing.B) {
			d := new(Default)
			buf := make([]byte, 0, 8<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := d.Append(buf, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodePacket decodes the text message and the attachments.
func BenchmarkDecodePacket(b *testing.B) {
	for name, p := range benchPackets() {
		b.Run(name, func(b *testing.B) {
			d := new(Default)
			text, _, err := d.Append(nil, p)
			if err != nil {
				b.Fatal(err)
			}
			var st State
			var in adapter.Packet
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				complete, err := d.Decode(&st, text, false, &in)
				for _, a := range p.Attachments {
					complete, err = d.Decode(&st, a, true, &in)
				}
				if err != nil || !complete {
					b.Fatal(complete, err)
				}
			}
		})
	}
}

// BenchmarkDecodeText binds an argument to the types that handlers take.
func BenchmarkDecodeText(b *testing.B) {
	type point struct {
		X, Y int
		Name string
	}
	for _, bench := range []struct {
		name string
		raw  string
		to   any
	}{
		{"string", `"` + strings.Repeat("x", 64) + `"`, new(string)},
		{"int", `1234567`, new(int)},
		{"struct", `{"X":1,"Y":2,"Name":"name"}`, new(point)},
		{"any", `{"x":1,"y":["two",null]}`, new(any)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var c Coder
			raw := []byte(bench.raw)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Decode(raw, nil, bench.to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
