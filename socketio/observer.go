package socketio

import (
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Observer is a set of functions that the server calls when something has happened,
// for metrics, traces and logs. Those that are nil cost nothing. See
// [Options].Observers.
//
// Each function is called synchronously, on the goroutine on which the thing happens,
// and several may be called at once. It must be quick and must not block: what it
// observes waits for it, and so may other clients. It must not call [Server.Shutdown].
// A panic in it is logged and ends nothing.
//
// Each has a single argument, a struct that may get more fields. The pointers and
// slices in it are shared: they must not be changed.
type Observer struct {
	// Connected is called for each socket that has connected to its namespace, after
	// it has joined the rooms that its guards asked for and before its client is
	// told. It runs on the goroutine of the socket's guards.
	Connected func(ConnectedInfo)
	// Refused is called for each CONNECT that is answered with a connect_error. It
	// runs on the goroutine of the socket's guards, or on the connection's reader if
	// no guard has been asked.
	Refused func(RefusedInfo)
	// Disconnected is called once for each socket for which Connected has been called,
	// when it has left its namespace and its rooms, and before the functions of
	// [Namespace.OnDisconnect]. It runs on the goroutine that ends the socket: the
	// connection's reader, or the caller of [Socket.Disconnect].
	Disconnected func(DisconnectedInfo)
	// Closed is called once for each connection, when it has ended and its sockets
	// have disconnected. Connections that were in no namespace are among them. It runs
	// on the connection's reader, or on a goroutine of its own.
	Closed func(ClosedInfo)
	// Handled is called for each event of a client after its handler has returned, also
	// if there is no handler for it. It runs on the handler's goroutine.
	Handled func(HandledInfo)
	// Emitted is called for each event that is about to be sent to sockets of this
	// server. It runs on the goroutine that emits, or on one of the adapter's if the
	// event comes from another server.
	Emitted func(EmittedInfo)
	// BadInput is called for each packet that breaks the Socket.IO protocol; the
	// connection is closed after it. It runs on the connection's reader.
	BadInput func(BadInputInfo)
	// Joined is called after a socket has joined rooms that it was not in. Its own
	// room, the one named after its id, is not mentioned. It runs on the goroutine that
	// makes the socket join, or on one of the adapter's if another server does. If two
	// goroutines make a socket join and leave the same room at the same time, the calls
	// may come in either order.
	Joined func(JoinedInfo)
	// Left is called after a socket has left rooms that it was in. A socket that
	// disconnects leaves all of them before Disconnected is called.
	Left func(LeftInfo)
	// NamespaceMade is called for each namespace that [Server.Of] makes, the main one
	// among them: it runs on the goroutine of the first caller, before Of or
	// [NewServer] returns. Other goroutines may be using the namespace already.
	NamespaceMade func(NamespaceMadeInfo)
	// SlowConsumer is called for each connection that was ended because its client did
	// not take what it was sent, before Closed.
	SlowConsumer func(SlowConsumerInfo)
	// OverBudget is called for each connection that was ended because the server had
	// used up [engine.Options].OutputBudget or InputBudget, before Closed. It is also
	// called when the events of a connection that has ended before, which still waited
	// for their handlers, are dropped; then it runs on a goroutine of its own.
	OverBudget func(OverBudgetInfo)
}

// ConnectedInfo describes a socket that has connected.
type ConnectedInfo struct {
	// Socket is the socket.
	Socket *Socket
}

// RefusedInfo describes a CONNECT that was refused.
type RefusedInfo struct {
	// Conn is the connection. It stays open.
	Conn *engine.Session
	// Namespace is the name that the client asked for. It need not exist.
	Namespace string
	// Err is the guard's error, or an [*Error] for a namespace that does not exist or
	// is one too many, and for a socket that was disconnected while its guards ran.
	Err error
}

// DisconnectedInfo describes the end of a socket.
type DisconnectedInfo struct {
	// Socket is the socket.
	Socket *Socket
	// Reason is why it ended.
	Reason Reason
	// Err is the detail of the reason, nil if there is none; see [ClosedInfo].
	Err error
	// Event is the name of the event that was being handled when the socket ended,
	// empty if there was none.
	Event string
}

// ClosedInfo describes the end of a connection.
type ClosedInfo struct {
	// Conn is the connection.
	Conn *engine.Session
	// Reason is why it ended.
	Reason Reason
	// Err is the detail of the reason, nil if there is none: an error of package
	// engine; what was wrong with the client's packet; [ErrConnectTimeout],
	// [ErrAttachmentTimeout] or a [*StuckError].
	Err error
}

// HandledInfo describes an event that has been handled.
type HandledInfo struct {
	// Socket is the socket that sent the event.
	Socket *Socket
	// Event is the name of the event.
	Event string
	// Bytes is the length of the event's name and arguments in JSON.
	Bytes int
	// Took is how long the middlewares and the handler ran.
	Took time.Duration
	// Err is what the handler returned, which is or wraps an [*ArgError] if the arguments
	// do not fit, or a [*PanicError].
	Err error
	// Unhandled says that no handler is registered for the event. A function of OnAny or
	// a middleware may have dealt with it nevertheless.
	Unhandled bool
}

// EmittedInfo describes an event that is sent to clients.
type EmittedInfo struct {
	// Namespace is the namespace of the sockets.
	Namespace *Namespace
	// Event is the name of the event.
	Event string
	// Bytes is the length of the event's name and arguments in JSON.
	Bytes int
	// Sockets is the number of this server's sockets that it is sent to.
	Sockets int
}

// BadInputInfo describes a packet that broke the protocol.
type BadInputInfo struct {
	// Conn is the connection, which is about to be closed.
	Conn *engine.Session
	// Err says what was wrong.
	Err error
}

// JoinedInfo describes a socket that has joined rooms.
type JoinedInfo struct {
	// Socket is the socket. If a guard asked for the rooms, Connected has not been
	// called for it yet.
	Socket *Socket
	// Rooms are the names of the rooms.
	Rooms []string
}

// LeftInfo describes a socket that has left rooms.
type LeftInfo struct {
	// Socket is the socket.
	Socket *Socket
	// Rooms are the names of the rooms.
	Rooms []string
}

// NamespaceMadeInfo describes a new namespace.
type NamespaceMadeInfo struct {
	// Namespace is the namespace.
	Namespace *Namespace
}

// SlowConsumerInfo describes a connection whose client did not take what it was sent.
type SlowConsumerInfo struct {
	// Conn is the connection, which has ended.
	Conn *engine.Session
	// Err says what the client did not do, or what it had waiting:
	// [engine.ErrNoProgress], [engine.ErrQueueFull] or [engine.ErrOutputBudget].
	Err error
}

// OverBudgetInfo describes a connection that had to make room for others.
type OverBudgetInfo struct {
	// Conn is the connection, which has ended.
	Conn *engine.Session
	// Err is [engine.ErrOutputBudget] or [engine.ErrInputBudget].
	Err error
}

// observers are the functions of all observers, each kind by itself.
type observers struct {
	connected     []func(ConnectedInfo)
	refused       []func(RefusedInfo)
	disconnected  []func(DisconnectedInfo)
	closed        []func(ClosedInfo)
	handled       []func(HandledInfo)
	emitted       []func(EmittedInfo)
	badInput      []func(BadInputInfo)
	joined        []func(JoinedInfo)
	left          []func(LeftInfo)
	namespaceMade []func(NamespaceMadeInfo)
	slowConsumer  []func(SlowConsumerInfo)
	overBudget    []func(OverBudgetInfo)
}

func newObservers(all []Observer) (o observers) {
	for _, v := range all {
		o.connected = collect(o.connected, v.Connected)
		o.refused = collect(o.refused, v.Refused)
		o.disconnected = collect(o.disconnected, v.Disconnected)
		o.closed = collect(o.closed, v.Closed)
		o.handled = collect(o.handled, v.Handled)
		o.emitted = collect(o.emitted, v.Emitted)
		o.badInput = collect(o.badInput, v.BadInput)
		o.joined = collect(o.joined, v.Joined)
		o.left = collect(o.left, v.Left)
		o.namespaceMade = collect(o.namespaceMade, v.NamespaceMade)
		o.slowConsumer = collect(o.slowConsumer, v.SlowConsumer)
		o.overBudget = collect(o.overBudget, v.OverBudget)
	}
	return o
}

func collect[T any](list []func(T), fn func(T)) []func(T) {
	if fn == nil {
		return list
	}
	return append(list, fn)
}

// tell calls the functions of one kind.
func tell[T any](srv *Server, fns []func(T), info T) {
	for _, fn := range fns {
		tellOne(srv, fn, info)
	}
}

// tellOne calls an observer's function. Its panic ends neither the process nor what is
// being done.
func tellOne[T any](srv *Server, fn func(T), info T) {
	defer func() {
		if v := recover(); v != nil {
			srv.logs.Error("socketio: an observer failed", "err", panicked{v}, "stack", logonce.Stack{})
		}
	}()
	fn(info)
}

// panicked is what an observer has panicked with, as an error of the log.
type panicked struct{ value any }

// LogValue returns the error, or its text if that is long.
func (p panicked) LogValue() slog.Value { return slog.AnyValue(loggable(&PanicError{Value: p.value})) }
