package socketio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// A socket stays in the room of its own id, whoever takes it out.
func TestSocketStaysInItsOwnRoom(t *testing.T) {
	s, c, socket := pair(t, nil)
	socket.Join("a", "b")
	socket.Leave(socket.ID(), "a")
	if err := errors.Join(s.LeaveAll(deadline(t), socket.ID()), s.To("b").LeaveAll(deadline(t), socket.ID())); err != nil {
		t.Fatal(err)
	}
	if rooms := socket.Rooms(); !slices.Equal(rooms, []string{socket.ID(), "b"}) {
		t.Errorf("it is in %q", rooms)
	}
	if err := s.To(socket.ID()).Emit("x"); err != nil {
		t.Fatal(err)
	}
	received(t, c, "x")
}

// opaque is an adapter of which no more is known than the interface says.
type opaque struct{ adapter.Adapter }

func TestSocketsAndCountOfASelection(t *testing.T) {
	for name, factory := range map[string]adapter.Factory{
		"memory": nil, "another": func(h adapter.Host) adapter.Adapter { return opaque{adapter.NewMemory(h)} },
	} {
		t.Run(name, func(t *testing.T) {
			s := siotest.New(t, &socketio.Options{Adapter: factory})
			sockets := map[string]*socketio.Socket{}
			for _, id := range []string{"a", "b", "c"} {
				_, sockets[id] = meet(t, s)
			}
			sockets["a"].Join("1")
			sockets["b"].Join("1", "2")
			ctx := deadline(t)
			ended, cancel := context.WithCancel(ctx)
			cancel()
			for what, tt := range map[string]struct {
				b    socketio.Broadcast
				want []*socketio.Socket
			}{
				"room":        {s.To("1"), []*socketio.Socket{sockets["a"], sockets["b"]}},
				"others":      {sockets["a"].To("1", "2"), []*socketio.Socket{sockets["b"]}},
				"but":         {s.Except("1"), []*socketio.Socket{sockets["c"]}},
				"local":       {s.Local(), []*socketio.Socket{sockets["a"], sockets["b"], sockets["c"]}},
				"nobody":      {s.To("x"), nil},
				"none is set": {s.To(), nil},
			} {
				got := slices.Collect(tt.b.Sockets())
				if len(got) != len(tt.want) || slices.ContainsFunc(tt.want, func(s *socketio.Socket) bool { return !slices.Contains(got, s) }) {
					t.Errorf("%s: %d sockets", what, len(got))
				}
				if n, err := tt.b.Count(ctx); n != len(tt.want) || err != nil {
					t.Errorf("%s: counts %d, %v", what, n, err)
				}
			}
			for range s.Local().Sockets() {
				break // and no more are yielded
			}
			if n, err := s.Count(ctx); n != 3 || err != nil {
				t.Errorf("all: counts %d, %v", n, err)
			}
			if _, err := s.Count(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("with a context that has ended: %v", err)
			}
			want := []string{"1", "2", sockets["a"].ID(), sockets["b"].ID(), sockets["c"].ID()}
			slices.Sort(want)
			if rooms := slices.Sorted(slices.Values(s.Rooms())); !slices.Equal(rooms, want) {
				t.Errorf("the rooms are %q", rooms)
			}
			rooms, err := s.AllRooms(ctx)
			if slices.Sort(rooms); !slices.Equal(rooms, want) || (name == "memory") != (err == nil) || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("all rooms are %q, %v", rooms, err)
			}
		})
	}
}
