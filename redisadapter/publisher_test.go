package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// TestOrder floods the other nodes from one goroutine.
func TestOrder(t *testing.T) {
	p := startPair(t, nil)
	const events = 5000
	for i := range events {
		target := adapter.Target{}
		if i%3 == 0 {
			target.Rooms = []string{"room"}
		}
		if err := p.nodes[0].Adapter().Broadcast(t.Context(), event("/", fmt.Sprintf(`["x",%d]`, i)), target); err != nil {
			t.Fatal(err)
		}
	}
	for _, peer := range p.peers {
		for i := range events {
			if d := peer.Next(t); string(d.Packet.Data) != fmt.Sprintf(`["x",%d]`, i) {
				t.Fatalf("got %s in the place of %d", d.Packet.Data, i)
			}
		}
	}
}

// TestRequestsKeepTheirOrder has sockets join a room and then be sent an event in
// it.
func TestRequestsKeepTheirOrder(t *testing.T) {
	p := startPair(t, nil)
	for i := range 50 {
		room := fmt.Sprint("new", i)
		if err := p.nodes[0].Adapter().JoinAll(t.Context(), adapter.Target{}, room); err != nil {
			t.Fatal(err)
		}
		if err := p.nodes[0].Adapter().Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{Rooms: []string{room}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		p.peers[1].Next(t)
	}
}

func testPublisher(tb testing.TB, rdb redis.UniversalClient, o *Options) *publisher {
	tb.Helper()
	opts := o.withDefaults()
	opts.Logger = slog.New(slog.DiscardHandler)
	l := joinUp(rdb, &opts)
	tb.Cleanup(l.lines.Close)
	return l.publisher
}

// soon is a message that expires after a while.
func soon(payload string) message {
	return message{channel: "c", payload: []byte(payload), expires: time.Now().Add(time.Minute)}
}

func TestQueueIsBounded(t *testing.T) {
	p := testPublisher(t, unreachable(t), &Options{MaxQueued: 3, MaxQueuedBytes: 10})
	for _, m := range []struct {
		payload string
		want    error
	}{{"1234567", nil}, {"1234", ErrQueueFull}, {"123", nil}, {"", nil}, {"", ErrQueueFull}} {
		if err := p.publish(soon(m.payload)); !errors.Is(err, m.want) {
			t.Errorf("publishing %q: %v, want %v", m.payload, err, m.want)
		}
	}
	if n := p.log.count(troubleRefused); n != 2 {
		t.Errorf("%d refused messages were counted, want 2", n)
	}
	for _, m := range p.waiting {
		p.published(m)
	}
	if p.count != 0 || p.bytes != 0 {
		t.Errorf("%d messages and %d bytes are left", p.count, p.bytes)
	}
}

func TestBatches(t *testing.T) {
	small, large := soon("x"), soon(string(make([]byte, maxBatchBytes/2)))
	for _, tt := range []struct {
		name  string
		queue []message
		want  int
	}{
		{"one", []message{small}, 1},
		{"some", []message{small, small, small}, 3},
		{"many", make([]message, 2*maxBatch), maxBatch},
		{"large", []message{large, large, large}, 2},
		{"huge", []message{soon(string(make([]byte, 2*maxBatchBytes))), small}, 1},
	} {
		if n := batchSize(tt.queue); n != tt.want {
			t.Errorf("%s: %d messages in the batch, want %d", tt.name, n, tt.want)
		}
	}
}

// TestPublisherExpires tells what becomes of messages that cannot be sent.
func TestPublisherExpires(t *testing.T) {
	p := testPublisher(t, unreachable(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	left, late, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	for _, m := range []message{
		{expires: time.Now().Add(time.Hour), ctx: ctx, done: left},
		{expires: time.Now(), done: late},
		{expires: time.Now().Add(time.Hour), done: closed},
	} {
		if err := p.publish(m); err != nil {
			t.Fatal(err)
		}
	}
	go p.run()
	for what, done := range map[string]chan error{"nobody waits": left, "too late": late} {
		err := <-done
		if _, ok := errors.AsType[*UnavailableError](err); !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	eventually(t, "the publisher to find out", func() bool {
		err := p.publish(soon("x"))
		_, down := errors.AsType[*UnavailableError](err)
		return down
	})
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closing: %v", err)
	}
	if err := p.close(patience(t)); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if err := <-closed; !errors.Is(err, adapter.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := p.publish(soon("x")); !errors.Is(err, adapter.ErrClosed) {
		t.Errorf("publishing after it was closed: %v", err)
	}
	if p.count != 0 || p.bytes != 0 {
		t.Errorf("%d messages and %d bytes are left", p.count, p.bytes)
	}
}

// lateTimer is a context whose deadline passes before it ends.
type lateTimer struct {
	context.Context

	deadline time.Time
}

func (l lateTimer) Deadline() (time.Time, bool) { return l.deadline, true }

// TestGivenUpAtTheDeadline has a message expire just before the context of its
// operation ends.
func TestGivenUpAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPublisher(t, unreachable(t), nil)
		end, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx := lateTimer{end, time.Now().Add(time.Second)}
		sent := make(chan error, 1)
		go func() { sent <- p.send(ctx, message{expires: ctx.deadline, ctx: ctx}) }()
		time.Sleep(2 * time.Second)
		batch, _ := p.take(nil)
		if left := p.discard(nil, batch, errors.New("refused")); len(batch) != 1 || len(left) > 0 {
			t.Errorf("of %d messages %d are left", len(batch), len(left))
		}
		if err := <-sent; !errors.Is(err, context.DeadlineExceeded) || end.Err() == nil {
			t.Errorf("sending: %v", err)
		}
	})
}

// TestStaysDownUntilSomethingIsPublished has the only message of an outage expire:
// the next one is not told that all is well.
func TestStaysDownUntilSomethingIsPublished(t *testing.T) {
	server := peers.Redis(t)
	p := testPublisher(t, client(t, server.Addr), nil)
	server.Kill(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.deliver([]message{{expires: time.Now().Add(time.Hour), ctx: ctx}})
	}()
	eventually(t, "the publisher to find out", func() bool {
		return p.outages.blocked() != nil
	})
	cancel()
	<-done
	err := p.publish(soon("x"))
	if _, ok := errors.AsType[*UnavailableError](err); !ok {
		t.Errorf("while Redis is away: %v", err)
	}
	server.Restart(t)
	p.deliver([]message{soon("x")})
	if err := p.publish(soon("x")); err != nil {
		t.Errorf("after it has come back: %v", err)
	}
}

// TestCloseFlushes publishes what was queued before Close.
func TestCloseFlushes(t *testing.T) {
	server := peers.Redis(t)
	ps := client(t, server.Addr).Subscribe(t.Context(), "c")
	defer ps.Close()
	if _, err := ps.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := testPublisher(t, client(t, server.Addr), nil)
	const messages = 3 * maxBatch
	for i := range messages {
		if err := p.publish(soon(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	go p.run()
	if err := p.close(patience(t)); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		msg, err := ps.ReceiveMessage(patience(t))
		if err != nil || msg.Payload != fmt.Sprint(i) {
			t.Fatalf("got %v, %v in the place of %d", msg, err, i)
		}
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	tests := []struct {
		err     error
		written bool
		again   bool
	}{
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, false, true},
		{io.EOF, false, true}, // a proxy that has no server behind it
		{redis.ErrPoolTimeout, false, true},
		{errors.New("LOADING Redis is loading the dataset in memory"), true, true},
		{errors.New("CLUSTERDOWN The cluster is down"), true, true},
		{io.EOF, true, false},
		{&net.OpError{Op: "write", Err: errors.New("broken pipe")}, true, false},
		{net.ErrClosed, true, false},
	}
	for _, tt := range tests {
		if again := notSent(tt.err, tt.written); again != tt.again {
			t.Errorf("%v, written %v: sent again: %v, want %v", tt.err, tt.written, again, tt.again)
		}
	}
}

// TestProxyWithoutServer has connections accepted and closed by something that stands
// before a Redis server that is not there. What is published waits for it.
func TestProxyWithoutServer(t *testing.T) {
	server := peers.Redis(t)
	var dials, proxied atomic.Int64
	rdb := clientWith(t, &redis.Options{Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if dials.Add(1) > 5 {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Addr)
		}
		proxied.Add(1)
		near, far := net.Pipe()
		go func() {
			_, _ = far.Read(make([]byte, 1))
			far.Close()
		}()
		return near, nil
	}})
	p := testPublisher(t, rdb, nil)
	go p.run()
	done := make(chan error, 1)
	m := soon("x")
	m.expires, m.done = time.Now().Add(adaptertest.Patience), done
	if err := p.publish(m); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || proxied.Load() < 2 {
		t.Errorf("after %d connections in vain: %v", proxied.Load(), err)
	}
	if err := p.close(patience(t)); err != nil {
		t.Error(err)
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{min: 20 * time.Millisecond, max: 2 * time.Second}
		for round := range 2 {
			want := b.min
			for i := range 20 {
				d := b.next()
				if d < want/2 || d > want {
					t.Errorf("round %d, failure %d: %v, want at most %v", round, i, d, want)
				}
				want = min(2*want, b.max)
			}
			b.worked()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !pause(ctx, time.Millisecond) || pause(ctx, time.Hour) {
			t.Error("a pause does not end with its context")
		}
	})
}
