package adaptertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-go/tandem/adapter"
)

// Host is a namespace of one node without a server around it. It is used in
// place of the real one, and hands out the sockets. All methods may be called
// concurrently.
type Host struct {
	namespace string
	serverID  string
	logger    *slog.Logger
	adapter   adapter.Adapter

	mu      sync.Mutex
	peers   map[string]*Peer
	onEvent func(ServerEvent)
}

var _ adapter.Host = (*Host)(nil)

// ServerEvent is an event that another node has sent with ServerEmit or
// ServerCollect.
type ServerEvent struct {
	// Data is the JSON array of the name and the arguments.
	Data []byte
	// Attachments are the binary values of Data.
	Attachments [][]byte
	// Respond answers the event. It is nil if no answer is wanted.
	Respond func(adapter.Reply)
}

// NewHost returns the namespace on the node with that server id, and makes its
// adapter. The caller closes the adapter.
func NewHost(namespace, serverID string, factory adapter.Factory) *Host {
	h := &Host{
		namespace: namespace,
		serverID:  serverID,
		logger:    slog.New(slog.DiscardHandler),
		peers:     make(map[string]*Peer),
	}
	h.adapter = factory(h)
	return h
}

// Adapter returns the adapter of the namespace.
func (h *Host) Adapter() adapter.Adapter { return h.adapter }

// OnServerEvent sets what is done with the events that other nodes send. The
// default is to do nothing. It is called on a goroutine of the adapter.
func (h *Host) OnServerEvent(f func(ServerEvent)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onEvent = f
}

// Connect makes a new socket and has it join the namespace and the rooms.
func (h *Host) Connect(rooms ...string) *Peer {
	p := newPeer(h, rand.Text()[:20])
	h.mu.Lock()
	h.peers[p.id] = p
	h.mu.Unlock()
	h.adapter.Join(p)
	if len(rooms) > 0 {
		h.adapter.Join(p, rooms...)
	}
	return p
}

// Namespace returns the name of the namespace.
func (h *Host) Namespace() string { return h.namespace }

// ServerID returns the id of the node.
func (h *Host) ServerID() string { return h.serverID }

// Logger returns a logger that discards everything.
func (h *Host) Logger() *slog.Logger { return h.logger }

// Peer returns the connected socket with that id.
func (h *Host) Peer(id string) (adapter.Peer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, ok := h.peers[id]; ok {
		return p, true
	}
	return nil, false // not a *Peer that is nil
}

// Describe returns the description of a socket.
func (h *Host) Describe(p adapter.Peer) adapter.RemoteSocket {
	s := adapter.RemoteSocket{
		ID:        p.ID(),
		Rooms:     h.adapter.Rooms(p),
		Handshake: fmt.Appendf(nil, handshake, p.ID()),
	}
	if p, ok := p.(*Peer); ok {
		s.Data = p.currentData()
	}
	return s
}

// handshake is what the reference tells of a socket, with the id in the place
// of a token.
const handshake = `{"headers":{"host":"127.0.0.1:3000","user-agent":"adaptertest"},` +
	`"time":"Sat Nov 21 2026 16:55:40 GMT+0000 (Coordinated Universal Time)","address":"127.0.0.1",` +
	`"xdomain":false,"secure":true,"issued":1795280140123,"url":"/socket.io/?EIO=4&transport=websocket",` +
	`"query":{"EIO":"4","transport":"websocket"},"auth":{"token":"%s"}}`

// Deliver puts the packet into the sockets' inboxes.
func (h *Host) Deliver(p *adapter.Packet, to []adapter.Peer, f adapter.Flags) {
	for _, peer := range to {
		if peer, ok := peer.(*Peer); ok {
			peer.receive(&Delivery{Packet: p, Flags: f}, nil)
		}
	}
}

// DeliverWithAck puts the packet into the sockets' inboxes; see
// [Delivery.Answer]. Like a real host it passes on the first value of an answer alone.
func (h *Host) DeliverWithAck(
	p *adapter.Packet, to []adapter.Peer, f adapter.Flags, answer func(r adapter.Reply, ok bool),
) (stop func()) {
	c := &call{answer: func(r adapter.Reply, ok bool) { answer(firstValue(r), ok) }}
	for _, peer := range to {
		if peer, ok := peer.(*Peer); ok {
			peer.receive(&Delivery{Packet: p, Flags: f, Acked: true}, c)
		}
	}
	return c.stop
}

// firstValue returns an answer with the first of its values alone, and without the
// attachments if there is no binary in that. What it cannot read it leaves as it is.
func firstValue(r adapter.Reply) adapter.Reply {
	var list []json.RawMessage
	if err := json.Unmarshal(r.Data, &list); err != nil || len(list) < 2 {
		return r
	}
	r.Data = slices.Concat([]byte("["), list[0], []byte("]"))
	if !bytes.Contains(list[0], []byte(`"_placeholder"`)) {
		r.Attachments = nil
	}
	return r
}

// Disconnect disconnects a socket.
func (h *Host) Disconnect(p adapter.Peer, closeTransport bool) {
	if p, ok := p.(*Peer); ok {
		p.disconnect(closeTransport)
	}
}

// ServeServerEvent calls what OnServerEvent has set.
func (h *Host) ServeServerEvent(_ context.Context, data []byte, attachments [][]byte, respond func(adapter.Reply)) {
	h.mu.Lock()
	f := h.onEvent
	h.mu.Unlock()
	if f != nil {
		f(ServerEvent{append([]byte(nil), data...), attachments, respond})
	}
}

// remove forgets a socket that disconnects.
func (h *Host) remove(p *Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.peers, p.id)
}

// all returns the connected sockets.
func (h *Host) all() []*Peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	peers := make([]*Peer, 0, len(h.peers))
	for _, p := range h.peers {
		peers = append(peers, p)
	}
	return peers
}
