package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// errGone is why the frames of a test's queue are not taken.
var errGone = errors.New("gone")

// A queueModel drives a queue and says what has to be true of it. What it expects it
// knows from plain lists of its own.
type queueModel struct {
	t       *testing.T
	srv     *Server
	session *Session
	q       *queue
	frames  []*packet.Frame // wait, in order
	skip    int             // bytes of the first one
	lent    []*packet.Frame
	counted bool
	parts   []*modelPart
	marks   []*modelMark
	shared  []*packet.Frame
}

// A modelPart is a queue that has been split off.
type modelPart struct {
	q      *queue
	frames []*packet.Frame
	marks  []*modelMark
}

// A modelMark waits for frames.
type modelMark struct {
	receipt *receipt
	before  int // frames in front of it
	settled bool
	err     error
}

func newQueueModel(t *testing.T) *queueModel {
	t.Helper()
	srv := NewServer(nil, nil)
	m := &queueModel{t: t, srv: srv, session: srv.newSession(Handshake{})}
	for i := range 4 {
		m.shared = append(m.shared, packet.Text(packet.Message, strings.Repeat("x", i*i*100)), packet.Binary(make([]byte, i*100)))
	}
	m.q = srv.newQueue()
	return m
}

// frame makes a frame: one that others have too, or one of its own.
func (m *queueModel) frame(b byte) *packet.Frame {
	if b%3 > 0 {
		return m.shared[int(b)%len(m.shared)]
	}
	f, err := m.srv.NewFrame(b%2 == 0, 0, func(dst []byte) ([]byte, error) {
		return append(dst, strings.Repeat("o", int(b))...), nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return f
}

// do does one thing, chosen by op, of the size n.
func (m *queueModel) do(op, n byte) {
	switch op % 12 {
	case 0, 1:
		m.append(n)
	case 2:
		if m.lent == nil { // A writer that lends frames counts them before.
			m.session.begin(m.q)
			m.counted = true
		}
	case 3:
		m.lend(n)
	case 4:
		m.giveBack(n%4 > 0)
	case 5:
		m.advance(n)
	case 6:
		m.mark()
	case 7:
		m.join(n)
	case 8:
		m.split(n)
	case 9:
		m.endPart(n%2 == 0)
	case 10:
		m.insert(n)
	case 11:
		if n%8 == 0 {
			m.free()
		}
	}
}

func (m *queueModel) append(n byte) {
	var frames []*packet.Frame
	for i := range n%5 + 1 {
		frames = append(frames, m.frame(n+i))
	}
	m.q.append(m.srv, frames)
	m.frames = append(m.frames, frames...)
}

// insert puts a ping in front, and a pong behind.
func (m *queueModel) insert(n byte) {
	if n%2 == 0 {
		m.q.pong = packet.Text(packet.Pong, "")
		m.frames = append(m.frames, m.q.pong)
		m.q.placePong(m.srv)
		return
	}
	i := min(m.skip, 1)
	if len(m.frames) == 0 {
		return
	}
	ping := packet.Text(packet.Ping, "")
	m.q.insert(m.srv, ping)
	m.frames = slices.Insert(m.frames, i, ping)
	for _, mark := range m.marks {
		if mark.before > len(m.lent)+i {
			mark.before++
		}
	}
}

// lend takes frames out to be written, as the slow path does.
func (m *queueModel) lend(n byte) {
	if m.lent != nil || len(m.frames) == 0 {
		return
	}
	k := int(n)%len(m.frames) + 1
	m.lent = m.q.take(nil, k)
	if !slices.Equal(m.lent, m.frames[:k]) {
		m.t.Fatal("other frames were taken")
	}
	m.q.lent, m.q.skip, m.skip = m.lent, 0, 0
	m.frames = m.frames[k:]
}

// giveBack ends the writing of what has been taken.
func (m *queueModel) giveBack(written bool) {
	if m.lent == nil {
		return
	}
	k := len(m.lent)
	m.srv.letGo(m.q, m.lent)
	m.q.lent = nil
	if written {
		m.q.taken(k)
		m.took(k)
	} else {
		m.end(errGone, false)
	}
	m.lent = nil
}

// took notes that each mark has so many frames less in front of it.
func (m *queueModel) took(n int) {
	for _, k := range m.marks {
		k.before = max(k.before-n, 0)
		k.settled = k.settled || k.before == 0
	}
	m.marks = slices.DeleteFunc(m.marks, m.check)
}

// advance notes that bytes have been written, but not all.
func (m *queueModel) advance(n byte) {
	total := -m.skip
	for _, f := range m.frames {
		total += f.Len()
	}
	if m.lent != nil || total <= 0 {
		return
	}
	bytes := int(n) * 7 % total
	done := 0
	for m.skip += bytes; m.skip >= m.frames[done].Len(); done++ {
		m.skip -= m.frames[done].Len()
	}
	m.frames = m.frames[done:]
	m.q.advance(m.srv, bytes)
	m.took(done)
}

// mark waits for all that is there.
func (m *queueModel) mark() {
	r := &receipt{done: make(chan struct{})}
	m.q.marks = append(m.q.marks, mark{m.q.in, r})
	m.marks = append(m.marks, &modelMark{receipt: r, before: len(m.lent) + len(m.frames)})
}

// join appends a queue that has been filled meanwhile.
func (m *queueModel) join(n byte) {
	if m.lent != nil {
		return
	}
	var later *queue
	if n%7 > 0 {
		later = m.srv.newQueue()
		if n%2 == 0 {
			m.session.begin(later)
		}
		outer, lent := m.q, m.lent
		m.q, m.lent = later, nil
		m.mark()
		m.append(n)
		m.append(n + 1)
		m.mark()
		m.q, m.lent = outer, lent
	}
	m.q.join(m.srv, later)
}

// split takes out an answer.
func (m *queueModel) split(n byte) {
	if m.lent != nil || m.skip > 0 {
		return
	}
	size := int(n) * 8
	part := m.q.split(m.srv, size)
	if part == m.q {
		return
	}
	k := len(part.waiting())
	if k == 0 || k == len(m.frames) || !slices.Equal(part.waiting(), m.frames[:k]) {
		m.t.Fatalf("%d of %d frames were split off", k, len(m.frames))
	}
	p := &modelPart{q: part, frames: m.frames[:k:k]}
	m.frames = m.frames[k:]
	for _, mark := range m.marks {
		if mark.before = max(mark.before-k, 0); mark.before == 0 {
			p.marks = append(p.marks, mark)
		}
	}
	m.marks = slices.DeleteFunc(m.marks, func(k *modelMark) bool { return k.before == 0 })
	m.parts = append(m.parts, p)
}

// endPart ends an answer: it has been written, or could not be.
func (m *queueModel) endPart(written bool) {
	if len(m.parts) == 0 {
		return
	}
	p := m.parts[0]
	m.parts = m.parts[1:]
	var err error
	if written {
		m.srv.freeQueue(p.q, nil)
	} else {
		m.srv.loseQueue(p.q)
		err = ErrSessionClosed
	}
	for _, k := range p.marks {
		k.settled, k.err = true, err
		m.check(k)
	}
}

// free ends the queue, also while a writer has some of its frames, and begins with another.
func (m *queueModel) free() {
	if m.lent != nil {
		m.srv.freeQueue(m.q, errGone)
		for _, k := range m.marks {
			k.settled, k.err = true, errGone
		}
		m.marks = slices.DeleteFunc(m.marks, m.check)
		m.frames = nil
		m.srv.letGo(m.q, m.lent) // by the writer
		m.q.lent, m.lent = nil, nil
		m.fresh()
		return
	}
	m.end(errGone, true)
}

// end ends the queue.
func (m *queueModel) end(err error, pooled bool) {
	m.lent = nil
	if pooled {
		m.srv.freeQueue(m.q, err)
	} else {
		m.srv.loseQueue(m.q)
		err = ErrSessionClosed
	}
	for _, k := range m.marks {
		k.settled, k.err = true, err
	}
	m.marks = slices.DeleteFunc(m.marks, m.check)
	m.frames = nil
	m.fresh()
}

// fresh begins with a queue out of the pool, in which nothing is left of another.
func (m *queueModel) fresh() {
	m.q, m.skip, m.counted = m.srv.newQueue(), 0, false
	q := *m.q
	q.frames = nil
	if len(m.q.frames) != 0 || fmt.Sprint(q) != fmt.Sprint(queue{}) {
		m.t.Fatalf("a queue out of the pool is %+v", q)
	}
	for _, f := range m.q.frames[:cap(m.q.frames)] {
		if f != nil {
			m.t.Fatal("a queue out of the pool keeps frames alive")
		}
	}
}

// check checks a mark. It reports whether that is settled.
func (m *queueModel) check(k *modelMark) bool {
	select {
	case <-k.receipt.done:
		if !k.settled || !errors.Is(k.receipt.err, k.err) || k.err == nil && k.receipt.err != nil {
			m.t.Fatalf("a mark with %d frames in front of it is settled with %v, want %v", k.before, k.receipt.err, k.err)
		}
	default:
		if k.settled {
			m.t.Fatal("a mark without frames in front of it is not settled")
		}
	}
	return k.settled
}

// verify compares all that can be seen with what is expected.
func (m *queueModel) verify() {
	m.t.Helper()
	if !slices.Equal(m.q.waiting(), m.frames) || m.q.skip != m.skip {
		m.t.Fatalf("%d frames wait, %d bytes written; want %d, %d", len(m.q.waiting()), m.q.skip, len(m.frames), m.skip)
	}
	if m.q.empty() != (len(m.frames) == 0) {
		m.t.Fatal("empty")
	}
	if got := int(m.q.in - m.q.out); got != len(m.frames)+len(m.lent) {
		m.t.Fatalf("%d frames have not been taken, want %d", got, len(m.frames)+len(m.lent))
	}
	for _, k := range m.marks {
		m.check(k)
	}
	var all []*packet.Frame
	if m.counted {
		all = append(append(all, m.frames...), m.lent...)
	}
	for _, p := range m.parts {
		if p.q.counting != nil {
			all = append(all, p.frames...)
		}
	}
	var own, used int64
	seen := map[*packet.Frame]bool{}
	for _, f := range all {
		own += f.Memory() + place
		used += place
		if !seen[f] {
			seen[f], used = true, used+f.Memory()
		}
	}
	if got := m.session.account().Bytes(); got != own {
		m.t.Fatalf("the account has %d bytes, want %d", got, own)
	}
	if got := m.srv.output.Used(); got != used {
		m.t.Fatalf("the budget has %d bytes, want %d", got, used)
	}
}

// stop ends everything: nothing is counted any more, and each frame is in the pool at most once.
func (m *queueModel) stop() {
	held := map[*packet.Frame]bool{}
	for _, f := range slices.Concat(m.frames, m.lent) {
		held[f] = true
	}
	for f, _ := m.srv.once.Get().(*packet.Frame); f != nil; f, _ = m.srv.once.Get().(*packet.Frame) {
		if held[f] {
			m.t.Fatal("a frame that waits, or has been recycled already, is in the pool")
		}
		held[f] = true
	}
	for len(m.parts) > 0 {
		m.endPart(true)
	}
	m.free()
	m.verify()
	if m.srv.output.Used() != 0 || m.session.account().Bytes() != 0 {
		m.t.Fatalf("%d bytes are left, %d of the account", m.srv.output.Used(), m.session.account().Bytes())
	}
}

// run does what the bytes say.
func (m *queueModel) run(ops []byte) {
	for i := 0; i+1 < len(ops); i += 2 {
		m.do(ops[i], ops[i+1])
		m.verify()
	}
	m.stop()
}

func TestQueueModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		ops := make([]byte, 2*r.IntN(200))
		for i := range ops {
			ops[i] = byte(r.IntN(256))
		}
		newQueueModel(t).run(ops)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 3, 2, 0, 6, 0, 3, 1, 4, 1, 11, 0})
	f.Add([]byte{0, 255, 0, 255, 5, 255, 5, 1, 7, 5, 8, 9, 9, 0, 9, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		newQueueModel(t).run(ops[:min(len(ops), 1000)])
	})
}
