package redisadapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// crowd is a namespace among other nodes that are not there: a test says how many Redis
// counts, and what they answer.
type crowd struct {
	*bare

	rdb   *fake
	id    string // of the request that is being answered
	start time.Time
}

func newCrowd(t *testing.T, nodes int64, uids ...string) *crowd {
	t.Helper()
	b, rdb := counted(t, nodes)
	for _, uid := range uids {
		rdb.counts[b.c.answers(uid)] = 1
	}
	return &crowd{bare: b, rdb: rdb, start: time.Now()}
}

// set changes how many connections Redis counts that listen to a channel.
func (c *crowd) set(channel string, n int64) {
	c.rdb.mu.Lock()
	defer c.rdb.mu.Unlock()
	c.rdb.counts[channel] = n
}

// leaves has one node go, with its own channel if it has a uid.
func (c *crowd) leaves(uid string) {
	c.rdb.mu.Lock()
	c.rdb.counts[c.c.request]--
	c.rdb.mu.Unlock()
	if uid != "" {
		c.set(c.c.answers(uid), 0)
	}
}

// asked takes the request that has been published.
func (c *crowd) asked(t *testing.T) {
	t.Helper()
	synctest.Wait()
	sent := c.published()
	if len(sent) != 1 {
		t.Fatalf("%d messages were published, want the request", len(sent))
	}
	r, err := readRequest(string(sent[0].payload))
	if err != nil {
		t.Fatal(err)
	}
	c.id = stringOf(r.RequestID)
	sent[0].done <- nil
	synctest.Wait()
}

// says has a node respond.
func (c *crowd) says(uid, members string) {
	if uid != "" {
		members += `,"uid":"` + uid + `"`
	}
	c.c.receive(c.c.response, fmt.Sprintf(`{"requestId":%q,%s}`, c.id, members))
	synctest.Wait()
}

// TestNodesThatHaveGoneNeedNotAnswer has nodes leave while their answers are waited for.
func TestNodesThatHaveGoneNeedNotAnswer(t *testing.T) {
	tests := []struct {
		name    string
		nodes   int64
		uids    []string
		happens func(c *crowd)
		answers int
		took    time.Duration
		failed  *TimeoutError
		unsure  uint64
	}{
		{"one of two, which is noticed twice", 3, []string{"a"}, func(c *crowd) {
			c.says("a", answer)
			time.Sleep(1500 * time.Millisecond)
			c.leaves("")
		}, 1, 3 * time.Second, nil, 0},
		{"the only other one", 2, nil, func(c *crowd) { c.leaves("") }, 0, 2 * time.Second, nil, 0},
		{"a Go node that had answered", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", answer)
			c.leaves("a")
			time.Sleep(4 * time.Second)
			c.says("b", answer)
		}, 2, 4 * time.Second, nil, 0},
		{"a Go node that had answered, and another is silent", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", answer)
			c.leaves("a")
		}, 1, 5 * time.Second, &TimeoutError{Got: 1, Want: 2}, 0},
		{"a Go node that had answered, and then another that had not", 4, []string{"a", "b"}, func(c *crowd) {
			c.says("a", answer)
			c.says("b", answer)
			c.leaves("a")
			time.Sleep(1500 * time.Millisecond)
			c.leaves("")
		}, 2, 3 * time.Second, nil, 0},
		{"a Node.js server, that may have answered", 4, []string{"a"}, func(c *crowd) {
			c.says("", answer)
			c.says("a", answer)
			c.leaves("")
		}, 2, 2 * time.Second, nil, 1},
		{"a Node.js server, and another answers late", 4, []string{"a"}, func(c *crowd) {
			c.says("", answer)
			c.says("a", answer)
			c.leaves("")
			time.Sleep(1900 * time.Millisecond)
			c.says("", answer)
		}, 3, 1900 * time.Millisecond, nil, 0},
		{"one that only loses its connection", 3, []string{"a"}, func(c *crowd) {
			c.says("a", answer)
			time.Sleep(900 * time.Millisecond)
			c.leaves("")
			time.Sleep(time.Second)
			c.set(c.c.request, 3)
			time.Sleep(2 * time.Second)
			c.says("b", answer)
		}, 2, 3900 * time.Millisecond, nil, 0},
		{"one that another replaces at once", 3, []string{"a"}, func(c *crowd) {
			c.says("a", answer)
			c.leaves("")
			c.set(c.c.request, 3)
		}, 1, 5 * time.Second, &TimeoutError{Got: 1, Want: 2}, 0},
		{"one that another replaces later", 3, []string{"a"}, func(c *crowd) {
			c.leaves("")
			time.Sleep(2500 * time.Millisecond)
			c.set(c.c.request, 3)
			c.says("a", answer)
		}, 1, 2500 * time.Millisecond, nil, 0},
		{"nobody, and one is silent", 3, []string{"a"}, func(c *crowd) { c.says("a", answer) }, 1, 5 * time.Second, &TimeoutError{Got: 1, Want: 2}, 0},
		{"one of three, and one is silent", 4, []string{"a"}, func(c *crowd) {
			c.says("a", answer)
			c.leaves("")
		}, 1, 5 * time.Second, &TimeoutError{Got: 1, Want: 2}, 0},
		{"all, as far as Redis tells who does not count this node either", 3, []string{"a"}, func(c *crowd) {
			c.says("a", answer)
			c.set(c.c.request, 1)
			c.set(c.c.answers(c.c.uid), 0)
		}, 1, 5 * time.Second, &TimeoutError{Got: 1, Want: 2}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.nodes, tt.uids...)
				type result struct {
					answers int
					took    time.Duration
					err     error
				}
				done := make(chan result, 1)
				go func() {
					sockets, err := c.c.Fetch(t.Context(), adapter.Target{})
					done <- result{len(sockets), time.Since(c.start), err}
				}()
				c.asked(t)
				tt.happens(c)
				r := <-done
				if err := wrongTimeout(r.err, tt.failed); err != nil || r.answers != tt.answers || r.took != tt.took {
					t.Errorf("%d answers after %v, want %d after %v: %v", r.answers, r.took, tt.answers, tt.took, err)
				}
				if n := c.count(troubleUnsure); n != tt.unsure {
					t.Errorf("%d times it is reported that an answer may be missing, want %d", n, tt.unsure)
				}
			})
		})
	}
}

