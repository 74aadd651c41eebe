package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// poller is a client that polls. What is written to it are frames, whose messages wait
// for its polls.
type poller struct{ messages chan string }

// maxWaiting is how many messages may wait for a poll.
const maxWaiting = 16

// Write queues the message of a frame.
func (p *poller) Write(frame []byte) (int, error) {
	header := 2
	if frame[1] == 126 {
		header = 4
	}
	select {
	case p.messages <- string(frame[header:]):
		return len(frame), nil
	default:
		return 0, errUnsupported
	}
}

// Close does nothing: nobody keeps a client that polls from going.
func (p *poller) Close() error { return nil }

// servePolling serves a request of a client that polls, or will.
func (h *hub) servePolling(w http.ResponseWriter, r *http.Request) {
	sid := r.URL.Query().Get("sid")
	if sid == "" {
		h.open(w)
		return
	}
	h.mu.RLock()
	p := h.pollers[sid]
	h.mu.RUnlock()
	switch {
	case p == nil:
		http.Error(w, "unknown session", http.StatusBadRequest)
	case r.Method == http.MethodPost:
		h.receive(w, r, p)
	default:
		select {
		case msg := <-p.messages:
			_, _ = io.WriteString(w, msg)
		case <-r.Context().Done():
		}
	}
}

// open answers the first request of a client.
func (h *hub) open(w http.ResponseWriter) {
	h.mu.Lock()
	sid := strconv.Itoa(len(h.pollers))
	h.pollers[sid] = &poller{messages: make(chan string, maxWaiting)}
	h.mu.Unlock()
	_, _ = io.WriteString(w, `0{"sid":"`+sid+`","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
}

// receive handles the messages of a request.
func (h *hub) receive(w http.ResponseWriter, r *http.Request, p *poller) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1e6))
	if err != nil {
		return
	}
	for msg := range strings.SplitSeq(string(body), "\x1e") {
		if err := h.handle(p, []byte(msg)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	_, _ = io.WriteString(w, "ok")
}
