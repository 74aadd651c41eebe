package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// Answers that do not fit are reported one by one; those that do are returned nevertheless.
func TestAllAs(t *testing.T) {
	s := siotest.New(t, nil)
	clients := []*siotest.Client{s.Connect(nil), s.Connect(nil), s.Connect(nil)}
	asked := askAll(deadline(t), s)
	for i, args := range [][]any{{1}, {"x"}, {}} {
		if err := received(t, clients[i], "q").Ack(args...); err != nil {
			t.Fatal(err)
		}
	}
	got := await(t, "the answers", asked)
	all, err := socketio.AllAs[int](got.all, got.err)
	if !slices.Equal(all, []int{1}) {
		t.Errorf("the answers that fit are %v", all)
	}
	e, ok := errors.AsType[*socketio.ArgError](err)
	if !ok || e.Event != "" || !errors.Is(err, socketio.ErrNoArgument) || !strings.Contains(err.Error(), "argument 0 of the answer") {
		t.Errorf("the error is %v", err)
	}
	failed := errors.New("it failed")
	if v, err := socketio.As[int](socketio.Args{}, failed); v != 0 || !errors.Is(err, failed) {
		t.Errorf("an error is passed on as %v, %v", v, err)
	}
	if _, err := socketio.As[int](socketio.Args{}, nil); !errors.Is(err, socketio.ErrNoArgument) {
		t.Errorf("an answer without arguments gives %v", err)
	}
}

// Arguments can be looked at without decoding them.
func TestArgsUndecoded(t *testing.T) {
	s, c, socket := pair(t, nil)
	got := make(chan socketio.Args, 1)
	socketio.On(s, "x", func(_ context.Context, _ *socketio.Socket, a socketio.Args) error {
		got <- a
		return nil
	})
	if err := c.Emit("x", map[string][]byte{"a": []byte("blob")}, 2); err != nil {
		t.Fatal(err)
	}
	a := await(t, "the event", got)
	if a.Len() != 2 || string(a.Raw(0)) != `{"a":{"_placeholder":true,"num":0}}` || string(a.Raw(1)) != "2" || a.Raw(2) != nil || a.Raw(-1) != nil {
		t.Errorf("the arguments are %s and %s", a.Raw(0), a.Raw(1))
	}
	if list := a.Attachments(); len(list) != 1 || string(list[0]) != "blob" {
		t.Errorf("the attachments are %q", list)
	}
	if err := a.Decode(2, new(int)); !errors.Is(err, socketio.ErrNoArgument) {
		t.Errorf("a missing argument gives %v", err)
	}
	answer := make(chan asked, 1)
	go func() {
		a, err := socket.Compress(false).EmitWithAck(context.Background(), "q")
		answer <- asked{a, err}
	}()
	if err := received(t, c, "q").Ack(5); err != nil {
		t.Fatal(err)
	}
	if r := await(t, "the answer", answer); r.err != nil || string(r.args.Raw(0)) != "5" {
		t.Errorf("the answer is %v (%v)", r.args, r.err)
	}
}

// Errors say what was being done.
func TestErrorTexts(t *testing.T) {
	deadline := &socketio.AckTimeoutError{Event: "save", Answers: 2, Err: context.DeadlineExceeded}
	for _, tt := range []struct {
		err   error
		words []string
	}{
		{deadline, []string{"save", "2", "deadline"}},
		{&socketio.Error{Message: "quota"}, []string{"quota"}},
		{&socketio.ArgError{Event: "move", Index: 1, Err: socketio.ErrNoArgument}, []string{"move", "1", "no such argument"}},
		{&socketio.PanicError{Value: "boom"}, []string{"panic", "boom"}},
	} {
		for _, word := range tt.words {
			if !strings.Contains(tt.err.Error(), word) {
				t.Errorf("%T does not mention %q: %v", tt.err, word, tt.err)
			}
		}
	}
	if !deadline.Timeout() || !errors.Is(deadline, context.DeadlineExceeded) {
		t.Error("a timeout is none")
	}
}

// A handshake of another server can be read, however its query and headers repeat.
func TestHandshakeJSON(t *testing.T) {
	h := socketio.Handshake{
		Header: map[string][]string{"X-A": {"1", "2"}, "Cookie": {"a=1", "b=2"}, "Set-Cookie": {"c=3", "d=4"}},
		Query:  url.Values{"one": {"1"}, "two": {"1", "2"}}, URL: "/socket.io/", Auth: json.RawMessage(`{"a":1}`),
	}
	raw, err := json.Marshal(&h)
	if err != nil {
		t.Fatal(err)
	}
	var shape struct{ Headers, Query json.RawMessage }
	if err := json.Unmarshal(raw, &shape); err != nil {
		t.Fatal(err)
	}
	if got, want := string(shape.Headers), `{"cookie":"a=1; b=2","set-cookie":["c=3","d=4"],"x-a":"1, 2"}`; got != want {
		t.Errorf("headers are %s, want %s", got, want)
	}
	if got, want := string(shape.Query), `{"one":"1","two":["1","2"]}`; got != want {
		t.Errorf("query is %s, want %s", got, want)
	}
	var back socketio.Handshake
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Query["two"], []string{"1", "2"}) || back.Header.Get("X-A") != "1, 2" || !slices.Equal(back.Header["Set-Cookie"], []string{"c=3", "d=4"}) {
		t.Errorf("read back it is %+v", back)
	}
	if err := json.Unmarshal([]byte(`{"query":[]}`), &back); err == nil {
		t.Error("a query that is a list was read")
	}
}

// wholeParser sends each packet as one binary message.
type wholeParser struct{ parser.Default }

func (p *wholeParser) Append(dst []byte, packet *adapter.Packet) ([]byte, bool, error) {
	dst, _, err := p.Default.Append(append(dst, "whole:"...), packet)
	for _, a := range packet.Attachments {
		dst = append(append(dst, '|'), a...)
	}
	return dst, true, err
}

// The packet format can be replaced, also by one whose packets are binary.
func TestParser(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, &socketio.Options{Parser: &wholeParser{}})
		s.OnConnect(func(_ context.Context, sock *socketio.Socket) error {
			return errors.Join(sock.Emit("one", []byte("blob")), s.Emit("all", 1))
		})
		c := s.open(t, transport)
		c.send("0")
		if m := c.next(); !strings.HasPrefix(m, strings.TrimRight(bin(`whole:0{"sid":"`), "=")[:20]) {
			t.Errorf("CONNECT is answered with %q", m)
		}
		c.expect(bin(`whole:51-["one",{"_placeholder":true,"num":0}]|blob`), bin(`whole:2["all",1]`))
	})
}
