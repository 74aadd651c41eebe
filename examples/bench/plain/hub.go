package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// errUnsupported ends the connection of a client that does more than the contract
// asks for.
var errUnsupported = errors.New("not in the measuring contract")

// hub holds the rooms.
type hub struct {
	mu      sync.RWMutex
	rooms   map[string][]io.WriteCloser
	pollers map[string]*poller
}

func newHub() *hub {
	return &hub{rooms: map[string][]io.WriteCloser{}, pollers: map[string]*poller{}}
}

// ServeHTTP accepts a WebSocket and leaves it to a goroutine, or serves a request of a
// client that polls.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		h.servePolling(w, r)
		return
	}
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	if _, err := conn.Write(frame(`0{"sid":"plain","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)); err != nil {
		conn.Close()
		return
	}
	go h.serve(conn, rw.Reader)
}

// serve reads one connection until it ends.
func (h *hub) serve(conn net.Conn, r *bufio.Reader) {
	defer h.leave(conn)
	var buf []byte
	for {
		msg, err := readMessage(r, &buf)
		if err != nil || h.handle(conn, msg) != nil {
			return
		}
	}
}

// handle does what one message asks for.
func (h *hub) handle(conn io.WriteCloser, msg []byte) (err error) {
	if string(msg) == "40" {
		_, err = conn.Write(frame(`40{"sid":"plain"}`))
		return err
	}
	id, args, found := bytes.Cut(bytes.TrimPrefix(msg, []byte("42")), []byte(`["`))
	event, rest, _ := bytes.Cut(args, []byte(`",`))
	rest = bytes.TrimSuffix(rest, []byte("]"))
	if !found {
		return errUnsupported
	}
	switch string(event) {
	case "echo":
		_, err = conn.Write(frame("43" + string(id) + "[" + string(rest) + "]"))
	case "join":
		h.join(conn, string(bytes.Trim(rest, `"`)))
		_, err = conn.Write(frame("43" + string(id) + "[]"))
	case "pub":
		room, payload, _ := bytes.Cut(rest, []byte(","))
		h.publish(string(bytes.Trim(room, `"`)), frame(`42["msg",`+string(payload)+"]"))
	case "wait":
		err = wait(conn, rest)
	case "spin":
		err = spin(rest)
	case "burst":
		err = burst(conn, rest)
	default:
		err = errUnsupported
	}
	return err
}

// join adds a member to a room.
func (h *hub) join(conn io.WriteCloser, room string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rooms[room] = append(h.rooms[room], conn)
}

// publish writes a frame to each member of a room.
func (h *hub) publish(room string, frame []byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, conn := range h.rooms[room] {
		_, _ = conn.Write(frame) // whoever is gone is noticed by the goroutine that reads
	}
}

// leave closes a connection and removes it from all rooms.
func (h *hub) leave(conn io.WriteCloser) {
	conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for room, members := range h.rooms {
		h.rooms[room] = slices.DeleteFunc(members, func(c io.WriteCloser) bool { return c == conn })
	}
}

// frame returns the frame of a text message.
func frame(msg string) []byte {
	const text = 0x81
	b := make([]byte, 0, len(msg)+4)
	if len(msg) < 126 {
		b = append(b, text, byte(len(msg)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, text, 126), uint16(len(msg)))
	}
	return append(b, msg...)
}

// readMessage reads a masked frame of less than 64 KB into buf.
func readMessage(r *bufio.Reader, buf *[]byte) ([]byte, error) {
	h, err := ws.ReadHeader(r)
	switch {
	case err != nil:
		return nil, err
	case !h.Fin || !h.Masked || h.Length > 0xffff || h.OpCode == ws.OpClose:
		return nil, errUnsupported
	}
	*buf = slices.Grow((*buf)[:0], int(h.Length))[:h.Length]
	if _, err := io.ReadFull(r, *buf); err != nil {
		return nil, err
	}
	ws.Cipher(*buf, h.Mask, 0)
	return *buf, nil
}
