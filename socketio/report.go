package socketio

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/tandem-go/tandem/internal/logonce"
)

// The lines of what may happen again and again: see logonce. What is not logged as a warning
// because there has been one of the kind is a debug line.
const (
	logGuard         = "socketio: a guard failed"
	logHandler       = "socketio: handle event"
	logServerHandler = "socketio: handle event from another server"
)

// report logs an error of a handler. That arguments do not fit is the client's fault, and after
// the socket has disconnected errors are mostly a consequence of that: these are debug lines.
func (s *Socket) report(event string, err error) {
	if err == nil {
		return
	}
	srv, attrs := s.nsp.server, []any{"namespace", s.nsp.name, "socket", s.id}
	if event != "" && !s.registered(event) {
		attrs, event = append(attrs, "name", logonce.Cut(event)), "any"
	}
	if s.blame(err) || find[PanicError](err) == nil && !s.Connected() {
		srv.log.Debug(logHandler, append(attrs, "event", event, "err", loggable(err))...)
		return
	}
	srv.failed(logHandler, event, err, attrs...)
}

// blame reports whether an error is the fault of the client, whose arguments do not fit, and
// counts it.
func (s *Socket) blame(err error) bool {
	if find[PanicError](err) != nil || find[ArgError](err) == nil {
		return false
	}
	s.nsp.server.badArgs.Add(1)
	return true
}

// failed logs an error of a handler. The event is one that has been registered.
func (srv *Server) failed(msg, event string, err error, attrs ...any) {
	attrs = append(attrs, "err", loggable(err))
	var logged bool
	if p := find[PanicError](err); p != nil {
		msg += ": panic"
		logged = srv.logs.Event(slog.LevelError, msg, event, append(slices.Clip(attrs), "stack", string(p.Stack))...)
	} else {
		logged = srv.logs.Event(slog.LevelWarn, msg, event, attrs...)
	}
	if !logged {
		srv.log.Debug(msg, append(attrs, "event", event)...)
	}
}

// registered reports whether the namespace has a handler of an event, or whether it is a step
// of the socket's life. A client cannot have made up the name then, as it may have that of a
// handler of a socket alone.
func (s *Socket) registered(event string) bool {
	if event == "connect" || event == "disconnect" {
		return true
	}
	_, ok := s.nsp.router.handler(event)
	return ok
}

// warn logs a warning of a kind that may repeat.
func (srv *Server) warn(kind string, attrs ...any) {
	if !srv.logs.Warn(kind, attrs...) {
		srv.log.Debug(kind, attrs...)
	}
}

// reportGuard logs the error of a guard that is not meant for the client, who is told nothing
// but that there was one.
func (s *Socket) reportGuard(err error) {
	if find[PanicError](err) != nil || errors.Is(err, context.Canceled) && s.currentState() == stateClosed {
		s.report("connect", err)
		return
	}
	s.nsp.server.warn(logGuard, "namespace", s.nsp.name, "socket", s.id, "err", loggable(err))
}

// loggable returns the error, or its text if that is long: a client may have written it.
func loggable(err error) (v any) {
	defer func() {
		if recover() != nil { // A nil pointer as an error is the logger's to tell of.
			v = err
		}
	}()
	if text := err.Error(); len(text) > logonce.MaxText {
		return slog.StringValue(logonce.Cut(text))
	}
	return err
}
