package adapter

import (
	"context"
	"sync"
)

// inbox takes answers from any number of goroutines, without blocking them,
// and hands them to one.
type inbox struct {
	mu      sync.Mutex
	replies []Reply
	done    int           // how many sockets will not answer any more
	wake    chan struct{} // holds a token if there is something new
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put is an answer function as DeliverWithAck wants it.
func (in *inbox) put(r Reply, ok bool) {
	in.mu.Lock()
	in.done++
	if ok {
		in.replies = append(in.replies, r)
	}
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take returns what has come since the last call, and how many sockets are done
// in all.
func (in *inbox) take() (replies []Reply, done int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	replies, in.replies = in.replies, nil
	return replies, in.done
}

// drain yields answers until count sockets are done or ctx ends.
func (in *inbox) drain(ctx context.Context, count int, yield func(Reply, error) bool) {
	for {
		err := ctx.Err() // asked before, so that no answer that came in time is lost
		replies, done := in.take()
		for _, r := range replies {
			if !yield(r, nil) {
				return
			}
		}
		if done >= count {
			return
		}
		if err != nil {
			yield(Reply{}, err)
			return
		}
		select {
		case <-in.wake:
		case <-ctx.Done():
		}
	}
}