const answer = `"sockets":[{"id":"x"}]`

// TestTroubleIsNoDeparture has this node lose its subscription: it does not take the others for gone.
func TestTroubleIsNoDeparture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3)
		done := make(chan error, 1)
		go func() {
			_, err := c.c.Fetch(t.Context(), adapter.Target{})
			done <- err
		}()
		c.asked(t)
		c.set(c.c.request, 1)
		c.c.link.subscriber.mu.Lock()
		c.c.link.subscriber.losses++
		c.c.link.subscriber.mu.Unlock()
		if err := wrongTimeout(<-done, &TimeoutError{Want: 2}); err != nil || time.Since(c.start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(c.start), err)
		}
	})
}

// TestCollectWithoutThoseThatHaveGone has nodes leave while the answers of their sockets are waited for.
func TestCollectWithoutThoseThatHaveGone(t *testing.T) {
	count := func(n int) string { return fmt.Sprintf(`"type":8,"clientCount":%d`, n) }
	const ack = `"type":9,"packet":1`
	tests := []struct {
		name    string
		nodes   int64
		uids    []string
		happens func(c *crowd)
		answers int
		took    time.Duration
		failed  *TimeoutError
		left    bool // whether the error says that a node has left
		unsure  uint64
	}{
		{"before it has told its number", 3, []string{"a"}, func(c *crowd) {
			c.says("a", count(1))
			c.says("a", ack)
			c.leaves("")
		}, 1, 2 * time.Second, nil, false, 0},
		{"a Go node that owes answers", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", count(5))
			c.says("b", count(1))
			c.says("a", ack)
			c.says("b", ack)
			c.leaves("a")
		}, 2, 2 * time.Second, nil, false, 0},
		{"a Go node that owes answers, and another still does", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", count(5))
			c.says("b", count(1))
			c.says("a", ack)
			c.leaves("a")
			time.Sleep(7 * time.Second)
			c.says("b", ack)
		}, 2, 7 * time.Second, nil, false, 0},
		{"a Go node that owes answers, and another for ever", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", count(5))
			c.says("b", count(2))
			c.says("a", ack)
			c.says("b", ack)
			c.leaves("a")
		}, 2, 20 * time.Second, &TimeoutError{Got: 2, Want: 3}, false, 0},
		{"a Go node whose answers have overtaken its number", 3, []string{"a", "b"}, func(c *crowd) {
			c.says("a", ack)
			c.says("b", count(1))
			c.leaves("a")
			time.Sleep(4 * time.Second)
			c.says("b", ack)
		}, 2, 4 * time.Second, nil, false, 0},
		{"a Go node that owes answers, and had left when the nodes were counted", 2, []string{"b"}, func(c *crowd) {
			c.says("a", count(5))
			c.says("b", count(1))
			c.says("a", ack)
			c.says("b", ack)
		}, 2, 2 * time.Second, nil, false, 0},
		{"a Node.js server that may owe answers", 3, []string{"a"}, func(c *crowd) {
			c.says("", count(2))
			c.says("a", count(1))
			c.says("", ack)
			c.says("a", ack)
			c.leaves("")
		}, 2, 20 * time.Second, &TimeoutError{Got: 2, Want: 3}, true, 0},
		{"a Node.js server that may have told its number", 4, []string{"a"}, func(c *crowd) {
			c.says("", count(1))
			c.says("a", count(0))
			c.says("", ack)
			c.leaves("")
		}, 1, 2 * time.Second, nil, false, 1},
		{"one of two that say nothing", 3, nil, func(c *crowd) { c.leaves("") }, 0, 5 * time.Second, &TimeoutError{Silent: 1}, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.nodes, tt.uids...)
				type result struct {
					answers int
					took    time.Duration
					err     error
				}
				done := make(chan result, 1)
				go func() {
					target := adapter.Target{Flags: adapter.Flags{Timeout: 20 * time.Second}}
					got, _, err := collected(&mixed{host: c.Host}, t.Context(), event("/", `["ask"]`), target)
					done <- result{len(got), time.Since(c.start), err}
				}()
				c.asked(t)
				tt.happens(c)
				r := <-done
				if err := wrongTimeout(r.err, tt.failed); err != nil || r.answers != tt.answers || r.took != tt.took {
					t.Errorf("%d answers after %v, want %d after %v: %v", r.answers, r.took, tt.answers, tt.took, err)
				}
				if errors.Is(r.err, errLeft) != tt.left {
					t.Errorf("the error is %v", r.err)
				}
				if n := c.count(troubleUnsure); n != tt.unsure {
					t.Errorf("%d times it is reported that an answer may be missing, want %d", n, tt.unsure)
				}
			})
		})
	}
}

