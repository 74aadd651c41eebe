package socketio

import (
	"runtime/debug"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// The observers below are called synchronously, possibly from many goroutines at
// once: they must be quick and must not block. If one panics, that is logged.

// ConnectObserver is told of every socket that has connected to a namespace, before
// its client is.
type ConnectObserver interface {
	ObserveConnect(s *Socket)
}

// DisconnectObserver is told of every connected socket that has disconnected, after
// the [ConnectObserver] has been told of it. err holds the detail of the reason, if
// there is one.
type DisconnectObserver interface {
	ObserveDisconnect(s *Socket, r Reason, err error)
}

// RefusalObserver is told of every CONNECT that was refused: the error is the
// guard's, or an [*Error] for a namespace that does not exist or that is one too
// many.
type RefusalObserver interface {
	ObserveRefusal(c *engine.Session, namespace string, err error)
}

// EventObserver is told of every event that has been handled: its name, the bytes
// of its arguments, the time that its handler took, and the handler's error.
type EventObserver interface {
	ObserveEvent(s *Socket, event string, bytes int, took time.Duration, err error)
}

// EmitObserver is told of every event that is emitted to local sockets of a
// namespace: the bytes of its arguments and the number of sockets.
type EmitObserver interface {
	ObserveEmit(n *Namespace, event string, bytes, sockets int)
}

// BadInputObserver is told of every packet that broke the protocol. The
// connection is closed after it.
type BadInputObserver interface {
	ObserveBadInput(c *engine.Session, err error)
}

type observers struct {
	connect    []ConnectObserver
	disconnect []DisconnectObserver
	refusal    []RefusalObserver
	event      []EventObserver
	emit       []EmitObserver
	badInput   []BadInputObserver
}

// tell calls an observer. Its panic ends neither the process nor what is being done.
func (srv *Server) tell(observer func()) {
	defer func() {
		if v := recover(); v != nil {
			srv.log.Error("socketio: an observer failed", "err", &PanicError{Value: v}, "stack", string(debug.Stack()))
		}
	}()
	observer()
}

func collect[T any](list []T, o any) []T {
	if v, ok := o.(T); ok {
		return append(list, v)
	}
	return list
}

func newObservers(all []any) (o observers) {
	for _, v := range all {
		o.connect = collect(o.connect, v)
		o.disconnect = collect(o.disconnect, v)
		o.refusal = collect(o.refusal, v)
		o.event = collect(o.event, v)
		o.emit = collect(o.emit, v)
		o.badInput = collect(o.badInput, v)
	}
	return o
}
