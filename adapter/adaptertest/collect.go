package adaptertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// collectTests test broadcasts that want answers.
var collectTests = []test{
	{"from all", func(t *testing.T, c *cluster) {
		c.answer(c.peers...)
		c.expect(t, adapter.Target{}, c.peers...)
	}},
	{"from a room", func(t *testing.T, c *cluster) {
		a, b := c.hosts[0].Connect("room"), c.hosts[c.last()].Connect("room")
		c.answer(append(c.peers, a, b)...)
		c.expect(t, adapter.Target{Rooms: []string{"room"}}, a, b)
		c.expect(t, adapter.Target{Rooms: []string{"room", "more"}, Except: []string{b.ID()}}, a)
	}},
	{"from this node", func(t *testing.T, c *cluster) {
		c.answer(c.peers...)
		c.expect(t, adapter.Target{Flags: adapter.Flags{Local: true}}, c.peers[0])
	}},
	{"from one socket of this node", func(t *testing.T, c *cluster) {
		c.answer(c.peers...)
		c.expect(t, single(c.peers[0]), c.peers[0])
	}},
	{"from one socket of another node", func(t *testing.T, c *cluster) {
		c.answer(c.peers...)
		c.expect(t, single(c.peers[c.last()]), c.peers[c.last()])
	}},
	{"from nobody", func(t *testing.T, c *cluster) {
		c.expect(t, adapter.Target{Rooms: []string{"nobody"}})
	}},
	{"without arguments", collectEmpty},
	{"with binary values", collectBinary},
	{"with several values", collectSeveral},
	{"partial when the time is over", func(t *testing.T, c *cluster) {
		silent := c.hosts[c.last()].Connect()
		c.answer(c.peers...)
		replies, err := shortly(t, len(c.peers), func(ctx context.Context) iter.Seq2[adapter.Reply, error] {
			return c.ask(ctx, adapter.Target{})
		})
		checkReplies(t, replies, err, context.DeadlineExceeded, c.peers...)
		if d := silent.Next(t); !d.Acked {
			t.Error("the silent socket was not asked")
		}
	}},
	{"canceled", func(t *testing.T, c *cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		c.peers[0].AnswerWith(func(*Delivery) { cancel() })
		if _, err := collected(c.ask(ctx, adapter.Target{})); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	}},
	{"socket disconnects before it answers", collectDisconnect},
	{"nothing is sent before the iteration", func(t *testing.T, c *cluster) {
		answers := c.ask(deadline(t), adapter.Target{})
		c.quiet(t)
		c.answer(c.peers...)
		if replies, err := collected(answers); err != nil || len(replies) != len(c.peers) {
			t.Errorf("%d answers, %v", len(replies), err)
		}
	}},
	{"caller stops early", collectStop},
	{"answers come while others are awaited", collectEarly},
}

// single selects one socket, as for an event to a remote socket.
func single(p *Peer) adapter.Target {
	return adapter.Target{Rooms: []string{p.ID()}, Flags: adapter.Flags{Single: true}}
}

// answer has the sockets answer with their ids, and a second argument.
func (c *cluster) answer(peers ...*Peer) {
	for _, p := range peers {
		p.AnswerWith(func(d *Delivery) {
			d.Answer(adapter.Reply{Data: fmt.Appendf(nil, `[%q,"second"]`, p.ID())})
		})
	}
}

// ask collects answers from the first node.
func (c *cluster) ask(ctx context.Context, target adapter.Target) iter.Seq2[adapter.Reply, error] {
	return c.first().Collect(ctx, event("/", `["ask"]`), target)
}

// collected returns what the iteration yields.
func collected(answers iter.Seq2[adapter.Reply, error]) (replies []adapter.Reply, err error) {
	for r, e := range answers {
		if err != nil {
			return replies, fmt.Errorf("the iteration goes on after the error %w", err)
		}
		if err = e; err == nil {
			replies = append(replies, r)
		}
	}
	return replies, err
}

// expect collects answers and checks who they are from.
func (c *cluster) expect(t *testing.T, target adapter.Target, from ...*Peer) {
	t.Helper()
	replies, err := collected(c.ask(deadline(t), target))
	checkReplies(t, replies, err, nil, from...)
}

// checkReplies checks who answers are from.
func checkReplies(t *testing.T, replies []adapter.Reply, err, want error, from ...*Peer) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	var ids, wantIDs []string
	for _, r := range replies {
		ids = append(ids, firstString(t, r))
	}
	for _, p := range from {
		wantIDs = append(wantIDs, p.ID())
	}
	slices.Sort(ids)
	slices.Sort(wantIDs)
	if !slices.Equal(ids, wantIDs) {
		t.Errorf("answers from %v, want %v", ids, wantIDs)
	}
}

// firstString returns the first argument of an answer.
func firstString(t *testing.T, r adapter.Reply) string {
	t.Helper()
	var args []string
	if err := json.Unmarshal(r.Data, &args); err != nil || len(args) == 0 {
		t.Errorf("the answer %s has no string for its first argument", r.Data)
		return ""
	}
	return args[0]
}

// empty reports whether an answer says nothing.
func empty(r adapter.Reply) bool {
	return sameJSON(r.Data, []byte(`[]`)) || sameJSON(r.Data, []byte(`[null]`))
}

