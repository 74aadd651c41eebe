package engine

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Code is the reason for refusing a request, as the client is told.
type Code int

// The codes of the protocol, and two of our own.
const (
	UnknownTransport    Code = 0
	UnknownSession      Code = 1
	BadHandshakeMethod  Code = 2
	BadRequest          Code = 3
	Forbidden           Code = 4
	UnsupportedProtocol Code = 5
	// Unavailable: the server is draining, or has as many sessions as
	// Options.MaxSessions allows. It is answered with status 503.
	Unavailable Code = 6
	// HandshakeTooLarge: the handshake exceeds Options.MaxHandshakeBytes. It is
	// answered with status 431.
	HandshakeTooLarge Code = 7
)

// message returns the text that the client is told.
func (c Code) message() string {
	switch c {
	case UnknownTransport:
		return "Transport unknown"
	case UnknownSession:
		return "Session ID unknown"
	case BadHandshakeMethod:
		return "Bad handshake method"
	case Forbidden:
		return "Forbidden"
	case UnsupportedProtocol:
		return "Unsupported protocol version"
	case Unavailable:
		return "Server unavailable"
	case HandshakeTooLarge:
		return "Handshake too large"
	default:
		return "Bad request"
	}
}

// status returns the HTTP status of the answer.
func (c Code) status() int {
	switch c {
	case Forbidden:
		return http.StatusForbidden
	case Unavailable:
		return http.StatusServiceUnavailable
	case HandshakeTooLarge:
		return http.StatusRequestHeaderFieldsTooLarge
	default:
		return http.StatusBadRequest
	}
}

// RequestError describes a request that was refused, for Options.OnRefused.
type RequestError struct {
	// Code and Message are what the client was told.
	Code    Code
	Message string
	// Detail names what was wrong, for logs: "unknown transport", for example.
	Detail string
	// Err is the cause, if there is one: the error of Options.AllowRequest or
	// Options.NewID.
	Err error
}

// Error returns the description of the refusal.
func (e *RequestError) Error() string {
	s := "engine: request refused: " + e.Message
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// RefusedError is what Options.AllowRequest returns to tell the client why it is
// refused. The client is never told the text of any other error.
type RefusedError struct {
	// Message is sent to the client.
	Message string
}

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// refusal returns the error for a request, with the standard message.
func refusal(c Code, detail string, err error) *RequestError {
	return &RequestError{Code: c, Message: c.message(), Detail: detail, Err: err}
}

// refuse answers a request that is not admitted. WebSocket requests get a plain
// text, as from the reference server: no client can read it anyway.
func (srv *Server) refuse(w http.ResponseWriter, r *http.Request, upgrade bool, e *RequestError) {
	h := w.Header()
	body := []byte(e.Message)
	status := e.Code.status()
	if upgrade {
		h.Set("Connection", "close")
		h.Set("Content-Type", "text/html")
		// The reference answers every refused upgrade with 400; only the
		// allow-list and our own refusals, which it lacks, differ.
		if e.Code == Forbidden && e.Detail != detailOrigin {
			status = http.StatusBadRequest
		}
	} else {
		h.Set("Content-Type", "application/json")
		body = refusalBody(e)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // The text is the server's, not the client's.
	if srv.opts.OnRefused != nil {
		srv.opts.OnRefused(r, e)
	}
}

// refusalBody returns the JSON that a polling client gets.
func refusalBody(e *RequestError) []byte {
	body, err := json.Marshal(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
	}{e.Code, e.Message})
	if err != nil {
		return nil
	}
	return body
}
