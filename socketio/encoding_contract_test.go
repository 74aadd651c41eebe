package socketio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
)

// A packet names its attachments at most as often as it may have some: what is made of it could be far larger else.
func TestBinaryNamedOften(t *testing.T) {
	s := serve(t, nil).echo()
	const one = `{"_placeholder":true,"num":0}`
	eleven := strings.Repeat(one+",", 10) + one
	runRows(t, s, []row{
		{"event", []string{`> 51-["unknown",{"unknown":[` + eleven + `]}] | ` + bin("a"), "closed"}},
		{"acknowledgement", []string{`> 61-99[` + eleven + `] | ` + bin("a"), "closed"}},
		{"as often as allowed", []string{`> 51-["unknown",[` + eleven[len(one)+1:] + `]] | ` + bin("a"), "sync"}},
	})
}

// An answer that has come is not lost if the wait ends before anybody looks at it.
func TestAnswerBeforeTheDeadline(t *testing.T) {
	var (
		c   *client
		end func()
		id  int
	)
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{{Emitted: func(socketio.EmittedInfo) { // before it is sent
		c.send("3" + itoa(id) + "[1]") // as soon as the server awaits it
		c.sync()
		end()
	}}}}).echo()
	c, socket := s.joinSocket(t, "websocket", "/")
	for ; id < 50; id++ { // a choice between both would not fall the same way so often
		ctx, cancel := context.WithCancel(t.Context())
		end = cancel
		n, err := socketio.As[int](socket.EmitWithAck(ctx, "q"))
		cancel()
		if n != 1 || err != nil {
			t.Fatalf("the answer to question %d is %d (%v)", id, n, err)
		}
		c.question("q")
	}
}

var errRefused = errors.New("refused")

// A pickyParser does not take everything.
type pickyParser struct{ parser.Default }

func (p *pickyParser) Append(dst []byte, packet *adapter.Packet) ([]byte, bool, error) {
	switch {
	case bytes.HasPrefix(packet.Data, []byte(`["panic"`)):
		panic("not that")
	case bytes.HasPrefix(packet.Data, []byte(`["refused"`)), packet.HasID && bytes.HasPrefix(packet.Data, []byte(`["question"`)):
		return dst, false, errRefused
	}
	return p.Default.Append(dst, packet)
}

// What the packet format does not take is reported to the caller, and nobody gets it.
func TestEmitThatCannotBeEncoded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		parser parser.Parser
		event  string
		want   error
	}{
		{"more attachments than the parser takes", &parser.Default{MaxAttachments: 1}, "x", parser.ErrTooManyAttachments},
		{"parser of one's own", &pickyParser{}, "refused", errRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, socket := pair(t, &socketio.Options{Parser: tt.parser})
			ctx := deadline(t)
			for name, emit := range map[string]func(args ...any) error{
				"Emit to one": func(args ...any) error { return socket.Emit(tt.event, args...) },
				"Emit to all": func(args ...any) error { return s.Emit(tt.event, args...) },
				"EmitWithAck to one": func(args ...any) error {
					_, err := socket.EmitWithAck(ctx, tt.event, args...)
					return err
				},
				"EmitWithAck to all": func(args ...any) error {
					_, err := s.EmitWithAck(ctx, tt.event, args...)
					return err
				},
			} {
				if err := emit([]byte("a"), []byte("b")); !errors.Is(err, tt.want) {
					t.Errorf("%s returns %v", name, err)
				}
			}
			receivedAll(t, c, socket)
		})
	}
}

// hosting makes the adapter of the main namespace known to a test by what it gets to see of the server.
func hosting(host *adapter.Host) *socketio.Options {
	return &socketio.Options{Parser: &pickyParser{}, Adapter: func(h adapter.Host) adapter.Adapter {
		*host = h
		return adapter.NewMemory(h)
	}}
}

