package wire

import (
	"math"
	"slices"

	"github.com/tinylib/msgp/msgp"
)

// A widening is an array or a map that has turned out too long for the one byte
// that was left for its header. All of them are made room for in one pass at
// the end, so that nesting cannot make the conversion quadratic.
type widening struct {
	at    int
	count int
	isMap bool
}

// widenings collects them. The first few take no allocation.
type widenings struct {
	n    int
	few  [8]widening
	many []widening // all of them, once they are not few any more
}

func (ws *widenings) add(w widening) {
	if ws.n < len(ws.few) {
		ws.few[ws.n] = w
		ws.n++
		return
	}
	if ws.many == nil {
		ws.many = append(ws.many, ws.few[:]...)
	}
	ws.many = append(ws.many, w)
}

// apply moves what is in b, from its end backwards, to make room for the headers
// that take more than a byte.
func (ws *widenings) apply(b []byte) []byte {
	if ws.n == 0 {
		return b
	}
	all := ws.many
	if all == nil {
		all = ws.few[:ws.n]
	}
	slices.SortFunc(all, func(a, b widening) int { return a.at - b.at })
	extra := 0
	for _, w := range all {
		extra += w.extra()
	}
	end := len(b)
	b = slices.Grow(b, extra)[:end+extra]
	for _, w := range slices.Backward(all) {
		copy(b[w.at+1+extra:], b[w.at+1:end])
		end = w.at
		extra -= w.extra()
		w.header(b[:w.at+extra])
	}
	return b
}

// extra returns how much longer the header is than a byte.
func (w widening) extra() int {
	if w.count > math.MaxUint16 {
		return 4
	}
	return 2
}

// header writes the header behind b, where there is room for it.
func (w widening) header(b []byte) {
	if w.isMap {
		msgp.AppendMapHeader(b, uint32(w.count))
	} else {
		msgp.AppendArrayHeader(b, uint32(w.count))
	}
}
