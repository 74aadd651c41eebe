package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// newTestSubscriber returns a subscriber that pings often.
func newTestSubscriber(rdb redis.UniversalClient) *subscriber { return testLink(rdb).subscriber }

func testLink(rdb redis.UniversalClient) *link {
	opts := (&Options{PingInterval: 50 * time.Millisecond, Silence: 400 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}).withDefaults()
	return joinUp(rdb, &opts)
}

// run starts a subscriber, and stops it after the test.
func (s *subscriber) run(t *testing.T) {
	t.Helper()
	go s.keep()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adaptertest.Patience)
		defer cancel()
		if err := s.close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// listen starts to listen to the channels, and waits for that.
func (s *subscriber) listen(t *testing.T, handle func(channel, payload string), channels ...string) *subscription {
	t.Helper()
	sub := listenTo(handle, channels...)
	s.add(sub)
	if err := s.wait(patience(t), sub); err != nil {
		t.Fatal(err)
	}
	return sub
}

func listenTo(handle func(channel, payload string), channels ...string) *subscription {
	sub := &subscription{handle: handle}
	for _, name := range channels {
		sub.topics = append(sub.topics, topic{name: name})
	}
	return sub
}

func ignore(string, string) {}

// TestHalfOpen has the connection that listens go silent: it is replaced.
func TestHalfOpen(t *testing.T) {
	server := peers.Redis(t)
	s := newTestSubscriber(client(t, server.Addr))
	sub := &subscription{topics: []topic{{name: "b*", pattern: true}, {name: "a"}}, handle: ignore}
	s.add(sub)
	s.run(t)
	if err := s.wait(patience(t), sub); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	eventually(t, "the silence to be noticed", func() bool { return !s.ready(sub) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.wait(ctx, sub); !errors.Is(err, context.DeadlineExceeded) || s.lastTrouble() == nil {
		t.Errorf("waiting: %v, trouble: %v", err, s.lastTrouble())
	}
	server.Resume(t)
	if err := s.wait(patience(t), sub); err != nil {
		t.Fatal(err)
	}
	admin := client(t, server.Addr)
	eventually(t, "one connection to listen", func() bool {
		counts, err := admin.PubSubNumSub(t.Context(), "a").Result()
		return err == nil && counts["a"] == 1
	})
}

// TestConnectionBreaksWhileReaderIsBusy has only the keeper find out.
func TestConnectionBreaksWhileReaderIsBusy(t *testing.T) {
	server := peers.Redis(t)
	s := newTestSubscriber(client(t, server.Addr))
	s.run(t)
	busy, release := make(chan struct{}), make(chan struct{})
	one := s.listen(t, func(string, string) { close(busy); <-release }, "one")
	two := s.listen(t, ignore, "two")
	admin := client(t, server.Addr)
	if err := admin.Publish(t.Context(), "one", "x").Err(); err != nil {
		t.Fatal(err)
	}
	<-busy
	if err := admin.ClientKillByFilter(t.Context(), "type", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	gone := s.remove(two)
	eventually(t, "the keeper to find out", func() bool { return s.lastTrouble() != nil })
	close(release)
	select {
	case <-gone:
	case <-patience(t).Done():
		t.Error("the departure never ends")
	}
	eventually(t, "the connection to be replaced", func() bool { return s.lastTrouble() == nil })
	if err := s.wait(patience(t), one); err != nil {
		t.Error(err)
	}
}

// TestComesBackFasterThanRedisAnswers has a namespace come, go and come again
// before the first confirmation: that is none of the last subscription.
func TestComesBackFasterThanRedisAnswers(t *testing.T) {
	s := newTestSubscriber(unreachable(t))
	confirm := func(kind string) {
		for _, name := range []string{"request", "response"} {
			s.confirm(&redis.Subscription{Kind: kind, Channel: name})
		}
	}
	one, two := listenTo(ignore, "request", "response"), listenTo(ignore, "request", "response")
	s.add(one)
	gone := s.remove(one)
	s.add(two)
	confirm("subscribe")
	confirm("unsubscribe")
	checkClosed(t, "the departure", gone, true)
	for range 3 {
		if s.ready(two) {
			t.Error("what has ended is taken for confirmed")
		}
		confirm("subscribe")
		if !s.ready(two) || s.wait(t.Context(), two) != nil {
			t.Error("what is confirmed is waited for")
		}
		s.lost(errMalformed)
	}
}

func checkClosed(t *testing.T, what string, c <-chan struct{}, want bool) {
	t.Helper()
	closed := false
	select {
	case <-c:
		closed = true
	default:
	}
	if closed != want {
		t.Errorf("%s is over: %v, want %v", what, closed, want)
	}
}

// TestDeparturesNeedAConnection tells that nothing is waited for that cannot come.
func TestDeparturesNeedAConnection(t *testing.T) {
	s := newTestSubscriber(unreachable(t))
	var subs []*subscription
	for _, name := range []string{"a", "b", "c", "d"} {
		sub := listenTo(ignore, name)
		s.add(sub)
		subs = append(subs, sub)
	}
	first := s.remove(subs[0])
	checkClosed(t, "a departure", first, false)
	s.lost(errMalformed)
	checkClosed(t, "the departure before the connection broke", first, true)
	checkClosed(t, "that after it", s.remove(subs[1]), true)
	s.confirm(&redis.Subscription{Kind: "subscribe", Channel: "d"})
	last := s.remove(subs[2])
	checkClosed(t, "that on a new connection", last, false)
	s.confirm(&redis.Subscription{Kind: "unsubscribe", Channel: "c"})
	checkClosed(t, "that which is confirmed", last, true)
}

// TestConnectsWhenThereIsSomethingToListenTo tells that no connection is made
// without a channel to go by.
func TestConnectsWhenThereIsSomethingToListenTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialed := 0
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Dialer: func(context.Context, string, string) (net.Conn, error) {
			dialed++
			return nil, errors.New("refused")
		}})
		defer rdb.Close()
		s := newTestSubscriber(rdb)
		sub := listenTo(ignore, "a")
		s.add(sub)
		gone := s.remove(sub)
		s.run(t)
		synctest.Wait()
		checkClosed(t, "the departure", gone, true)
		if dialed > 0 {
			t.Error("there is nothing to listen to, but a connection")
		}
		s.add(sub)
		synctest.Wait()
		if dialed == 0 {
			t.Error("there is something to listen to, but no connection")
		}
	})
}

