package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A trap is an error whose Unwrap panics.
type trap struct{}

func (trap) Error() string { return "it failed" }
func (trap) Unwrap() error { panic("it panicked while unwrapping") }

// Errors that hold a nil pointer, or data that cannot be encoded, are answered like any other error and harm nobody.
func TestErrorsThatCannotBeTold(t *testing.T) {
	errs := map[string]error{
		"nil Error":             (*socketio.Error)(nil),
		"nil ArgError":          (*socketio.ArgError)(nil),
		"nil PanicError":        (*socketio.PanicError)(nil),
		"nil AckTimeoutError":   (*socketio.AckTimeoutError)(nil),
		"wrapped nil Error":     fmt.Errorf("wrapped: %w", (*socketio.Error)(nil)),
		"joined nil ArgError":   errors.Join(errors.New("it failed"), (*socketio.ArgError)(nil)),
		"panic in Unwrap":       trap{},
		"data without JSON":     &socketio.Error{Message: "m", Data: make(chan int)},
		"data that fails":       &socketio.Error{Message: "m", Data: failing{}},
		"data that panics":      &socketio.Error{Message: "m", Data: panicking{}},
		"data of a wrapped one": fmt.Errorf("wrapped: %w", &socketio.Error{Message: "m", Data: panicking{}}),
	}
	for name, err := range errs {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				fail := func(context.Context, *socketio.Socket) error { return err }
				s.Of("/guard").Use(fail)
				s.Of("/connect").OnConnect(fail)
				s.Handle("x", socketio.HandlerFunc(func(context.Context, *socketio.Event) error { return err }))
				s.join(t, transport).run(
					`> 0/guard,`, `< 4/guard,{"message":"internal error"}`, "sync",
					`> 0/connect,`, `< 0/connect,{"sid":"*"}`, "sync",
					`> 21["x"]`, `< 31[{"error":{"message":"internal error"}}]`, "sync",
					`> 2["x"]`, "sync",
				)
			})
		})
	}
}

// spoilsport returns an observer that panics whatever it is told.
func spoilsport(t *testing.T) socketio.Observer {
	t.Helper()
	var o socketio.Observer
	panics := func([]reflect.Value) []reflect.Value { panic("it observed") }
	for v, i := reflect.ValueOf(&o).Elem(), 0; i < v.NumField(); i++ {
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), panics))
	}
	return o
}

// Observers that panic change nothing for the clients, nor for the observers after them.
func TestObserversThatPanic(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		w := &watcher{}
		s := serve(t, &socketio.Options{Observers: []socketio.Observer{spoilsport(t), w.observer()}}).echo()
		s.Of("/guard").Use(func(context.Context, *socketio.Socket) error { return errors.New("no") })
		bye := new(goodbyes).watch(s.Namespace)
		c, socket := s.joinSocket(t, transport, "/")
		if err := errors.Join(socket.Emit("one"), s.Emit("all")); err != nil {
			t.Error(err)
		}
		c.run(`< 2["one"]`, `< 2["all"]`, `> 0/guard,`, `< 4/guard,{"message":"internal error"}`, "sync")
		want := []string{"/: server namespace disconnect"}
		socket.Disconnect(false)
		c.expect("1")
		for range 40 { // more than may be busy
			c.connect("/", "")
			c.send("1")
			want = append(want, "/: client namespace disconnect")
			bye.expect(t, want...)
		}
		c.connect("/", "")
		c.run("sync", "> x", "closed")
		bye.expect(t, append(want, "/: forced close")...)
		for _, part := range []string{"connect /", "disconnect /", "refusal /guard no", "event echo", "emit / one", "bad input"} {
			eventually(t, "the other observer is told of "+part, func() bool { return strings.Contains(strings.Join(w.read(), "\n"), part) })
		}
		if !strings.Contains(s.log.String(), "it observed") {
			t.Error("the panics are not logged")
		}
	})
}

// A value attached to a socket that panics while it is encoded is left out of the description.
func TestDataThatPanics(t *testing.T) {
	s, _, socket := pair(t, nil)
	socketio.NewKey[panicking]("bad").Set(socket, panicking{})
	socketio.NewKey[int]("good").Set(socket, 7)
	found, err := s.FetchSockets(deadline(t))
	if err != nil || len(found) != 1 || string(found[0].Data()) != `{"good":7}` {
		t.Errorf("found %v (%v)", found, err)
	}
}

// A latin1 is a type that encodes itself, in the wrong way.
type latin1 string

func (l latin1) MarshalJSON() ([]byte, error) { return []byte(`"` + string(l) + `"`), nil }

// JSON of the user's that is not UTF-8 is repaired, or every client of a WebSocket would close its connection.
func TestInvalidUTF8IsRepaired(t *testing.T) {
	s := serve(t, nil).echo()
	raw := map[string]any{"a": json.RawMessage("\"\xff\""), "b": latin1("\xe9")}
	const repaired = `{"a":"` + "\ufffd" + `","b":"` + "\ufffd" + `"}`
	s.Of("/guard").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "no", Data: raw} })
	socketio.OnWithAck(s, "raw", func(context.Context, *socketio.Socket, socketio.None) (any, error) { return raw, nil })
	socketio.OnWithAck(s, "fails", func(context.Context, *socketio.Socket, socketio.None) (int, error) {
		return 0, &socketio.Error{Message: "no", Data: raw}
	})
	eachTransport(t, func(t *testing.T, transport string) {
		c, socket := s.joinSocket(t, transport, "/")
		if err := errors.Join(socket.Emit("x", raw), s.To(socket.ID()).Emit("y", raw, []byte("z"))); err != nil {
			t.Error(err)
		}
		c.run(
			`< 2["x",`+repaired+`]`, `< 51-["y",`+repaired+`,{"_placeholder":true,"num":0}]`, "< "+bin("z"),
			`> 21["raw"]`, `< 31[`+repaired+`]`,
			`> 21["fails"]`, `< 31[{"error":{"message":"no","data":`+repaired+`}}]`,
			`> 0/guard,`, `< 4/guard,{"message":"no","data":`+repaired+`}`, "sync",
		)
	})
}
