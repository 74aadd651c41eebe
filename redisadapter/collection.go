package redisadapter

import (
	"cmp"
	"context"
	"errors"

	"github.com/tandem-go/tandem/adapter"
)

// opBroadcast names a collection in errors.
const opBroadcast = "broadcast"

// collection is one broadcast with acknowledgements. It is complete when as many
// sockets have answered as all nodes have said.
type collection struct {
	c          *classic
	box        *mailbox[news]
	attendance attendance
	single     bool

	nodes     int // how many nodes there are, 0 until it is known
	heard     int // how many other nodes have told their number of sockets
	anonymous int // how many of them do not say who they are
	impatient bool
	want, got int               // answers
	told      map[string]*tally // what the nodes have said that say who they are
	gone      departures
	err       error
}

// tally is what one other node has said.
type tally struct {
	counted bool // whether it has told its number of sockets
	count   int
	answers int
}

func newCollection(c *classic) *collection {
	return &collection{c: c, box: newMailbox[news](), attendance: attendance{c: c}, told: make(map[string]*tally)}
}

// note takes what has come, and returns the answer in it if there is one.
func (col *collection) note(n news) (reply adapter.Reply, ok bool) {
	switch n.kind {
	case newsAnswer:
		col.got++
		return n.reply, n.ok
	case newsGone:
		col.gone = n.gone
	case newsAsked:
		if col.err != nil {
			break // the adapter has been closed, and no one else is waited for
		}
		if col.nodes = n.nodes; n.err != nil {
			// The local sockets are still waited for, but no one else.
			col.nodes, col.err = 1, n.err
		}
	case newsResponse:
		switch n.response.kind {
		case typeClientCount:
			col.count(n.response)
		case typeAck:
			return col.answer(n.response)
		}
	}
	return reply, false
}

// count notes how many sockets another node has.
func (col *collection) count(r *response) {
	n, err := r.clientCount.int()
	if err != nil {
		col.c.link.log.report(troubleResponse, 1, err, "namespace", col.c.host.Namespace())
		return
	}
	col.heard++
	col.want += n
	if r.uid == "" {
		col.anonymous++
		return
	}
	t := col.of(r.uid)
	t.counted = true
	t.count += n
}

// answer notes the answer of a socket of another node.
func (col *collection) answer(r *response) (reply adapter.Reply, ok bool) {
	col.got++
	if r.uid != "" {
		col.of(r.uid).answers++
	}
	if r.gone {
		return reply, false
	}
	reply, err := r.packet.reply()
	if err != nil {
		reply = adapter.Reply{Data: []byte("[]")}
	}
	return reply, true
}

// of returns the tally of a node.
func (col *collection) of(uid string) *tally {
	t := col.told[uid]
	if t == nil {
		t = new(tally)
		col.told[uid] = t
		col.attendance.hear(uid)
	}
	return t
}

// complete tells that nothing more is to come, or that nothing more is waited
// for: other nodes that say nothing are not for longer than a request may take.
func (col *collection) complete() bool {
	return col.nodes > 0 && (col.silent() == 0 || col.impatient) && col.got >= col.expected()
}

// silent returns how many of the other nodes that are there have not told their
// number of sockets.
func (col *collection) silent() int { return max(col.nodes-1-col.heard-col.excused(), 0) }

// excused returns how many of the nodes that have gone had not told it.
func (col *collection) excused() int {
	n := col.gone.nodes
	for uid := range col.gone.known {
		if t := col.told[uid]; t != nil && t.counted {
			n--
		}
	}
	return max(n, 0)
}

// expected returns how many answers there should be. A node that has gone does not
// owe those any more that it has not given.
func (col *collection) expected() int {
	want := col.want
	for uid := range col.gone.known {
		if t := col.told[uid]; t != nil {
			want += t.answers - t.count
		}
	}
	return want
}

// result returns the error of a collection that has ended, if there is one.
func (col *collection) result(ctx context.Context) error {
	_, unasked := errors.AsType[*TimeoutError](col.err)
	switch {
	case !col.complete():
		return ended(ctx, col.timeout())
	case unasked || col.silent() > 0:
		failed := col.timeout()
		return &failed
	case col.err == nil && col.anonymous > 0 && col.heard < col.nodes-1:
		col.c.unsure(opBroadcast)
	}
	return col.err
}

// timeout returns the error of a collection that has not got all of its answers.
func (col *collection) timeout() TimeoutError {
	e := TimeoutError{
		Op: opBroadcast, Got: col.got, Want: col.expected(), Silent: col.silent(),
		Err: col.c.link.subscriber.lastTrouble(),
	}
	if col.anonymous > 0 && col.excused() > 0 {
		e.Err = cmp.Or(e.Err, errLeft)
	}
	return e
}
