package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// scripted is a node that answers each request with the responses that a test
// wants.
type scripted struct {
	rdb *redis.Client

	mu     sync.Mutex
	answer func(id string) []string // the payloads
}

// script sets the responses.
func (s *scripted) script(answer func(id string) []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *scripted) responses(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(id)
}

// startScripted starts a Go node and a scripted one.
func startScripted(t *testing.T) (*adaptertest.Host, *scripted) {
	t.Helper()
	server := peers.Redis(t)
	s := &scripted{rdb: client(t, server.Addr)}
	h := openHost(t, "/", New(client(t, server.Addr), nil))
	ps := s.rdb.Subscribe(t.Context(), "socket.io-request#/#")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for msg := range ps.Channel() {
			r, err := readRequest(msg.Payload)
			if err != nil {
				t.Errorf("%q: %v", msg.Payload, err)
				continue
			}
			for _, payload := range s.responses(stringOf(r.RequestID)) {
				if err := s.rdb.Publish(context.Background(), "socket.io-response#/#", payload).Err(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() {
		ps.Close()
		<-done
	})
	eventually(t, "both nodes to listen", func() bool {
		n, err := h.Adapter().ServerCount(t.Context())
		return err == nil && n == 2
	})
	return h, s
}

// TestCollectInAnyOrder has another node answer in ways that the reference
// implementation would not, or not always.
func TestCollectInAnyOrder(t *testing.T) {
	h, s := startScripted(t)
	p := h.Connect()
	p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(`["here"]`)}) })
	count := func(id string, n int) string {
		return fmt.Sprintf(`{"type":8,"requestId":%q,"clientCount":%d}`, id, n)
	}
	ack := func(id, packet string) string { return fmt.Sprintf(`{"type":9,"requestId":%q%s}`, id, packet) }
	tests := []struct {
		name   string
		answer func(id string) []string
		want   []string
		failed *TimeoutError
	}{
		{"count first", func(id string) []string {
			return []string{count(id, 2), pack(t, ack(id, `,"packet":1`)), pack(t, ack(id, `,"packet":2`))}
		}, []string{`["here"]`, `[1]`, `[2]`}, nil},
		{"answers first", func(id string) []string {
			return []string{pack(t, ack(id, `,"packet":1`)), ack(id, `,"packet":2`), count(id, 2)}
		}, []string{`["here"]`, `[1]`, `[2]`}, nil},
		{"one answer first", func(id string) []string {
			return []string{pack(t, ack(id, `,"packet":1`)), pack(t, count(id, 2)), pack(t, ack(id, ""))}
		}, []string{`["here"]`, `[1]`, `[]`}, nil},
		{"none", func(id string) []string { return []string{count(id, 0)} }, []string{`["here"]`}, nil},
		{"undefined of old", func(id string) []string {
			return []string{count(id, 1), "\x83\xa4type\x09\xa9requestId\xa8" + id + "\xa6packet\xd4\x00\x00"}
		}, []string{`["here"]`, `[]`}, nil},
		{"disconnected", func(id string) []string {
			return []string{count(id, 2), pack(t, ack(id, `,"disconnected":true`)), ack(id, `,"disconnected":true`)}
		}, []string{`["here"]`}, nil},
		{"unknown responses", func(id string) []string {
			return []string{count("other", 5), `{"requestId":"` + id + `"}`, count(id, 1), ack("other", ""), ack(id, `,"packet":[]`)}
		}, []string{`["here"]`, `[[]]`}, nil},
		{"silence", func(string) []string { return nil }, []string{`["here"]`}, &TimeoutError{Got: 1, Want: 1, Silent: 1}},
		{"misspelled count", func(id string) []string {
			return []string{fmt.Sprintf(`{"type":8,"requestId":%q,"clientcount":"1"}`, id), ack(id, `,"packet":1`)}
		}, []string{`["here"]`, `[1]`}, &TimeoutError{Got: 2, Want: 1, Silent: 1}},
		{
			"an answer short", func(id string) []string { return []string{count(id, 2), ack(id, `,"packet":1`)} },
			[]string{`["here"]`, `[1]`},
			&TimeoutError{Got: 2, Want: 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.script(tt.answer)
			try := func(limit time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				got, _, err := collected(&mixed{host: h}, ctx, event("/", `["ask"]`), adapter.Target{})
				if !slices.Equal(got, tt.want) {
					return fmt.Errorf("got %q, %w, want %q", got, err, tt.want)
				}
				return wrongTimeout(err, tt.failed)
			}
			if tt.failed != nil {
				patiently(t, try)
			} else if err := try(adaptertest.Patience); err != nil {
				t.Error(err)
			}
		})
	}
}