// A question that only turns out to be impossible when it is to be sent is waited for by nobody.
func TestQuestionThatCannotBeEncoded(t *testing.T) {
	var host adapter.Host
	s, c, socket := pair(t, hosting(&host))
	if all, err := s.EmitWithAck(deadline(t), "question"); len(all) != 0 || err != nil {
		t.Errorf("%d answers (%v)", len(all), err)
	}
	peer, _ := host.Peer(socket.ID())
	var answers []bool
	stop := host.DeliverWithAck(&adapter.Packet{Type: adapter.Event, Namespace: "/", Data: []byte(`["refused"]`)}, []adapter.Peer{peer},
		adapter.Flags{}, func(_ adapter.Reply, ok bool) { answers = append(answers, ok) })
	stop()
	if len(answers) != 1 || answers[0] {
		t.Errorf("the answers are %v", answers)
	}
	receivedAll(t, c, socket)
}

// A parser that panics does so once for a broadcast. If the adapter goes on with it nobody gets it.
func TestBroadcastAfterPanic(t *testing.T) {
	var host adapter.Host
	_, c, socket := pair(t, hosting(&host))
	peer, _ := host.Peer(socket.ID())
	p := &adapter.Packet{Type: adapter.Event, Namespace: "/", Data: []byte(`["panic"]`)}
	deliver := func() (panicked any) {
		defer func() { panicked = recover() }()
		host.Deliver(p, []adapter.Peer{peer}, adapter.Flags{})
		return nil
	}
	if deliver() == nil {
		t.Error("the parser has not panicked")
	}
	if v := deliver(); v != nil {
		t.Errorf("the second time it panics with %v", v)
	}
	receivedAll(t, c, socket)
}

// marshalFunc is a value that encodes itself.
type marshalFunc func() error

func (f marshalFunc) MarshalJSON() ([]byte, error) { return []byte("0"), f() }

var _ json.Marshaler = marshalFunc(nil)

// An answer that cannot be encoded keeps no other one from being sent, not even while it is being encoded.
func TestAckBesideOneThatFails(t *testing.T) {
	s := serve(t, nil).echo()
	acks := make(chan func(...any) error, 1)
	s.Handle("x", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		acks <- e.AckFunc()
		return nil
	}))
	c := s.join(t, "websocket")

	c.send(`21["x"]`)
	ack := await(t, "the event", acks)
	at, goOn, failed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		failed <- ack(marshalFunc(func() error { close(at); <-goOn; return errRefused }))
	}()
	await(t, "the encoding", at)
	if err := ack("meanwhile"); err != nil {
		t.Errorf("acknowledging while another answer is encoded gives %v", err)
	}
	close(goOn)
	if err := await(t, "the failure", failed); !errors.Is(err, errRefused) {
		t.Errorf("the answer that fails gives %v", err)
	}
	c.expect(`31["meanwhile"]`)

	c.send(`22["x"]`)
	ack = await(t, "the event", acks)
	func() {
		defer func() { _ = recover() }()
		_ = ack(marshalFunc(func() error { panic("not that") }))
	}()
	if err := ack("afterwards"); err != nil {
		t.Errorf("acknowledging after a panic gives %v", err)
	}
	c.expect(`32["afterwards"]`)
	if err := ack("again"); !errors.Is(err, socketio.ErrAlreadyAcked) {
		t.Errorf("acknowledging again gives %v", err)
	}
	c.sync()
}

// An answer that the packet format does not take keeps no other one from being sent.
func TestAckThatCannotBeSent(t *testing.T) {
	s, c, socket := pair(t, &socketio.Options{Parser: &pickyParser{}})
	for name, ack := range map[string]func(*socketio.Event) func(...any) error{
		"at once": func(e *socketio.Event) func(...any) error { return e.Ack },
		"later":   (*socketio.Event).AckFunc,
	} {
		s.Handle(name, socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
			ack := ack(e)
			if err := ack("refused"); !errors.Is(err, errRefused) {
				t.Errorf("%s: the answer that is refused gives %v", name, err)
			}
			if err := ack("fine"); err != nil {
				t.Errorf("%s: another answer gives %v", name, err)
			}
			if err := ack("again"); !errors.Is(err, socketio.ErrAlreadyAcked) {
				t.Errorf("%s: acknowledging again gives %v", name, err)
			}
			return nil
		}))
	}
	for _, event := range []string{"at once", "later"} {
		if got := answer(t, c, event); got != `["fine"]` {
			t.Errorf("%s: the answer is %s", event, got)
		}
	}
	receivedAll(t, c, socket)
}