// TestSilentNodesAreGivenUp has the options bound how long other nodes may take to say how many sockets
// they ask, and the context how long the sockets may take.
func TestSilentNodesAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			here, there time.Duration // when the sockets answer, at most
			took        time.Duration
			got         int
			failed      *TimeoutError
		}{
			"all else has come":        {time.Second, time.Second, 5 * time.Second, 2, &TimeoutError{Got: 2, Want: 2, Silent: 1}},
			"a local socket is slow":   {9 * time.Second, time.Second, 9 * time.Second, 2, &TimeoutError{Got: 2, Want: 2, Silent: 1}},
			"another one is slow":      {time.Second, 9 * time.Second, 9 * time.Second, 2, &TimeoutError{Got: 2, Want: 2, Silent: 1}},
			"another one says nothing": {time.Second, time.Hour, 20 * time.Second, 1, &TimeoutError{Got: 1, Want: 2, Silent: 1}},
		} {
			c := newCrowd(t, 3, "a")
			p := c.Connect()
			type result struct {
				got  []string
				took time.Duration
				err  error
			}
			done := make(chan result, 1)
			go func() {
				target := adapter.Target{Flags: adapter.Flags{Timeout: 20 * time.Second}}
				got, _, err := collected(&mixed{host: c.Host}, t.Context(), event("/", `["ask"]`), target)
				done <- result{got, time.Since(c.start), err}
			}()
			c.asked(t)
			c.says("a", `"type":8,"clientCount":1`)
			here := time.AfterFunc(tt.here, func() { p.Next(t).Answer(answerOne) })
			there := time.AfterFunc(tt.there, func() { c.c.receive(c.c.response, fmt.Sprintf(`{"requestId":%q,"type":9}`, c.id)) })
			r := <-done
			here.Stop()
			there.Stop()
			if err := wrongTimeout(r.err, tt.failed); err != nil || len(r.got) != tt.got || r.took != tt.took {
				t.Errorf("%s: %d answers after %v, want %d after %v: %v", name, len(r.got), r.took, tt.got, tt.took, err)
			}
		}
	})
}

// TestNumberThatComesLate has a node say how many sockets it asks after it was given up: it counts all the same.
func TestNumberThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2)
		p := c.Connect()
		done := make(chan error, 1)
		var got []string
		go func() {
			var err error
			got, _, err = collected(&mixed{host: c.Host}, t.Context(), event("/", `["ask"]`), adapter.Target{Flags: adapter.Flags{Timeout: 20 * time.Second}})
			done <- err
		}()
		c.asked(t)
		time.Sleep(7 * time.Second)
		c.says("", `"type":8,"clientCount":1`)
		p.Next(t).Answer(answerOne)
		time.Sleep(time.Second)
		c.says("", `"type":9,"packet":2`)
		if err := <-done; err != nil || !slices.Equal(got, []string{`[1]`, `[2]`}) || time.Since(c.start) != 8*time.Second {
			t.Errorf("after %v: got %q, %v", time.Since(c.start), got, err)
		}
	})
}