// wrongTimeout returns an error if err is not the one that is wanted.
func wrongTimeout(err error, want *TimeoutError) error {
	if want == nil {
		return err
	}
	got, ok := errors.AsType[*TimeoutError](err)
	if !ok || !errors.Is(err, context.DeadlineExceeded) || got.Got != want.Got || got.Want != want.Want || got.Silent != want.Silent {
		return fmt.Errorf("error: %w, want %w", err, want)
	}
	return nil
}

// TestPartialAnswers tells that what has come in time is not lost.
func TestPartialAnswers(t *testing.T) {
	h, s := startScripted(t)
	h.Connect()
	third := s.rdb.Subscribe(t.Context(), "socket.io-request#/#") // a node that never answers
	defer third.Close()
	eventually(t, "three nodes", func() bool {
		n, err := h.Adapter().ServerCount(t.Context())
		return err == nil && n == 3
	})
	s.script(func(id string) []string {
		return []string{`{"requestId":"` + id + `","sockets":[{"id":"a","rooms":["a",7]},{"id":"b","handshake":{"x":1},"data":null}]}`}
	})
	patiently(t, func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		sockets, err := h.Adapter().Fetch(ctx, adapter.Target{})
		if len(sockets) != 3 || sockets[1].ID != "a" || !slices.Equal(sockets[1].Rooms, []string{"a", "7"}) || string(sockets[2].Data) != "{}" {
			return fmt.Errorf("got %+v, %w", sockets, err)
		}
		return wrongTimeout(err, &TimeoutError{Got: 1, Want: 2})
	})
	s.script(func(id string) []string { return []string{`{"type":6,"requestId":"` + id + `","data":{"x":1}}`} })
	patiently(t, func(limit time.Duration) (err error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		var got []string
		for r, e := range h.Adapter().ServerCollect(ctx, []byte(`["ask"]`), nil) {
			if err = e; err == nil {
				got = append(got, string(r.Data))
			}
		}
		if !slices.Equal(got, []string{`[{"x":1}]`}) {
			return fmt.Errorf("got %q, %w", got, err)
		}
		return wrongTimeout(err, &TimeoutError{Got: 1, Want: 2})
	})
}

// TestRequestTimeout is for contexts without a deadline.
func TestRequestTimeout(t *testing.T) {
	server := peers.Redis(t)
	silent := client(t, server.Addr).Subscribe(t.Context(), "socket.io-request#/#")
	defer silent.Close()
	patiently(t, func(limit time.Duration) error {
		h := openHost(t, "/", New(client(t, server.Addr), &Options{RequestTimeout: limit}))
		defer closeHost(t, h)
		eventually(t, "both nodes to listen", func() bool {
			n, err := h.Adapter().ServerCount(t.Context())
			return err == nil && n == 2
		})
		_, err := h.Adapter().Fetch(context.Background(), adapter.Target{})
		if err = wrongTimeout(err, &TimeoutError{Want: 1}); err != nil {
			return err
		}
		for _, timeout := range []time.Duration{0, limit / 3} {
			_, _, err := collected(&mixed{host: h}, context.Background(), event("/", `["x"]`), adapter.Target{Flags: adapter.Flags{Timeout: timeout}})
			if err = wrongTimeout(err, &TimeoutError{Silent: 1}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestCollectThatIsNeverSentTimesOut has the time end before it is known who was asked.
func TestCollectThatIsNeverSentTimesOut(t *testing.T) {
	p := startPair(t, nil)
	p.peers[0].AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(`[1]`)}) })
	p.server.Pause(t)
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, _, err := collected(&mixed{host: p.nodes[0]}, ctx, event("/", `["ask"]`), adapter.Target{})
		cancel()
		if _, ok := errors.AsType[*TimeoutError](err); !ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Collect: %v, want a TimeoutError", err)
		}
	}
	p.server.Resume(t)
}

// TestCollectAfterClose still asks the sockets of this node.
func TestCollectAfterClose(t *testing.T) {
	server := peers.Redis(t)
	h := openHost(t, "/", New(client(t, server.Addr), nil))
	p := h.Connect()
	closeHost(t, h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Next(t).Answer(adapter.Reply{Data: []byte(`["here"]`)})
	}()
	got, _, err := collected(&mixed{host: h}, patience(t), event("/", `["ask"]`), adapter.Target{})
	<-done
	if !slices.Equal(got, []string{`["here"]`}) || !errors.Is(err, adapter.ErrClosed) {
		t.Errorf("got %q, %v", got, err)
	}
}
