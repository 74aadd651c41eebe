package socketio_test

import (
	"log/slog"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// What a local key attaches is read on this server like anything else, and told to no other.
func TestLocalKeyIsNotPublished(t *testing.T) {
	s, log := loggingAt(t, slog.LevelInfo)
	_, socket := meet(t, s)
	secret, name := socketio.NewLocalKey[chan int]("secret"), socketio.NewKey[string]("name")
	value := make(chan int)
	secret.Set(socket, value)
	name.Set(socket, "ann")
	found, err := s.FetchSockets(deadline(t))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets, %v", len(found), err)
	}
	if data := string(found[0].Data()); data != `{"name":"ann"}` {
		t.Errorf("the description has the data %s", data)
	}
	if log.String() != "" {
		t.Errorf("it is logged: %s", log)
	}
	for _, h := range []socketio.Holder{socket, found[0]} {
		if got := secret.Get(h); got != value {
			t.Errorf("%T: the value is %v", h, got)
		}
	}
	secret.Delete(socket)
	if _, ok := secret.Lookup(found[0]); ok {
		t.Error("it is still there")
	}
}

// A description of a socket of this server hands out what is attached to the socket, not a copy of it, as it is then.
func TestRemoteSocketOfThisServerHasLiveValues(t *testing.T) {
	type state struct{ n int }
	s, c, socket := pair(t, nil)
	key := socketio.NewKey[*state]("state")
	first, second := &state{1}, &state{2}
	key.Set(socket, first)
	found, err := s.FetchSockets(deadline(t))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets, %v", len(found), err)
	}
	if got := key.Get(found[0]); got != first {
		t.Errorf("the value is %v, want the one that was set", got)
	}
	key.Set(socket, second)
	if got := key.Get(found[0]); got != second {
		t.Errorf("the value is %v, want the one that was set last", got)
	}
	if fields, ok := socketio.NewKey[map[string]any]("state").Lookup(found[0]); !ok || len(fields) != 0 {
		t.Errorf("as another type it is %v, %t", fields, ok)
	}
	_ = c.Close()
	eventually(t, "the end of the socket", func() bool { _, ok := s.Socket(socket.ID()); return !ok })
	if got := key.Get(found[0]); got == second || got == nil {
		t.Errorf("afterwards it is %v, want what the description says", got)
	}
}

// A local and a published key of one name would publish by accident what is not to be.
func TestLocalAndPublishedKeyOfOneNamePanic(t *testing.T) {
	_, _, socket := pair(t, nil)
	local, published := socketio.NewLocalKey[int]("n"), socketio.NewKey[int]("n")
	local.Set(socket, 1)
	for name, use := range map[string]func(){
		"Set":    func() { published.Set(socket, 2) },
		"Lookup": func() { published.Lookup(socket) },
		"Get":    func() { published.Get(socket) },
		"Delete": func() { published.Delete(socket) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			use()
		}()
	}
	if n := local.Get(socket); n != 1 {
		t.Errorf("the value is %d", n)
	}
	secret, told := socketio.NewLocalKey[int]("m"), socketio.NewKey[int]("m")
	told.Set(socket, 3)
	defer func() {
		if recover() == nil || told.Get(socket) != 3 {
			t.Error("a local key takes the place of a published one")
		}
	}()
	secret.Set(socket, 4)
}
