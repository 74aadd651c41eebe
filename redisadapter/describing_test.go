package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// held is a host that takes its time to describe a socket.
type held struct {
	adapter.Host
	asked chan struct{} // told when it is asked
	free  chan struct{} // closed when it answers
}

func (h held) Describe(p adapter.Peer) adapter.RemoteSocket {
	h.asked <- struct{}{}
	<-h.free
	return h.Host.Describe(p)
}

// hold makes the adapters of a factory wait with descriptions, until the test ends at the latest.
func hold(t *testing.T, factory adapter.Factory) (adapter.Factory, held) {
	t.Helper()
	h := held{asked: make(chan struct{}, 1000), free: make(chan struct{})}
	return func(host adapter.Host) adapter.Adapter {
		return factory(held{host, h.asked, h.free})
	}, h
}

const (
	fetchAll  = `{"uid":"u","requestId":"r%d","type":5,"opts":{"rooms":[],"except":[]}}`
	fetchRoom = `{"uid":"u","requestId":"r%d","type":5,"opts":{"rooms":["room%[1]d"],"except":[]}}`
)

// TestDescriptionsDoNotHoldUpBroadcasts has a node that cannot finish a description get
// broadcasts, and do what else others want of it.
func TestDescriptionsDoNotHoldUpBroadcasts(t *testing.T) {
	server := peers.Redis(t)
	factory, slow := hold(t, New(client(t, server.Addr), nil))
	h := openHost(t, "/", factory)
	other := openHost(t, "/", func(h adapter.Host) adapter.Adapter { return New(client(t, server.Addr), nil)(h) })
	p := h.Connect()
	events := make(chan adaptertest.ServerEvent, 10)
	h.OnServerEvent(func(e adaptertest.ServerEvent) { events <- e })
	eventually(t, "both nodes to listen", func() bool {
		n, err := other.Adapter().ServerCount(t.Context())
		return err == nil && n == 2
	})
	fetched := make(chan error, 1)
	go func() {
		sockets, err := other.Adapter().Fetch(patience(t), adapter.Target{})
		if err == nil && len(sockets) != 1 {
			err = fmt.Errorf("%d sockets, want 1", len(sockets))
		}
		fetched <- err
	}()
	<-slow.asked
	for i := range 100 {
		if err := other.Adapter().Broadcast(t.Context(), event("/", fmt.Sprintf(`["x",%d]`, i)), adapter.Target{}); err != nil {
			t.Fatal(err)
		}
		if d := p.Next(t); string(d.Packet.Data) != fmt.Sprintf(`["x",%d]`, i) {
			t.Fatalf("broadcast %d: got %s", i, d.Packet.Data)
		}
	}
	if err := other.Adapter().JoinAll(patience(t), adapter.Target{}, "joined"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket to join", func() bool { return len(h.Adapter().Rooms(p)) == 2 })
	if err := other.Adapter().ServerEmit(patience(t), []byte(`["e"]`), nil); err != nil {
		t.Fatal(err)
	}
	<-events
	select {
	case err := <-fetched:
		t.Errorf("Fetch has not waited for the description: %v", err)
	default:
	}
	close(slow.free)
	if err := <-fetched; err != nil {
		t.Error(err)
	}
}

// TestSharedDescriptions tells that those who ask for the same thing meanwhile get one description, each
// under its own id.
func TestSharedDescriptions(t *testing.T) {
	b := newBare(t, "/", nil)
	b.Connect()
	_, slow := hold(t, nil)
	b.c.host = held{b.Host, slow.asked, slow.free}
	for i := range 101 {
		b.c.receive(b.c.request, fmt.Sprintf(fetchAll, i))
		if i == 0 {
			<-slow.asked // the others come too late for this one
		}
	}
	close(slow.free)
	sent := b.published()
	if len(sent) != 101 || len(slow.asked) != 1 {
		t.Fatalf("%d answers, %d further descriptions, want 101 and 1", len(sent), len(slow.asked))
	}
	for i, m := range sent {
		if r, err := readResponse(string(m.payload)); err != nil || r.requestID != fmt.Sprint("r", i) {
			t.Errorf("answer %d: %.100s, %v", i, m.payload, err)
		} else if sockets, err := readSockets(r.sockets); err != nil || len(sockets) != 1 {
			t.Errorf("answer %d: %d sockets, %v", i, len(sockets), err)
		}
	}
}

// TestTooManyAsk tells what becomes of requests beyond the limits: they are dropped and counted.
func TestTooManyAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		format string
		size   int // of what each of them asks for
		places int // how many fit
	}{
		"many":      {fetchRoom, 0, 0},
		"large":     {strings.Replace(fetchRoom, "room%", strings.Repeat("x", 8000)+"room%", 1), 8000, maxAskerBytes / (askerBytes + 8000)},
		"identical": {fetchAll, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBare(t, "/", &Options{RequestTimeout: time.Hour})
			b.Connect()
			_, slow := hold(t, nil)
			b.c.host = held{b.Host, slow.asked, slow.free}
			b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 0))
			<-slow.asked
			q := &b.c.describing
			if tt.places == 0 { // most places are taken
				tt.places = 20
				q.count += maxAskers - tt.places - 1
			}
			const beyond = 100
			for i := range tt.places + beyond {
				b.c.receive(b.c.request, fmt.Sprintf(tt.format, i+1))
			}
			if q.count > maxAskers || q.bytes > maxAskerBytes || q.bytes < tt.places*tt.size/2 {
				t.Errorf("%d requests wait, in %d bytes", q.count, q.bytes)
			}
			taken := q.count
			close(slow.free)
			answers := len(b.published())
			if answers < tt.places-5 || answers > tt.places+1 {
				t.Errorf("%d answers, there is room for %d", answers, tt.places)
			}
			if n := b.count(troubleUnanswered); n != uint64(1+tt.places+beyond-answers) {
				t.Errorf("%d requests are counted as dropped, want %d", n, 1+tt.places+beyond-answers)
			}
			if q.count != taken-answers || q.bytes != 0 || q.running != nil {
				t.Errorf("%d of %d places and %d bytes are left", q.count, taken, q.bytes)
			}
			q.count = 0
			b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 0))
			if n := len(b.published()); n != 1 {
				t.Errorf("%d answers after it, want 1", n)
			}
		})
	}
}

