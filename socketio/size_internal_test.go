package socketio

import (
	"math"
	"testing"
	"unsafe"
)

// A connection with one socket is one object. The sizes are those of the allocator:
// one byte more costs 16.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 160 {
		t.Errorf("a conn has %d bytes", size)
	}
	if size := unsafe.Sizeof(Socket{}); size > 112 {
		t.Errorf("a Socket has %d bytes", size)
	}
	if size := unsafe.Sizeof(details{}); size > 112 {
		t.Errorf("details have %d bytes", size)
	}
}

// Events that wait are counted with what they really take.
func TestEventSize(t *testing.T) {
	if size := unsafe.Sizeof(Event{}); size > eventBytes || size <= eventBytes-16 {
		t.Errorf("an Event has %d bytes, %d are counted", size, eventBytes)
	}
	if size := unsafe.Sizeof([]byte(nil)); size != argBytes && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("an argument has %d bytes, %d are counted", size, argBytes)
	}
}

// A conn can count all the sockets that its client can leave behind: one less than it
// may, and then all those that it is in.
func TestLeftSocketsCanBeCounted(t *testing.T) {
	opts := (&Options{MaxNamespaces: math.MaxInt}).withDefaults()
	most := 2*opts.MaxNamespaces - 1
	c := newConn(&Server{Namespace: &Namespace{server: &Server{opts: opts}}}, nil)
	if c.left = int16(most); int(c.left) != most || opts.MaxNamespaces < 1000 {
		t.Errorf("it counts %d of %d", c.left, most)
	}
}
