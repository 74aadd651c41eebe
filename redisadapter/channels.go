package redisadapter

import "strings"

// channels are the names that one namespace uses on Redis.
type channels struct {
	broadcast string // a room's broadcasts add the room and a "#"
	request   string
	response  string // a node's own responses add its uid and a "#"
}

func channelsOf(key, namespace string) channels {
	return channels{
		broadcast: key + "#" + namespace + "#",
		request:   key + "-request#" + namespace + "#",
		response:  key + "-response#" + namespace + "#",
	}
}

// room returns the channel of the broadcasts to a single room.
func (c channels) room(name string) string { return c.broadcast + name + "#" }

// roomOf returns the room of a broadcast channel, "" for that of all others.
// Its last character is not looked at, as it is not in Node.js.
func (c channels) roomOf(channel string) (string, bool) {
	name, ok := strings.CutPrefix(channel, c.broadcast)
	if name != "" {
		name = name[:len(name)-1]
	}
	return name, ok
}

// answers returns the channel of the responses to a single node.
func (c channels) answers(uid string) string { return c.response + uid + "#" }

// topics are what a node with that uid listens to.
func (c channels) topics(uid string) []topic {
	return []topic{
		{name: escapeGlob(c.broadcast) + "*", pattern: true},
		{name: c.request},
		{name: c.response},
		{name: c.answers(uid)},
	}
}

// escapeGlob makes a text match itself alone in a PSUBSCRIBE.
func escapeGlob(text string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`).Replace(text)
}
