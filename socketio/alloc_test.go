//go:build !race

package socketio_test

import (
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// broadcastAllocations returns the allocations of a broadcast to n clients, from Emit until the last client
// has read all its frames.
func broadcastAllocations(t *testing.T, n, frames int, emit func(socketio.Broadcast) error) float64 {
	t.Helper()
	srv, clients := connectRoom(t, n)
	room := srv.To("room")
	return testing.AllocsPerRun(100, func() {
		if err := emit(room); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			for range frames {
				c.next(t)
			}
		}
	})
}

// A broadcast costs no allocation for each of its recipients.
func TestBroadcastDoesNotAllocatePerRecipient(t *testing.T) {
	for name, test := range map[string]struct {
		frames int
		emit   func(b socketio.Broadcast) error
	}{
		"text":     {1, func(b socketio.Broadcast) error { return b.Emit("event", 1, "text") }},
		"binary":   {2, func(b socketio.Broadcast) error { return b.Emit("event", []byte("binary")) }},
		"volatile": {1, func(b socketio.Broadcast) error { return b.Volatile().Emit("event", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			few := broadcastAllocations(t, 10, test.frames, test.emit)
			many := broadcastAllocations(t, 300, test.frames, test.emit)
			t.Logf("%v allocations to 10 clients, %v to 300", few, many)
			if many > few+8 {
				t.Errorf("%v allocations to 10 clients, %v to 300", few, many)
			}
		})
	}
}
