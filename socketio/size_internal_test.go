package socketio

import (
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
