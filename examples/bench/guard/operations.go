package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// operation is something that a server does and that has its cost.
type operation struct {
	name     string
	settings settings
	clients  int // WebSocket clients that are connected before
	pollers  int // and polling clients
	// prepare is done once, and not counted.
	prepare func(ctx context.Context, b *bench) error
	// run does the operation n times. The first ones are not counted, so that what the
	// server keeps for the next ones is there.
	run  func(ctx context.Context, b *bench, n int) error
	n    int // how often the operation is done
	warm int // and how often before; a tenth of n if it is zero
}

// warmUp is how often the operation is done before what is counted.
func (op operation) warmUp() int { return cmp.Or(op.warm, max(op.n/10, 1)) }

// bench is a server and its clients.
type bench struct {
	addr    string
	clients []*client
	pollers []*poller
}

// pace is what lies between operations that have to meet a server that is idle: far
// more than it needs to become so.
const pace = 500 * time.Microsecond

// audience is the number of members of the rooms.
const audience = 100

func operations() []operation {
	return []operation{
		{name: "ack", clients: 1, run: echo, n: 300},
		{name: "ack-without-parking", settings: settings{goroutines: true}, clients: 1, run: echo, n: 300},
		{name: "ack-16-in-flight", clients: 1, run: echoWindow(16), n: 200},
		{name: "event", clients: 1, run: events, n: 300},
		{name: "join-and-leave", clients: 1, run: joinAndLeave, n: 300},
		{name: "connect", run: connect, n: 100},
		{name: "disconnect", clients: 120, run: disconnect, n: 100},
		{name: "heartbeat", settings: settings{pingInterval: 250 * time.Millisecond}, clients: 50, run: heartbeat, n: 200, warm: 50},
		{name: "broadcast-to-100", clients: audience + 1, prepare: fillRoom, run: broadcast(1), n: 150},
		{name: "broadcast-to-100-32-in-flight", clients: audience + 1, prepare: fillRoom, run: broadcast(32), n: 320},
		{name: "poll-event-and-ack", pollers: 1, run: pollEcho, n: 200},
		{name: "broadcast-to-50-polls", clients: 1, pollers: 50, prepare: fillRoom, run: broadcastToPolls, n: 1000},
	}
}

// payload is what events carry.
var payload = strings.Repeat("x", 64)

// echo makes acknowledged events, one at a time.
func echo(ctx context.Context, b *bench, n int) error {
	frame, answer := text(`421["echo","`+payload+`"]`), `431["`+payload+`"]`
	for range n {
		if err := b.clients[0].exchange(frame, answer); err != nil {
			return err
		}
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
	return nil
}

// echoWindow sends acknowledged events in bursts of size; the burst is the operation.
func echoWindow(size int) func(context.Context, *bench, int) error {
	burst := slices.Repeat(text(`421["echo","`+payload+`"]`), size)
	return func(ctx context.Context, b *bench, n int) error {
		for range n {
			if err := b.clients[0].send(burst); err != nil {
				return err
			}
			for range size {
				if err := b.clients[0].expect(`431["`); err != nil {
					return err
				}
			}
			if err := pause(ctx, pace); err != nil {
				return err
			}
		}
		return nil
	}
}

// events sends events that nobody handles. That the last one has been read is known from an
// acknowledgement.
func events(ctx context.Context, b *bench, n int) error {
	frame := text(`42["unknown",{"a":[1,2,3]},true]`)
	for range n {
		if err := b.clients[0].send(frame); err != nil {
			return err
		}
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
	return b.clients[0].exchange(text(`421["echo",1]`), `431[1]`)
}

// joinAndLeave enters a room and leaves it, each with an acknowledgement.
func joinAndLeave(ctx context.Context, b *bench, n int) error {
	steps := []struct {
		frame  []byte
		answer string
	}{{text(`421["join","room"]`), `431[]`}, {text(`422["leave","room"]`), `432[]`}}
	for range n {
		for _, step := range steps {
			if err := b.clients[0].exchange(step.frame, step.answer); err != nil {
				return err
			}
			if err := pause(ctx, pace); err != nil {
				return err
			}
		}
	}
	return nil
}

// connect connects clients, which stay.
func connect(ctx context.Context, b *bench, n int) error {
	for range n {
		c, err := dial(ctx, b.addr)
		if err != nil {
			return err
		}
		b.clients = append(b.clients, c)
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
	return nil
}

// disconnect closes the connections of clients.
func disconnect(ctx context.Context, b *bench, n int) error {
	for range n {
		last := len(b.clients) - 1
		if err := b.clients[last].conn.Close(); err != nil {
			return err
		}
		b.clients = b.clients[:last]
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
	return nil
}

// heartbeat waits for a ping for each client and answers it.
func heartbeat(_ context.Context, b *bench, n int) error {
	pong := text("3")
	for range max(n/len(b.clients), 1) {
		for _, c := range b.clients {
			if err := c.expect("2"); err != nil {
				return err
			}
			if err := c.send(pong); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillRoom lets all but the first client, and all pollers, join the room.
func fillRoom(_ context.Context, b *bench) error {
	for _, c := range b.clients[1:] {
		if err := c.exchange(text(`421["join","room"]`), `431[]`); err != nil {
			return err
		}
	}
	for _, p := range b.pollers {
		if err := p.post(`421["join","room"]`); err != nil {
			return err
		}
		if answer, err := p.poll(); err != nil || answer != `431[]` {
			return fmt.Errorf("%w: %q, %w", errUnexpected, answer, err)
		}
	}
	return nil
}

// broadcast publishes events to the room, window at a time.
func broadcast(window int) func(context.Context, *bench, int) error {
	burst := slices.Repeat(text(`42["pub","room","`+payload+`"]`), window)
	return func(ctx context.Context, b *bench, n int) error {
		for range n / window {
			if err := b.clients[0].send(burst); err != nil {
				return err
			}
			for _, c := range b.clients[1:] {
				for range window {
					if err := c.expect(`42["msg","x`); err != nil {
						return err
					}
				}
			}
			if err := pause(ctx, pace); err != nil {
				return err
			}
		}
		return nil
	}
}

// pollEcho makes acknowledged events by polling: a post, and a poll that is
// waiting already.
func pollEcho(ctx context.Context, b *bench, n int) error {
	p := b.pollers[0]
	for range n {
		if err := p.ask(); err != nil {
			return err
		}
		if err := pause(ctx, pace); err != nil {
			return err
		}
		if err := p.post(`421["echo",1]`); err != nil {
			return err
		}
		if answer, err := p.answer(); err != nil || answer != `431[1]` {
			return fmt.Errorf("%w: %q, %w", errUnexpected, answer, err)
		}
	}
	return nil
}

// pollsArrive is what lies between polls and the broadcast that answers them.
const pollsArrive = 20 * time.Millisecond

// broadcastToPolls publishes events to clients that all have a poll waiting, until there have been n
// deliveries.
func broadcastToPolls(ctx context.Context, b *bench, n int) error {
	pub := text(`42["pub","room","` + payload + `"]`)
	for range max(n/len(b.pollers), 1) {
		for _, p := range b.pollers {
			if err := p.ask(); err != nil {
				return err
			}
		}
		if err := pause(ctx, pollsArrive); err != nil {
			return err
		}
		if err := b.clients[0].send(pub); err != nil {
			return err
		}
		for _, p := range b.pollers {
			if answer, err := p.answer(); err != nil || !strings.HasPrefix(answer, `42["msg","x`) {
				return fmt.Errorf("%w: %q, %w", errUnexpected, answer, err)
			}
		}
	}
	return nil
}