// TestAnswersSayWhoseTheyAre looks at what a Go node sends: its uid is in all that others count.
func TestAnswersSayWhoseTheyAre(t *testing.T) {
	b := newBare(t, "/", nil)
	p := b.Connect()
	p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(answerOne) })
	b.OnServerEvent(func(e adaptertest.ServerEvent) { e.Respond(answerOne) })
	for _, request := range []string{
		`{"uid":"u","requestId":"r","type":5,"opts":{}}`,
		`{"uid":"u","requestId":"r","type":1}`,
		`{"uid":"u","requestId":"r","type":6,"data":["x"]}`,
		`{"uid":"u","requestId":"r","type":7,"packet":{"type":2,"data":["x"]},"opts":{}}`,
	} {
		b.c.receive(b.c.request, request)
		sent := b.published()
		if len(sent) == 0 {
			t.Errorf("%s: no answer", request)
		}
		for _, m := range sent {
			var member struct{ UID string }
			if err := json.Unmarshal(m.payload, &member); err != nil || member.UID != b.c.uid {
				t.Errorf("%s was answered with %s, %v", request, m.payload, err)
			}
		}
	}
}

// TestKilledNodeIsNotWaitedFor has a Node.js server killed that owes an answer.
func TestKilledNodeIsNotWaitedFor(t *testing.T) {
	m := startMixed(t, nil, nil)
	third := openHost(t, "/", func(h adapter.Host) adapter.Adapter { return New(client(t, m.redis.Addr), nil)(h) })
	third.OnServerEvent(func(e adaptertest.ServerEvent) { e.Respond(answerOne) })
	third.Connect().AnswerWith(func(d *adaptertest.Delivery) { d.Answer(answerOne) })
	eventually(t, "three nodes to listen", func() bool {
		n, err := m.host.Adapter().ServerCount(t.Context())
		return err == nil && n == 3
	})
	m.node.Eval(t, nil, `
		ctx.asked = [];
		ctx.all.on("ask", (...got) => ctx.asked.push(got.pop()));`)
	collected := make(chan []string, 1)
	go func() {
		var got []string
		for r, err := range m.host.Adapter().ServerCollect(patience(t), []byte(`["ask"]`), nil) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, string(r.Data))
		}
		collected <- got
	}()
	m.node.Eval(t, nil, `await until(() => ctx.asked.length === 1)`)
	m.node.Kill()
	if got := <-collected; !slices.Equal(got, []string{`[1]`}) {
		t.Errorf("got %q", got)
	}
	sockets, err := m.host.Adapter().Fetch(patience(t), adapter.Target{}) // nor is it asked any more
	if err != nil || len(sockets) != 1 {
		t.Errorf("%d sockets, %v", len(sockets), err)
	}
}

// TestGoNodeThatLeavesOwesNothing has a Go node leave whose sockets have not all answered.
func TestGoNodeThatLeavesOwesNothing(t *testing.T) {
	server := peers.Redis(t)
	start := func() *adaptertest.Host {
		return openHost(t, "/", func(h adapter.Host) adapter.Adapter { return New(client(t, server.Addr), nil)(h) })
	}
	a, b, c := start(), start(), start()
	eventually(t, "three nodes to listen", func() bool {
		n, err := a.Adapter().ServerCount(t.Context())
		return err == nil && n == 3
	})
	answering, silent, late := b.Connect(), b.Connect(), c.Connect()
	type result struct {
		got []string
		err error
	}
	done := make(chan result, 1)
	go func() {
		got, _, err := collected(&mixed{host: a}, patience(t), event("/", `["ask"]`), adapter.Target{})
		done <- result{got, err}
	}()
	answering.Next(t).Answer(adapter.Reply{Data: []byte(`["b"]`)})
	silent.Next(t)
	d := late.Next(t)
	closeHost(t, b)
	eventually(t, "two nodes to be left", func() bool {
		n, err := a.Adapter().ServerCount(t.Context())
		return err == nil && n == 2
	})
	d.Answer(adapter.Reply{Data: []byte(`["c"]`)})
	if r := <-done; r.err != nil || !slices.Equal(r.got, []string{`["b"]`, `["c"]`}) {
		t.Errorf("got %q, %v", r.got, r.err)
	}
}
