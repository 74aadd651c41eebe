package socketio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/socketio/parser"
)

var (
	// ErrDisconnected is returned when a socket is not connected any more.
	ErrDisconnected = errors.New("socketio: socket is disconnected")
	// ErrServerClosed is returned by what concerns many sockets, or other servers, once
	// [Server.Shutdown] has ended.
	ErrServerClosed = errors.New("socketio: server has shut down")
	// ErrReservedEvent is returned when an event is emitted or registered under a
	// name that the protocol keeps for itself: connect, connect_error, disconnect,
	// disconnecting, newListener, removeListener; and among servers connection and
	// new_namespace.
	ErrReservedEvent = errors.New("socketio: reserved event name")
	// ErrNoArgument is wrapped by an [ArgError] for an argument that the other
	// side did not send.
	ErrNoArgument = errors.New("no such argument")
	// ErrTooManyAcks is returned by EmitWithAck when the socket already waits for
	// as many acknowledgements as [Options].MaxPendingAcks allows.
	ErrTooManyAcks = errors.New("socketio: too many pending acknowledgements")
	// ErrConnectTimeout is the detail of [ForcedClose] if the client was in no namespace
	// for [Options].ConnectTimeout.
	ErrConnectTimeout = errors.New("socketio: client is in no namespace")
	// ErrAttachmentTimeout is the detail of [ForcedClose] if the client did not send
	// the attachments of a packet within [Options].AttachmentTimeout.
	ErrAttachmentTimeout = errors.New("socketio: attachments of a packet have not come in time")
	// ErrAlreadyAcked is returned by [Event.Ack] for an event that has been
	// acknowledged already, or whose sender did not ask for it.
	ErrAlreadyAcked = errors.New("socketio: event is already acknowledged, or needs no acknowledgement")
)

// internalError is what a client is told of an error that is not an [*Error].
const internalError = "internal error"

// Error is an error that is meant for the client. A [Guard] returns one to
// refuse a connection: the client's connect_error event has its message and
// data. A handler returns one to answer an event that asked for an
// acknowledgement: the client gets {"error":{"message":…,"data":…}}. The client
// is never told the text of any other error.
type Error struct {
	// Message is a short text for the client.
	Message string `json:"message"`
	// Data, if not nil, is anything else that the client should know. If it cannot
	// be encoded, that is logged and the client is told of an internal error.
	Data any `json:"data,omitempty"`
	// CloseConn closes the connection once a [Guard] that refuses with the error has had its
	// answer delivered: the client gets connect_error first. The connection stays if the client
	// is in another namespace, or if guards run for one, at the moment of the refusal. Without
	// CloseConn a client that has been refused may keep its connection for
	// [Options].ConnectTimeout. A client that is closed like that and is written to reconnect
	// does so. The client is not told of this field, and the answer to an event does not use it.
	CloseConn bool `json:"-"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// ArgError reports an argument that does not fit the handler's type, or an
// answer that does not fit the caller's.
type ArgError struct {
	// Event is the name of the event, empty for an answer.
	Event string
	// Index is the position of the argument, the first one being 0.
	Index int
	// Err says what is wrong: the codec's error or [ErrNoArgument].
	Err error
}

// Error describes the argument and what is wrong with it.
func (e *ArgError) Error() string {
	if e.Event == "" {
		return fmt.Sprintf("socketio: decode argument %d of the answer: %v", e.Index, e.Err)
	}
	return fmt.Sprintf("socketio: decode argument %d of event %q: %v", e.Index, e.Event, e.Err)
}

// Unwrap returns Err.
func (e *ArgError) Unwrap() error { return e.Err }

// AckTimeoutError reports that the context ended before every answer had come.
// The answers that did come are returned beside it.
type AckTimeoutError struct {
	// Event is the event that was emitted.
	Event string
	// Answers is the number of answers that came in time.
	Answers int
	// Err is the context's error, or what the adapter reported.
	Err error
}

// Error describes the event and the number of answers.
func (e *AckTimeoutError) Error() string {
	return fmt.Sprintf("socketio: await acknowledgement of event %q (%d answers so far): %v", e.Event, e.Answers, e.Err)
}

// Unwrap returns Err. If that is a deadline that has passed, errors.Is finds
// [context.DeadlineExceeded].
func (e *AckTimeoutError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline has passed, as in [net.Error].
func (e *AckTimeoutError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// StuckError is the detail of [ForcedClose] if a handler has run for
// [Options].HandlerPatience while more events waited for it than may wait.
type StuckError struct {
	// Namespace is the namespace of the socket.
	Namespace string
	// Socket is the id of the socket.
	Socket string
	// Event is the event that is being handled, "connect" for a function of
	// [Namespace.OnConnect].
	Event string
	// Waited is the time since an event was last handled.
	Waited time.Duration
}

// Error describes the handler that does not return.
func (e *StuckError) Error() string {
	return fmt.Sprintf("socketio: handle event %q of socket %s in namespace %s: no event has been handled for %v, and more wait than may",
		e.Event, e.Socket, e.Namespace, e.Waited.Round(time.Millisecond))
}

// PanicError is the error of a handler or guard that panicked.
type PanicError struct {
	// Value is what the code panicked with.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// Error describes the value.
func (e *PanicError) Error() string { return fmt.Sprintf("socketio: panic: %v", e.Value) }

// clientError returns what a client may know of err.
func clientError(err error) *Error {
	if e := find[Error](err); e != nil {
		return e
	}
	if e := find[ArgError](err); e != nil {
		return &Error{Message: fmt.Sprintf("invalid argument %d", e.Index)}
	}
	return &Error{Message: internalError}
}

// find is [errors.AsType] for the errors of user code, which may hold a nil pointer.
// It returns nil for that, and if a method of an error panics because of one.
func find[T any, E interface {
	*T
	error
}](err error) (found E) {
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	found, _ = errors.AsType[E](err)
	return found
}

// checkHandler is checkEvent for an event to be handled: it says what to use.
func checkHandler(event string) error {
	err := checkEvent(event)
	if err == nil {
		return nil
	}
	use := "another name"
	switch event {
	case "connect":
		use = "Namespace.OnConnect"
	case "disconnect", "disconnecting":
		use = "Namespace.OnDisconnect"
	case "connect_error":
		use = "Observer.Refused"
	}
	return fmt.Errorf("%w: use %s", err, use)
}

func checkEvent(event string) error {
	if parser.Reserved(event) {
		return fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	return nil
}
