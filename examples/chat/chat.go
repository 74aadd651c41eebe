package main

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
)

// The events of the chat. The ones that clients send are calls: they are answered.
const (
	join    socketio.CallOf[string, room]    = "join"
	say     socketio.CallOf[string, message] = "message"
	typing  socketio.EventOf[socketio.None]  = "typing"
	typist  socketio.EventOf[member]         = "typing"
	said    socketio.EventOf[message]        = "message"
	joined  socketio.EventOf[member]         = "joined"
	left    socketio.EventOf[member]         = "left"
	history                                  = "said" // from node to node: what to remember
)

// member is a user in a room.
type member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// message is what a member has said in a room.
type message struct {
	ID   string    `json:"id"`
	Room string    `json:"room"`
	From member    `json:"from"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// room is what somebody who joins a room finds there.
type room struct {
	Members []member  `json:"members"`
	History []message `json:"history"`
}

// What is attached to each socket; other nodes of the cluster see it, too.
var (
	nameKey = socketio.NewKey[string]("name")
	roomKey = socketio.NewKey[string]("room")
)

type chat struct {
	io  *socketio.Server
	log *messageLog
}

// newChat returns a Socket.IO server that serves the chat, with the adapter given.
func newChat(f adapter.Factory) *socketio.Server {
	io := socketio.NewServer(&socketio.Options{Adapter: f})
	c := &chat{io: io, log: newMessageLog()}
	io.Use(admit)
	join.Handle(io, c.join)
	say.Handle(io, c.say)
	typing.Handle(io, c.typing)
	io.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) { _ = c.leave(s) })
	socketio.OnServer(io, history, func(_ context.Context, m message) error {
		c.log.add(m)
		return nil
	})
	return io
}

// admit is the guard of the chat: everybody has a name.
func admit(_ context.Context, s *socketio.Socket) error {
	var auth struct{ Name string }
	if err := s.Auth(&auth); err != nil || !valid(auth.Name, 32) {
		return &socketio.Error{Message: "a name has 1 to 32 characters"}
	}
	nameKey.Set(s, strings.TrimSpace(auth.Name))
	return nil
}

// join moves a socket into a room and tells it who is there, on any node, and what was said before.
func (c *chat) join(ctx context.Context, s *socketio.Socket, name string) (room, error) {
	if !valid(name, 32) {
		return room{}, &socketio.Error{Message: "a room has 1 to 32 characters"}
	}
	if name != roomKey.Get(s) {
		if err := c.leave(s); err != nil {
			return room{}, err
		}
		s.Join(name)
		roomKey.Set(s, name)
		if err := joined.Emit(s.To(name), memberOf(s)); err != nil {
			return room{}, err
		}
	}
	sockets, err := c.io.To(name).FetchSockets(ctx)
	if err != nil {
		return room{}, err
	}
	r := room{Members: []member{}, History: c.log.of(name)}
	for _, other := range sockets {
		r.Members = append(r.Members, member{ID: other.ID(), Name: nameKey.Get(other)})
	}
	return r, nil
}

// leave takes a socket out of its room, if it is in one.
func (c *chat) leave(s *socketio.Socket) error {
	name := roomKey.Get(s)
	if name == "" {
		return nil
	}
	s.Leave(name)
	roomKey.Delete(s)
	return left.Emit(c.io.To(name), memberOf(s))
}

// say sends what a member says to everybody in the room, and to the other nodes to remember.
func (c *chat) say(ctx context.Context, s *socketio.Socket, text string) (message, error) {
	name := roomKey.Get(s)
	switch {
	case !valid(text, 2000):
		return message{}, &socketio.Error{Message: "a message has 1 to 2000 characters"}
	case name == "":
		return message{}, &socketio.Error{Message: "join a room first"}
	}
	m := message{ID: rand.Text(), Room: name, From: memberOf(s), Text: text, At: time.Now()}
	c.log.add(m)
	if err := c.io.ServerEmit(ctx, history, m); err != nil {
		return message{}, err
	}
	return m, said.Emit(c.io.To(name), m)
}

// typing tells the others in the room that a member is typing; nobody minds if it is lost.
func (c *chat) typing(_ context.Context, s *socketio.Socket, _ socketio.None) error {
	if name := roomKey.Get(s); name != "" {
		return typist.Emit(s.To(name).Volatile(), memberOf(s))
	}
	return nil
}

func memberOf(s *socketio.Socket) member { return member{ID: s.ID(), Name: nameKey.Get(s)} }

// valid reports whether text has something in it and at most limit characters.
func valid(text string, limit int) bool {
	return strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= limit
}
