package socketio_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A model is what the rooms of a server should be.
type model struct {
	t       *testing.T
	s       *testServer
	rnd     *rand.Rand
	rooms   []string
	sockets map[string]*modelSocket
	gone    atomic.Int64
	joined  int64
}

type modelSocket struct {
	client *client
	socket *socketio.Socket
	rooms  map[string]bool
}

// Random joins, leaves and disconnects, one after another: after each of them the rooms are what they should be.
func TestRoomsModel(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		const seed = 7
		m := &model{
			t: t, s: serve(t, nil).echo(), rnd: rand.New(rand.NewPCG(seed, seed)),
			rooms: []string{"a", "b", "c", "d"}, sockets: map[string]*modelSocket{},
		}
		m.s.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) {
			m.gone.Add(1)
			s.Join("ghost")
		})
		for range scaled(1500) {
			m.step(transport)
		}
		m.check()
		eventually(t, "each socket disconnects", func() bool { return m.gone.Load() == m.joined-int64(len(m.sockets)) })
		shutdown(t, m.s)
		if m.gone.Load() != m.joined {
			t.Errorf("%d sockets disconnected %d times", m.joined, m.gone.Load())
		}
	})
}

func (m *model) room() string { return m.rooms[m.rnd.IntN(len(m.rooms))] }

func (m *model) pick() (string, *modelSocket) {
	id := slices.Sorted(maps.Keys(m.sockets))[m.rnd.IntN(len(m.sockets))]
	return id, m.sockets[id]
}

// members returns the sockets in any of the rooms; all if there are none.
func (m *model) members(rooms ...string) (list []*modelSocket) {
	for _, s := range m.sockets {
		if len(rooms) == 0 || slices.ContainsFunc(rooms, func(r string) bool { return s.rooms[r] }) {
			list = append(list, s)
		}
	}
	return list
}

func (m *model) step(transport string) {
	m.t.Helper()
	ctx := context.Background()
	if len(m.sockets) < 3 {
		m.enter(transport)
		return
	}
	switch op := m.rnd.IntN(100); {
	case op < 4 && len(m.sockets) < 12:
		m.enter(transport)
	case op < 35:
		_, s := m.pick()
		r, q := m.room(), m.room()
		s.socket.Join(r, q)
		s.rooms[r], s.rooms[q] = true, true
	case op < 60:
		_, s := m.pick()
		r := m.room()
		s.socket.Leave(r)
		delete(s.rooms, r)
	case op < 75:
		from, r := m.room(), m.room()
		m.fail(m.s.To(from).JoinAll(ctx, r))
		for _, s := range m.members(from) {
			s.rooms[r] = true
		}
	case op < 90:
		from, r := m.room(), m.room()
		m.fail(m.s.To(from).LeaveAll(ctx, r))
		for _, s := range m.members(from) {
			delete(s.rooms, r)
		}
	case op < 93:
		id, s := m.pick()
		s.socket.Disconnect(m.rnd.IntN(2) == 0)
		m.forget(id, s)
	case op < 96:
		id, s := m.pick()
		s.client.send("1")
		eventually(m.t, "the socket has gone", func() bool {
			_, listed := m.s.Socket(id)
			return !listed
		})
		m.forget(id, s)
	default:
		m.check()
	}
}

func (m *model) enter(transport string) {
	m.t.Helper()
	c, socket := m.s.joinSocket(m.t, transport, "/")
	m.sockets[socket.ID()] = &modelSocket{client: c, socket: socket, rooms: map[string]bool{}}
	m.joined++
}

func (m *model) forget(id string, s *modelSocket) {
	delete(m.sockets, id)
	s.client.close()
}

func (m *model) fail(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// check compares the server with the model.
func (m *model) check() {
	m.t.Helper()
	if m.s.Len() != len(m.sockets) {
		m.t.Fatalf("the server has %d sockets, the model %d", m.s.Len(), len(m.sockets))
	}
	if ghosts := fetched(m.t, m.s.To("ghost")); len(ghosts) > 0 {
		m.t.Fatalf("%q joined a room after they had disconnected", ghosts)
	}
	for _, room := range m.rooms {
		var want []string
		for _, s := range m.members(room) {
			want = append(want, s.socket.ID())
		}
		slices.Sort(want)
		if got := fetched(m.t, m.s.To(room)); !slices.Equal(got, want) {
			m.t.Fatalf("room %s has %q, want %q", room, got, want)
		}
	}
	for id, s := range m.sockets {
		want := append([]string{id}, slices.Sorted(maps.Keys(s.rooms))...)
		got := s.socket.Rooms()
		slices.Sort(got[1:])
		if !slices.Equal(got, want) {
			m.t.Fatalf("socket %s is in %q, want %q", id, got, want)
		}
	}
}

// The same at the same time: afterwards the rooms and the sockets tell the same, and nobody is in a room that has gone.
func TestRoomsConcurrently(t *testing.T) {
	s := serve(t, nil)
	var connects, disconnects atomic.Int64
	s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		connects.Add(1)
		s.Join("all")
		return nil
	})
	s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { disconnects.Add(1) })
	clients := s.crowd(t, "websocket", 40)
	eventually(t, "the connect functions have run", func() bool { return connects.Load() == 40 && len(fetched(t, s.To("all"))) == 40 })
	ctx := deadline(t)
	var wg sync.WaitGroup
	for i := range 8 {
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for range scaled(1000) {
				disturb(ctx, s, rnd)
			}
		})
	}
	for _, c := range clients {
		go func() {
			for range c.in { // whatever the server says
				continue
			}
		}()
	}
	wg.Wait()
	inRoom := map[string][]string{}
	for socket := range s.Sockets() {
		for _, r := range socket.Rooms() {
			inRoom[r] = append(inRoom[r], socket.ID())
		}
	}
	for _, room := range []string{"all", "0", "1", "2", "3", "4", "5"} {
		slices.Sort(inRoom[room])
		if got := fetched(t, s.To(room)); !slices.Equal(got, inRoom[room]) {
			t.Errorf("room %s has %d sockets, of which the sockets say %d", room, len(got), len(inRoom[room]))
		}
	}
	n := int64(len(inRoom["all"]))
	if n != int64(s.Len()) || n < 10 {
		t.Errorf("%d sockets are in the room of all, the server has %d", n, s.Len())
	}
	eventually(t, "each socket disconnects", func() bool { return disconnects.Load() == connects.Load()-n })
}

// disturb does something random to some sockets.
func disturb(ctx context.Context, s *testServer, rnd *rand.Rand) {
	room, other := itoa(rnd.IntN(6)), itoa(rnd.IntN(6))
	for socket := range s.Sockets() {
		switch rnd.IntN(8) {
		case 0, 1:
			socket.Join(room)
		case 2:
			socket.Leave(room)
		case 3:
			_ = s.To(room).Volatile().Emit("x")
		case 4:
			_ = s.To(room).JoinAll(ctx, other)
		case 5:
			_ = s.To(room).LeaveAll(ctx, room)
		case 6:
			if rnd.IntN(200) == 0 && s.Len() > 10 {
				socket.Disconnect(false)
				socket.Join(room)
			}
		}
		if rnd.IntN(3) == 0 {
			return
		}
	}
}
