package engine

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // The protocol of WebSocket prescribes it.
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// openFrame returns the first packet of a session, which tells the client what it
// needs to know: https://socket.io/docs/v4/engine-io-protocol/#handshake
func (srv *Server) openFrame(s *Session, upgrades ...string) *packet.Frame {
	var buf [192]byte
	b := append(buf[:0], `{"sid":`...)
	b = scalar.AppendString(b, s.ID())
	b = append(b, `,"upgrades":[`...)
	for i, u := range upgrades {
		if i > 0 {
			b = append(b, ',')
		}
		b = scalar.AppendString(b, u)
	}
	b = append(b, `],"pingInterval":`...)
	b = strconv.AppendInt(b, srv.opts.PingInterval.Milliseconds(), 10)
	b = append(b, `,"pingTimeout":`...)
	b = strconv.AppendInt(b, srv.opts.PingTimeout.Milliseconds(), 10)
	b = append(b, `,"maxPayload":`...)
	b = strconv.AppendInt(b, srv.opts.MaxPayload, 10)
	b = append(b, '}')
	return packet.Text(packet.Open, string(b))
}

// serveWebSocket serves a request to change to WebSocket: a handshake, or the
// upgrade of a session.
func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, a admission) {
	if !srv.checkWebSocket(w, r) {
		return
	}
	if _, err := hijacker(w); err != nil {
		srv.refuse(w, r, true, refusal(NoWebSocket, "", err).warned(warnNoWebSocket))
		return
	}
	if a.transport != WebSocket {
		// The reference server does this too; there is nothing to talk about.
		srv.turnAway(w, r, srv.switching(w, r, nil, false))
		return
	}
	if a.session != nil {
		srv.upgradeSession(w, r, a.session)
		return
	}
	srv.openWebSocket(w, r)
}

// checkWebSocket checks what RFC 6455 wants of the request, and answers one that
// does not comply.
func (srv *Server) checkWebSocket(w http.ResponseWriter, r *http.Request) bool {
	refuse := func(status int, text string) bool {
		w.Header().Set("Connection", "close")
		http.Error(w, text, status)
		srv.report(r, &RequestError{Code: BadRequest, Message: text})
		return false
	}
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-Websocket-Key"))
	switch v := r.Header.Get("Sec-Websocket-Version"); {
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "Invalid HTTP method")
	case err != nil || len(key) != 16:
		return refuse(http.StatusBadRequest, "Missing or invalid Sec-WebSocket-Key header")
	case v != "13" && v != "8":
		w.Header().Set("Sec-Websocket-Version", "13, 8")
		return refuse(http.StatusBadRequest, "Missing or invalid Sec-WebSocket-Version header")
	}
	return true
}

// hijack takes the connection over. early is what the client has sent already
// and net/http has read; net/http's buffers are not kept. If that fails the request is
// refused.
func (srv *Server) hijack(w http.ResponseWriter, r *http.Request) (conn net.Conn, early []byte, err error) {
	h, err := hijacker(w)
	var rw *bufio.ReadWriter
	if err == nil {
		conn, rw, err = h.Hijack()
	}
	if err != nil {
		srv.refuse(w, r, true, refusal(NoWebSocket, "", fmt.Errorf("taking the connection over from a %T: %w", w, err)).warned(warnNoWebSocket))
		return nil, nil, err
	}
	// The deadlines of the http.Server are over.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		_, _ = io.ReadFull(rw.Reader, early)
	}
	return conn, early, nil
}

// switching returns the head of the answer that accepts a WebSocket.
func (srv *Server) switching(w http.ResponseWriter, r *http.Request, s *Session, initial bool) []byte {
	h := w.Header()
	if initial {
		srv.setCookie(h, s)
	}
	if srv.opts.Header != nil {
		srv.opts.Header(h, r, initial)
	}
	var b bytes.Buffer
	b.Grow(256)
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b.WriteString(acceptKey(r.Header.Get("Sec-Websocket-Key")))
	b.WriteString("\r\n")
	if p := firstProtocol(r); p != "" {
		b.WriteString("Sec-WebSocket-Protocol: " + p + "\r\n")
	}
	if len(h) > 0 {
		_ = h.WriteSubset(&b, map[string]bool{
			"Upgrade": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Transfer-Encoding": true,
			"Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
		})
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// acceptKey answers the client's key:
// https://datatracker.ietf.org/doc/html/rfc6455#section-4.2.2
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // See the import.
	return base64.StdEncoding.EncodeToString(sum[:])
}

// firstProtocol returns the first subprotocol that the client offers, if it is a
// token.
func firstProtocol(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ",")
	first = strings.Trim(first, " \t")
	for i := range len(first) {
		if c := first[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return ""
		}
	}
	return first
}

// openWebSocket opens a session on a WebSocket. It returns once the goroutine
// of the connection has been started, so that net/http can free what it keeps
// for a request.
func (srv *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	var c *wsConn
	s, refused := srv.open(r, func(s *Session) {
		c = &wsConn{session: s}
		// The output is owned until the answer has been written: what Accept
		// sends waits in the queue.
		s.conn, s.writing = c, true
	})
	if refused != nil {
		srv.refuse(w, r, true, refused)
		return
	}
	defer s.endOnPanic(true)
	head := srv.switching(w, r, s, true)
	conn, early, err := srv.hijack(w, r)
	if err != nil {
		// Nobody has heard of the session, so nobody is told of its end.
		s.end(ending{reason: TransportError, err: err})
		srv.tasks.Done()
		return
	}
	l := c.adopt(conn)
	s.mu.Lock()
	c.share(l)
	if s.State() == StateClosed {
		// It has ended before there was a connection to be closed.
		c.lingers = c.halfCloses()
	}
	s.mu.Unlock()
	srv.tasks.Add(1)
	s.accept()
	s.arm(srv.timers.pingInterval)
	srv.answerHandshake(s, head)
	c.start(early)
}

// answerHandshake writes the head of the answer and the first packet together,
// then whatever else is queued.
func (srv *Server) answerHandshake(s *Session, head []byte) {
	if err := writeLink(s.conn.link(), append(head, srv.openFrame(s).WebSocket()...), srv.opts.WriteTimeout); err != nil {
		s.end(ending{reason: TransportError, err: err, gone: true})
		s.conn.link().close() // which is left to us if something else has ended the session
		return
	}
	sc := srv.pool.Borrow()
	s.mu.Lock()
	s.write(sc)
	srv.pool.Return(sc)
}

// turnAway accepts a WebSocket only to close it, which is how the reference
// server refuses one that it has no use for.
func (srv *Server) turnAway(w http.ResponseWriter, r *http.Request, head []byte) {
	conn, _, err := srv.hijack(w, r)
	if err != nil {
		return
	}
	l := newNetLink(conn)
	if writeLink(l, append(head, packet.Control(ws.OpClose, nil).WebSocket()...), srv.opts.WriteTimeout) == nil && l.halfCloses() {
		l.closeWrite()
		l.drain(time.Now().Add(lingerTimeout))
	}
	l.close()
}
