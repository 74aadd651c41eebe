package socketio_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// An answer to a broadcast holds the first value that the client gave, as it does where the
// client is one of another server. One socket that is asked by itself gives all of them.
func TestAnswersToBroadcastsHoldTheFirstValue(t *testing.T) {
	s := siotest.New(t, nil)
	c := s.Connect(nil)
	for _, tt := range []struct {
		name string
		ack  []any
		want string
		all  int
	}{
		{"one", []any{1}, `[1]`, 1},
		{"two", []any{1, 2}, `[1]`, 2},
		{"none", nil, `[]`, 0},
		{"binary in the second", []any{"a", []byte("b")}, `["a"]`, 2},
		{"binary in both", []any{[]byte("a"), []byte("b")}, `[{"_placeholder":true,"num":0}]`, 2},
	} {
		answer := func() {
			e, err := c.Receive(deadline(t))
			if err == nil {
				err = e.Ack(tt.ack...)
			}
			if err != nil {
				t.Error(err)
			}
		}
		go answer()
		all, err := s.EmitWithAck(deadline(t), "ask")
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d answers, %v", tt.name, len(all), err)
		}
		if got := all[0].String(); got != tt.want {
			t.Errorf("%s: the answer to a broadcast is %s, want %s", tt.name, got, tt.want)
		}
		attachments := all[0].Attachments()
		if tt.name == "binary in both" {
			if len(attachments) != 1 || string(attachments[0]) != "a" {
				t.Errorf("%s: the attachments are %q", tt.name, attachments)
			}
		} else if len(attachments) > 0 {
			t.Errorf("%s: %d attachments that the value does not have", tt.name, len(attachments))
		}
		go answer()
		socket, _ := s.Of("/").Socket(c.ID())
		if one, err := socket.EmitWithAck(deadline(t), "ask"); err != nil || one.Len() != tt.all {
			t.Errorf("%s: the answer of the socket has %d values, %v, want %d", tt.name, one.Len(), err, tt.all)
		}
	}
}

// deadlines is an adapter that keeps the deadlines of what waits for other servers.
type deadlines struct {
	*adapter.Memory

	servers, clients []time.Duration // 0 for none
}

func until(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end).Round(time.Second)
	}
	return 0
}

func (d *deadlines) ServerCollect(ctx context.Context, data []byte, attachments [][]byte) iter.Seq2[adapter.Reply, error] {
	d.servers = append(d.servers, until(ctx))
	return d.Memory.ServerCollect(ctx, data, attachments)
}

func (d *deadlines) Collect(ctx context.Context, p *adapter.Packet, t adapter.Target) iter.Seq2[adapter.Reply, error] {
	d.clients = append(d.clients, until(ctx))
	return d.Memory.Collect(ctx, p, t)
}

// AckTimeout is for clients. How long other servers may take is the adapter's to say.
func TestAckTimeoutIsForClients(t *testing.T) {
	var d *deadlines
	s := siotest.New(t, &socketio.Options{AckTimeout: 70 * time.Second, Adapter: func(h adapter.Host) adapter.Adapter {
		d = &deadlines{Memory: adapter.NewMemory(h)}
		return d
	}})
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), short} {
		_, servers := s.ServerEmitWithAck(ctx, "x")
		_, clients := s.EmitWithAck(ctx, "x")
		if err := errors.Join(servers, clients); err != nil {
			t.Error(err)
		}
	}
	if want := []time.Duration{0, time.Minute}; d.servers[0] != want[0] || d.servers[1] != want[1] {
		t.Errorf("other servers may take %v, want %v", d.servers, want)
	}
	if want := []time.Duration{70 * time.Second, time.Minute}; d.clients[0] != want[0] || d.clients[1] != want[1] {
		t.Errorf("clients may take %v, want %v", d.clients, want)
	}
}
