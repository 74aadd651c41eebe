package socketio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/parser"
)

// host is a Namespace as its adapter sees it.
type host Namespace

var _ adapter.Host = (*host)(nil)

// watchingHost is a host whose server's observers want to know who joins and leaves rooms.
type watchingHost struct{ *host }

var _ adapter.RoomWatcher = watchingHost{}

// newHost returns what the adapter of a namespace gets to see of it.
func newHost(n *Namespace) adapter.Host {
	if o := &n.server.observe; len(o.joined) > 0 || len(o.left) > 0 {
		return watchingHost{(*host)(n)}
	}
	return (*host)(n)
}

func (h watchingHost) Joined(p adapter.Peer, rooms []string) {
	if s, ok := asSocket(p); ok {
		tell(h.server, h.server.observe.joined, JoinedInfo{Socket: s, Rooms: rooms})
	}
}

func (h watchingHost) Left(p adapter.Peer, rooms []string) {
	if s, ok := asSocket(p); ok {
		tell(h.server, h.server.observe.left, LeftInfo{Socket: s, Rooms: rooms})
	}
}

func (h *host) Namespace() string    { return h.name }
func (h *host) ServerID() string     { return h.server.id }
func (h *host) Logger() *slog.Logger { return h.server.log }

func (h *host) Peer(id string) (adapter.Peer, bool) {
	s, ok := (*Namespace)(h).Socket(id)
	if !ok {
		return nil, false
	}
	return (*peer)(s), true
}

func asSocket(p adapter.Peer) (*Socket, bool) {
	s, ok := p.(*peer)
	return (*Socket)(s), ok
}

func (h *host) Describe(p adapter.Peer) adapter.RemoteSocket {
	s, ok := asSocket(p)
	if !ok {
		return adapter.RemoteSocket{ID: p.ID()}
	}
	return s.describe()
}

func (h *host) Disconnect(p adapter.Peer, closeTransport bool) {
	if s, ok := asSocket(p); ok {
		s.Disconnect(closeTransport)
	}
}

func sendOption(f adapter.Flags) (o engine.SendOption) {
	if f.Volatile {
		o |= engine.Volatile
	}
	if f.NoCompress {
		o |= engine.NoCompress
	}
	return o
}

func (h *host) Deliver(p *adapter.Packet, to []adapter.Peer, f adapter.Flags) {
	if len(to) == 0 {
		return
	}
	if frames, ok := h.encode(p); ok {
		h.deliver(p, frames, to, f)
	}
}

// encode returns the frames of a broadcast, which are made once. It reports false,
// and logs why, if there are none.
func (h *host) encode(p *adapter.Packet) (frames []*engine.Frame, ok bool) {
	frames, err := h.frames(p)
	if err != nil {
		h.server.warn("socketio: encode broadcast", "namespace", h.name, "err", loggable(err))
	}
	return frames, err == nil
}

var errParser = errors.New("socketio: the parser has panicked")

func (h *host) frames(p *adapter.Packet) ([]*engine.Frame, error) {
	enc, ok := p.Memo(h.server.encode).(*encoded)
	if !ok {
		return nil, errParser
	}
	return enc.frames, enc.err
}

func (h *host) deliver(p *adapter.Packet, frames []*engine.Frame, to []adapter.Peer, f adapter.Flags) {
	if len(h.server.observe.emitted) > 0 {
		h.observeEmit(p, len(to))
	}
	batch := h.server.engine.NewBatch()
	for _, peer := range to {
		if s, ok := asSocket(peer); ok {
			batch.Add(s.conn.session)
		}
	}
	batch.Send(frames, sendOption(f))
}

func (h *host) observeEmit(p *adapter.Packet, sockets int) {
	event := packetEvent(p)
	info := EmittedInfo{Namespace: (*Namespace)(h), Event: event, Bytes: len(p.Data), Sockets: sockets}
	tell(h.server, h.server.observe.emitted, info)
}

func (h *host) DeliverWithAck(p *adapter.Packet, to []adapter.Peer, f adapter.Flags, answer func(adapter.Reply, bool)) func() {
	if len(to) == 0 {
		return func() {}
	}
	id := h.ackIDs.Add(1) - 1
	q := &adapter.Packet{
		Type: adapter.Event, Namespace: h.name, Data: p.Data, Attachments: p.Attachments, ID: id, HasID: true,
	}
	frames, ok := h.encode(q)
	if !ok {
		for range to {
			answer(adapter.Reply{}, false)
		}
		return func() {}
	}
	first := func(r adapter.Reply, ok bool) { answer(h.firstValue(r), ok) }
	asked := make([]*Socket, 0, len(to))
	reached := make([]adapter.Peer, 0, len(to))
	for _, peer := range to {
		s, ok := asSocket(peer)
		if !ok || s.awaitAck(id, first) != nil {
			answer(adapter.Reply{}, false)
			continue
		}
		asked = append(asked, s)
		reached = append(reached, peer)
	}
	if len(reached) > 0 {
		h.deliver(q, frames, reached, f)
	}
	return sync.OnceFunc(func() {
		for _, s := range asked {
			s.takeAck(id)
		}
	})
}

// firstValue returns an answer with the first of its values alone, whose attachments it
// keeps.
func (h *host) firstValue(r adapter.Reply) adapter.Reply {
	list, err := parser.SplitArgs(r.Data, nil)
	if err != nil || len(list) < 2 {
		return r
	}
	raw := Args{coder: h.server.coder, list: list, attachments: r.Attachments}.raw(list[0])
	return adapter.Reply{Data: slices.Concat([]byte("["), raw.Data, []byte("]")), Attachments: raw.Attachments}
}

func (h *host) ServeServerEvent(ctx context.Context, data []byte, attachments [][]byte, respond func(adapter.Reply)) {
	(*Namespace)(h).serveServerEvent(ctx, data, attachments, respond)
}