func collectEmpty(t *testing.T, c *cluster) {
	for _, p := range c.peers {
		p.AnswerWith(func(d *Delivery) { d.Answer(adapter.Reply{Data: []byte(`[]`)}) })
	}
	replies, err := collected(c.ask(deadline(t), adapter.Target{}))
	if err != nil || len(replies) != len(c.peers) {
		t.Fatalf("%d answers, %v", len(replies), err)
	}
	for _, r := range replies {
		if !empty(r) {
			t.Errorf("answer %s", r.Data)
		}
	}
}

func collectBinary(t *testing.T, c *cluster) {
	reply := adapter.Reply{
		Data:        []byte(`[{"b":{"_placeholder":true,"num":0},"n":1}]`),
		Attachments: [][]byte{[]byte("\x00binary\xff")},
	}
	question := event("/", `["ask",{"_placeholder":true,"num":0}]`, []byte("\x01\x02"))
	for _, p := range c.peers {
		p.AnswerWith(func(d *Delivery) { d.Answer(reply) })
	}
	replies, err := collected(c.first().Collect(deadline(t), question, adapter.Target{}))
	if err != nil || len(replies) != len(c.peers) {
		t.Fatalf("%d answers, %v", len(replies), err)
	}
	for _, r := range replies {
		if !sameJSON(r.Data, reply.Data) {
			t.Errorf("answer %s", r.Data)
		}
		checkAttachments(t, r.Attachments, reply.Attachments)
	}
	for _, p := range c.peers {
		checkPacket(t, p.Next(t).Packet, question)
	}
}

// collectSeveral has a socket of each node answer with more than one value. The first one
// counts, wherever the socket is.
func collectSeveral(t *testing.T, c *cluster) {
	for _, answer := range []struct {
		reply, want adapter.Reply
	}{
		{adapter.Reply{Data: []byte(`[1,2]`)}, adapter.Reply{Data: []byte(`[1]`)}},
		{adapter.Reply{Data: []byte(`[null,{"a":[]},"x"]`)}, adapter.Reply{Data: []byte(`[null]`)}},
		{
			adapter.Reply{Data: []byte(`["x",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1}}},
			adapter.Reply{Data: []byte(`["x"]`)},
		},
		{
			adapter.Reply{
				Data:        []byte(`[[{"_placeholder":true,"num":0}],"x"]`),
				Attachments: [][]byte{{1}},
			},
			adapter.Reply{Data: []byte(`[[{"_placeholder":true,"num":0}]]`), Attachments: [][]byte{{1}}},
		},
	} {
		for _, p := range c.peers {
			p.AnswerWith(func(d *Delivery) { d.Answer(answer.reply) })
		}
		replies, err := collected(c.ask(deadline(t), adapter.Target{}))
		if err != nil || len(replies) != len(c.peers) {
			t.Errorf("%d answers, %v", len(replies), err)
		}
		for _, r := range replies {
			if !sameJSON(r.Data, answer.want.Data) {
				t.Errorf("the answer %s came as %s, want %s", answer.reply.Data, r.Data, answer.want.Data)
			}
			checkAttachments(t, r.Attachments, answer.want.Attachments)
		}
	}
}

// collectDisconnect has a socket of each node disconnect instead of answering.
// The iteration must end all the same; for the lost ones there is no answer, or
// an empty one, since a wire may have nothing else to tell that they are lost.
func collectDisconnect(t *testing.T, c *cluster) {
	c.answer(c.peers...)
	for _, h := range c.hosts {
		lost := h.Connect()
		lost.AnswerWith(func(*Delivery) { lost.Disconnect() })
	}
	replies, err := collected(c.ask(deadline(t), adapter.Target{}))
	if err != nil {
		t.Error(err)
	}
	answered := slices.DeleteFunc(slices.Clone(replies), empty)
	if len(answered) != len(c.peers) || len(replies) > 2*len(c.peers) {
		t.Errorf("%d answers and %d empty ones", len(answered), len(replies)-len(answered))
	}
}

func collectStop(t *testing.T, c *cluster) {
	c.answer(c.peers[0])
	for r, err := range c.ask(deadline(t), adapter.Target{}) {
		if err != nil || firstString(t, r) != c.peers[0].ID() {
			t.Errorf("answer %s, error %v", r.Data, err)
		}
		break
	}
	for _, p := range c.peers { // answers that come late do no harm
		p.Next(t).Answer(adapter.Reply{Data: []byte(`["late"]`)})
	}
	c.quiet(t)
}

// collectEarly answers from one socket after the other, each when the answer
// before has been yielded.
func collectEarly(t *testing.T, c *cluster) {
	rest := c.peers
	answer := func() {
		if len(rest) > 0 {
			p := rest[0]
			rest = rest[1:]
			p.Next(t).Answer(adapter.Reply{Data: fmt.Appendf(nil, `[%q]`, p.ID())})
		}
	}
	c.peers[0].AnswerWith(func(d *Delivery) { d.Answer(adapter.Reply{Data: []byte(`["first"]`)}) })
	count := 0
	for _, err := range c.ask(deadline(t), adapter.Target{}) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count == 1 {
			c.peers[0].Next(t)
			rest = rest[1:]
		}
		answer()
	}
	if count != len(c.peers) {
		t.Errorf("%d answers, want %d", count, len(c.peers))
	}
}
