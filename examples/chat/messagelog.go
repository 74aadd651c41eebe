package main

import "sync"

// How much is remembered for those who join later: the last messages of the rooms in which something was said last.
const (
	keepMessages = 50
	keepRooms    = 1000
)

// messageLog remembers the last messages of each room, in memory. It is safe for concurrent use.
type messageLog struct {
	mu    sync.Mutex
	rooms map[string]*roomLog
	spoke uint64 // counts the messages
}

type roomLog struct {
	messages []message
	last     uint64 // the count of its last message
}

func newMessageLog() *messageLog { return &messageLog{rooms: map[string]*roomLog{}} }

// add remembers a message, and forgets the oldest one of a full room and the longest silent of too many rooms.
func (l *messageLog) add(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[m.Room]
	if r == nil {
		r = &roomLog{}
		l.rooms[m.Room] = r
	}
	if len(r.messages) == keepMessages {
		r.messages = append(r.messages[:0], r.messages[1:]...)
	}
	r.messages = append(r.messages, m)
	l.spoke++
	r.last = l.spoke
	if len(l.rooms) > keepRooms {
		l.forgetOldest()
	}
}

func (l *messageLog) forgetOldest() {
	oldest, last := "", l.spoke+1
	for name, r := range l.rooms {
		if r.last < last {
			oldest, last = name, r.last
		}
	}
	delete(l.rooms, oldest)
}

// of returns the messages remembered of a room, the oldest first.
func (l *messageLog) of(name string) []message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.rooms[name]; r != nil {
		return append([]message{}, r.messages...)
	}
	return []message{}
}
