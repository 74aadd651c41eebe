package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// admission is the outcome of looking at a request.
type admission struct {
	query
	upgrade   bool     // the request asks for a WebSocket
	preflight bool     // the request is a CORS preflight
	departed  bool     // the request is the last poll of a client that has closed
	session   *Session // the session that the request belongs to, if any
	refused   *RequestError
}

// query holds the parameters of the protocol.
type query struct {
	transport, sid, eio string
}

// parseQuery reads the parameters. Of repeated ones the last counts, and odd
// encodings are taken as they are, like in the reference server.
func parseQuery(raw string) (q query) {
	for part := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(part, "=")
		var dst *string
		switch key {
		case "transport":
			dst = &q.transport
		case "sid":
			dst = &q.sid
		case "EIO":
			dst = &q.eio
		default:
			continue
		}
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		*dst = value
	}
	return q
}

// admit decides on a request before anything is done for it, in the order of the
// reference server, and sets the CORS headers of the answer.
func (srv *Server) admit(w http.ResponseWriter, r *http.Request) (a admission) {
	a.query = parseQuery(r.URL.RawQuery)
	a.upgrade = asksForWebSocket(r) && slices.Contains(srv.opts.Transports, WebSocket)
	if c := srv.opts.CORS; c != nil {
		if !c.apply(w.Header(), r) {
			a.refused = refusal(Forbidden, detailOrigin, nil).warned(warnOrigin)
			return a
		}
		if r.Method == http.MethodOptions {
			a.preflight = true
			return a
		}
	}
	switch {
	case !slices.Contains(srv.opts.Transports, a.transport):
		a.refused = refusal(UnknownTransport, "unknown transport", nil)
	case !validHeaderValue(r.Header.Get("Origin")):
		a.refused = refusal(BadRequest, "invalid origin header", nil)
	case a.sid != "":
		srv.admitKnown(r, &a)
	default:
		srv.admitNew(r, &a)
	}
	return a
}

// detailTransport marks requests for a transport that the session does not use.
const detailTransport = "the session uses another transport"

// admitKnown looks for the session that a request belongs to.
func (srv *Server) admitKnown(r *http.Request, a *admission) {
	s := srv.session(a.sid)
	switch {
	case s == nil && r.Method == http.MethodGet && a.transport == Polling && srv.takeDeparted(a.sid):
		a.departed = true
	case s == nil || s.timedOut():
		a.refused = refusal(UnknownSession, "unknown session", nil)
	case !a.upgrade && s.Transport() != a.transport:
		a.refused = refusal(BadRequest, detailTransport, nil)
	case a.eio != "4":
		a.refused = refusal(BadRequest, "the session uses another protocol version", nil)
	default:
		a.session = s
	}
}

// admitNew decides on a handshake.
func (srv *Server) admitNew(r *http.Request, a *admission) {
	switch {
	case r.Method != http.MethodGet:
		a.refused = refusal(BadHandshakeMethod, "the method of a handshake is GET", nil)
		return
	case a.transport == WebSocket && !a.upgrade:
		a.refused = refusal(BadRequest, "not a websocket handshake", nil)
		return
	}
	if n := handshakeSize(r); n > srv.opts.MaxHandshakeBytes {
		a.refused = refusal(HandshakeTooLarge, fmt.Sprintf("host, URL and headers have %d bytes", n), nil)
		return
	}
	srv.mu.RLock()
	err := srv.full()
	srv.mu.RUnlock()
	if err != nil {
		a.refused = refusal(Unavailable, "", err)
		return
	}
	if allow := srv.opts.AllowRequest; allow != nil {
		if err := allow(r); err != nil {
			a.refused = refusal(Forbidden, "refused by AllowRequest", err)
			switch e, ok := errors.AsType[*RefusedError](err); {
			case !ok:
				a.refused.warning = warnAllow
			case e.Message != "":
				a.refused.Message = e.Message
			}
			return
		}
	}
	if a.eio != "4" {
		a.refused = refusal(UnsupportedProtocol, "EIO must be 4", nil)
	}
	if a.eio == "3" {
		a.refused.warning = warnOldClient
	}
}

// open makes the session of a handshake and registers it.
func (srv *Server) open(r *http.Request, prepare func(s *Session)) (*Session, *RequestError) {
	id, err := srv.opts.NewID(r)
	if err == nil && id == "" {
		err = errors.New("the id is empty")
	}
	if err != nil {
		return nil, refusal(BadRequest, "making the session's id", err).warned(warnID)
	}
	s := srv.newSession(srv.handshakes.make(id, r))
	s.keepValues(r)
	prepare(s)
	switch err := srv.register(s); {
	case errors.Is(err, errDuplicateID):
		return nil, refusal(BadRequest, "making the session's id", err).warned(warnID)
	case err != nil:
		return nil, refusal(Unavailable, "", err)
	}
	return s, nil
}

// asksForWebSocket reports whether a request asks for the change to WebSocket.
// Other protocols that a client offers to change to are ignored.
func asksForWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && hasToken(r.Header["Connection"], "upgrade") && hasToken(r.Header["Upgrade"], "websocket")
}

// hasToken looks for a token in the comma-separated values of a header.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// validHeaderValue reports whether a value has no control characters.
func validHeaderValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
