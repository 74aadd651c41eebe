package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

var errWrongDelivery = errors.New("broadcast repeated or out of order")

// audience is a number of rooms, all of the same size, with their members and a
// publisher outside them. Broadcasts go to the rooms by turns.
type audience struct {
	swarm     *swarm
	rooms     []string
	members   []*client
	publisher *client
	size      int  // of the payloads
	binary    bool // the payloads are attachments
	published int  // sequence number of the last broadcast
	complete  int  // broadcasts that all members of their room have received
	// reached holds how many members have received each broadcast of the current
	// run, which began after number base.
	reached []int
	base    int
	// observe, if not nil, is called with the delay of each delivery.
	observe func(delay time.Duration)
	sentAt  time.Time // when the last broadcast was published
}

// newAudience connects size members, spread evenly over the targets, makes them
// join a room, and connects a publisher to the first target.
func newAudience(ctx context.Context, sw *swarm, size int, targets ...netip.AddrPort) (*audience, error) {
	return newAudiences(ctx, sw, 1, size, targets...)
}

// newAudiences does the same with any number of rooms of the given size.
func newAudiences(ctx context.Context, sw *swarm, rooms, size int, targets ...netip.AddrPort) (*audience, error) {
	total := rooms * size
	for i, target := range targets {
		share := total*(i+1)/len(targets) - total*i/len(targets)
		if err := sw.connect(ctx, target, share); err != nil {
			return nil, err
		}
	}
	a := &audience{swarm: sw, members: sw.clients[:total:total], size: usualSize}
	for i := range rooms {
		name := hall
		if rooms > 1 {
			name += strconv.Itoa(i)
		}
		a.rooms = append(a.rooms, name)
		// Every room has members on every target.
		inRoom := make([]*client, 0, size)
		for j := i; j < total; j += rooms {
			a.members[j].room, a.members[j].next = i, i+1
			inRoom = append(inRoom, a.members[j])
		}
		if err := sw.join(ctx, name, inRoom...); err != nil {
			return nil, err
		}
	}
	// The publisher uses WebSocket in any case: what it costs is in every figure.
	polling := sw.polling
	sw.polling = false
	defer func() { sw.polling = polling }()
	if err := sw.connect(ctx, targets[0], 1); err != nil {
		return nil, err
	}
	a.publisher = sw.clients[total]
	return a, nil
}

// broadcast publishes for some time, and at least minimum times, with window
// broadcasts in flight. It returns the number of deliveries when all members have
// received everything.
func (a *audience) broadcast(ctx context.Context, window, minimum int, span time.Duration) (deliveries int, err error) {
	a.base, a.complete, a.reached = a.published, a.published, a.reached[:0]
	a.swarm.size, a.swarm.onEvent = a.size, a.deliver
	end := time.Now().Add(span)
	err = a.swarm.run(ctx, func() (bool, error) {
		for a.published-a.complete < window && (len(a.reached) < minimum || a.swarm.now.Before(end)) {
			a.publish()
		}
		return a.complete == a.published, a.swarm.flush(a.publisher)
	})
	return len(a.reached) * len(a.members) / len(a.rooms), err
}

// publish queues the next broadcast.
func (a *audience) publish() {
	a.published++
	a.reached = append(a.reached, 0)
	room := a.rooms[(a.published-1)%len(a.rooms)]
	a.swarm.queue(a.publisher, pubMessage(room, a.published, a.size, a.binary))
	if a.observe != nil {
		a.sentAt = time.Now()
	}
}

// deliver takes note of a delivery.
func (a *audience) deliver(c *client, sequence int) error {
	expected := c.next
	c.next += len(a.rooms)
	c.received++
	if sequence != expected || sequence > a.published {
		return fmt.Errorf("%w: %d instead of %d", errWrongDelivery, sequence, expected)
	}
	i := sequence - a.base - 1
	if a.reached[i]++; a.reached[i] == len(a.members)/len(a.rooms) {
		a.complete++
	}
	if a.observe != nil {
		a.observe(time.Since(a.sentAt))
	}
	return nil
}
