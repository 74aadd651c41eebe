package socketio

import (
	"testing"
	"unsafe"
)

// A connection with one socket is one object. Beyond 192 bytes the next size that
// the allocator has is 208.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 192 {
		t.Errorf("a conn has %d bytes", size)
	}
	if size := unsafe.Sizeof(Socket{}); size > 128 {
		t.Errorf("a Socket has %d bytes", size)
	}
	if size := unsafe.Sizeof(details{}); size > 112 {
		t.Errorf("details have %d bytes", size)
	}
}
