package siotest

import (
	"context"
	"errors"
	"testing"
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