// TestAskedTooLongAgo has requests wait for longer than those who ask do.
func TestAskedTooLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", &Options{RequestTimeout: 5 * time.Second})
		b.Connect()
		_, slow := hold(t, nil)
		b.c.host = held{b.Host, slow.asked, slow.free}
		b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 0))
		<-slow.asked
		b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 1))
		time.Sleep(3 * time.Second)
		b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 2))
		time.Sleep(2*time.Second + 1)
		close(slow.free)
		if sent := b.published(); len(sent) != 1 || !strings.HasPrefix(string(sent[0].payload), `{"requestId":"r2"`) {
			t.Errorf("%d answers", len(sent))
		}
		if n := b.count(troubleUnanswered); n != 2 {
			t.Errorf("%d are counted, want 2", n)
		}
	})
}

// TestAnswersDoNotFillTheQueue has Redis be slow: no second answer is queued before it has the first one.
func TestAnswersDoNotFillTheQueue(t *testing.T) {
	b := newBare(t, "/", &Options{MaxQueued: 3})
	b.Connect()
	for i := range 50 {
		b.c.receive(b.c.request, fmt.Sprintf(fetchAll, i))
	}
	if sent := b.published(); len(sent) != 50 || b.count(troubleRefused) > 0 {
		t.Errorf("%d answers, %d were refused", len(sent), b.count(troubleRefused))
	}
}

// TestCloseAwaitsDescriptions has an adapter closed that makes one.
func TestCloseAwaitsDescriptions(t *testing.T) {
	server := peers.Redis(t)
	factory, slow := hold(t, New(client(t, server.Addr), nil))
	h := openHost(t, "/", factory)
	h.Connect()
	h.Connect()
	ask := client(t, server.Addr)
	eventually(t, "the node to listen", func() bool {
		n, err := ask.Publish(t.Context(), "socket.io-request#/#", fmt.Sprintf(fetchAll, 0)).Result()
		return err == nil && n == 1
	})
	<-slow.asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := h.Adapter().Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v although a socket is being described", err)
	}
	close(slow.free)
	if err := h.Adapter().Close(patience(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
	if len(slow.asked) > 0 {
		t.Error("the other socket was described, too, after Close")
	}
}

// TestDescriptionThatPanics has code of the user panic, which may be asked for a socket's data.
func TestDescriptionThatPanics(t *testing.T) {
	b := newBare(t, "/", nil)
	b.Connect()
	host := b.c.host
	b.c.host = panicking{host}
	b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 0))
	if n := len(b.published()); n > 0 || b.count(troublePanic) != 1 {
		t.Errorf("%d answers, %d panics", n, b.count(troublePanic))
	}
	b.c.host = host
	b.c.receive(b.c.request, fmt.Sprintf(fetchAll, 1))
	if n := len(b.published()); n != 1 {
		t.Errorf("%d answers after it, want 1", n)
	}
}

type panicking struct{ adapter.Host }

func (panicking) Describe(adapter.Peer) adapter.RemoteSocket { panic("no") }