// TestNamespacesLeaveWhileRedisIsAway does not wait for a connection for each of
// them.
func TestNamespacesLeaveWhileRedisIsAway(t *testing.T) {
	server := peers.Redis(t)
	factory := New(client(t, server.Addr), nil)
	hosts := make([]*adaptertest.Host, 20)
	for i := range hosts {
		hosts[i] = openHost(t, fmt.Sprintf("/%d", i), factory)
		if _, err := hosts[i].Adapter().ServerCount(patience(t)); err != nil {
			t.Fatal(err)
		}
	}
	server.Kill(t)
	c, ok := hosts[0].Adapter().(*classic)
	if !ok {
		t.Fatalf("the adapter is a %T", hosts[0].Adapter())
	}
	eventually(t, "the loss to be noticed", func() bool { return !c.link.subscriber.ready(&c.subscription) })
	ctx := patience(t)
	for _, h := range hosts {
		if err := h.Adapter().Close(ctx); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
}

// TestCloseEndsWhatWaitsForRedis closes a namespace that Redis never confirms.
func TestCloseEndsWhatWaitsForRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", &Options{RequestTimeout: time.Hour})
		done := make(chan error, 1)
		go func() {
			_, err := b.c.Fetch(t.Context(), adapter.Target{})
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) { // nothing confirms it, either
			t.Errorf("Close: %v", err)
		}
		select {
		case err := <-done:
			if !errors.Is(err, adapter.ErrClosed) {
				t.Errorf("Fetch: %v", err)
			}
		default:
			t.Error("Fetch goes on")
			<-done
		}
	})
}
