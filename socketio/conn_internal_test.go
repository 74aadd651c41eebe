package socketio

import (
	"context"
	"testing"
)

// A timeout that is told of late, when the timer runs for something else already, closes nothing.
func TestTimeoutThatIsToldOfLate(t *testing.T) {
	srv := NewServer(nil)
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	c := newConn(srv, nil)
	c.watch()
	timer := c.timer
	if timer == nil || !srv.engine.Wheel().Armed(timer) {
		t.Fatal("the timer does not run")
	}
	defer func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.watch()
		if r := recover(); r != nil { // there is no session to be closed
			t.Errorf("the connection was closed: %v", r)
		}
	}()
	c.Expire(timer)
}
