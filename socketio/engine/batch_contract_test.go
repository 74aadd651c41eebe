package engine_test

import (
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Nothing is sent to those who were in a batch that was given up, though the next one is the same from the pool.
func TestBatchThatIsGivenUp(t *testing.T) {
	s := start(t, nil)
	left, other := s.openWS(t), s.openWS(t)
	for range 20 { // What the pool returns is not certain.
		batch := s.engine.NewBatch()
		batch.Add(left.peer.session)
		batch.Send(nil, 0)
		batch = s.engine.NewBatch()
		batch.Add(other.peer.session)
		batch.Send([]*engine.Frame{engine.NewTextFrame("broadcast")}, 0)
		other.expect(t, "4broadcast")
	}
	left.peer.send("its own")
	left.expect(t, "4its own")
}
