package siotest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/adapter"
)

// An answer is not lost if the connection ends right behind it.
func TestAnswerBeforeTheEnd(t *testing.T) {
	c := &Client{done: make(chan struct{}), err: ErrDisconnected}
	close(c.done)
	for range 100 { // a choice between both would not fall the same way so often
		answer := make(chan Event, 1)
		answer <- Event{id: 7}
		if e, err := c.await(t.Context(), answer); err != nil || e.id != 7 {
			t.Fatalf("got %v (%v)", e, err)
		}
	}
}

// Without an answer the wait ends with the connection or with the context.
func TestNoAnswer(t *testing.T) {
	c := &Client{done: make(chan struct{}), err: ErrDisconnected}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.await(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with the context it ends with %v", err)
	}
	close(c.done)
	if _, err := c.await(t.Context(), nil); !errors.Is(err, ErrDisconnected) {
		t.Errorf("with the connection it ends with %v", err)
	}
}

// An answer that comes in time counts even if nobody looks at it before the context ends.
func TestAnswerBeforeTheDeadline(t *testing.T) {
	c := &Client{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // a choice between both would not fall the same way so often
		answer := make(chan Event, 1)
		answer <- Event{id: 7}
		if e, err := c.await(ctx, answer); err != nil || e.id != 7 {
			t.Fatalf("got %v (%v)", e, err)
		}
	}
}

// A second answer to the same event is ignored. It does not hold up the reader.
func TestSecondAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan Event, 1)
		c := &Client{acks: map[uint64]chan Event{7: answer}}
		sorted := make(chan struct{})
		go func() {
			defer close(sorted)
			for _, data := range []string{"[1]", "[2]"} {
				c.sort(&adapter.Packet{Type: adapter.Ack, ID: 7, HasID: true, Data: []byte(data)})
			}
		}()
		synctest.Wait()
		if e := <-answer; string(e.Args.Raw(0)) != "1" {
			t.Errorf("the answer is %s", e.Args)
		}
		if len(answer) > 0 {
			t.Error("there is a second answer")
		}
		<-sorted
	})
}

// An event without a name, and an answer that nobody waits for, are ignored.
func TestWhatIsNoEventAndNoAnswer(t *testing.T) {
	t.Parallel()
	c := &Client{acks: map[uint64]chan Event{}, events: make(chan Event, 1)}
	c.sort(&adapter.Packet{Type: adapter.Event, Data: []byte("[]")})
	c.sort(&adapter.Packet{Type: adapter.Event, Data: []byte("no list")})
	c.sort(&adapter.Packet{Type: adapter.Ack, ID: 7, HasID: true, Data: []byte("[1]")})
	c.sort(&adapter.Packet{Type: adapter.Event, Data: []byte(`["named"]`)})
	if e := <-c.events; e.Name != "named" || len(c.events) > 0 {
		t.Errorf("got %q and %d more", e.Name, len(c.events))
	}
}
