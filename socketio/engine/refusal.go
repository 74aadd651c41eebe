package engine

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/tandem-go/tandem/internal/logonce"
)

// Code is the reason for refusing a request, as the client is told.
type Code int

// The codes of the protocol, and three of our own.
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
	// NoWebSocket: the connection cannot be taken over from the ResponseWriter. It is
	// answered with status 501.
	NoWebSocket Code = 8
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
	case NoWebSocket:
		return "WebSocket is not possible here"
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
	case NoWebSocket:
		return http.StatusNotImplemented
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
	// Options.NewID, for example. With NoWebSocket it wraps http.ErrNotSupported and names
	// the type of the ResponseWriter.
	Err error

	warning string // what is to be said to the application, besides to OnRefused
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

// What an application should know of refusals, as they are not the fault of the client
// alone. These are messages of logonce.Log.
const (
	warnOrigin      = "engine: pages of an origin that is not allowed are refused, see CORS.Origins"
	warnOldClient   = "engine: clients of Engine.IO 3 are refused, which is what socket.io-client 2.x speaks"
	warnAllow       = "engine: requests are refused since AllowRequest has failed"
	warnID          = "engine: requests are refused since no id can be made for a session"
	warnNoWebSocket = "engine: there is no WebSocket, since connections cannot be taken over: the ResponseWriter of a middleware lacks Unwrap or Hijack"
)

// warned makes the application's log tell of the refusal.
func (e *RequestError) warned(warning string) *RequestError {
	e.warning = warning
	return e
}

// report counts a refusal, logs it, and tells the application.
func (srv *Server) report(r *http.Request, e *RequestError) {
	srv.refused.Add(1)
	srv.logRefusal(r, e)
	if srv.opts.OnRefused != nil {
		srv.opts.OnRefused(r, e)
	}
}

// logRefusal logs a refusal, at debug level and if it has a warning.
func (srv *Server) logRefusal(r *http.Request, e *RequestError) {
	debug := srv.opts.Logger.Enabled(r.Context(), slog.LevelDebug)
	if e.warning == "" && !debug {
		return
	}
	args := []any{
		"err", logonce.Cut(e.Error()), "origin", logonce.Cut(r.Header.Get("Origin")), "host", logonce.Cut(r.Host), "remote", logonce.Cut(r.RemoteAddr),
	}
	if e.warning != "" {
		srv.logs.Warn(e.warning, args...)
	}
	if debug {
		srv.opts.Logger.DebugContext(r.Context(), "engine: request refused", args...)
	}
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
	srv.report(r, e)
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
