package engine

import "errors"

// Reason says why a session has ended. The values are those that Node's
// engine.io and socket.io report.
type Reason string

// The reasons for which the engine itself ends a session.
const (
	// TransportClose: the client closed the connection.
	TransportClose Reason = "transport close"
	// TransportError: the connection failed, or the client violated the
	// transport's protocol.
	TransportError Reason = "transport error"
	// PingTimeout: the client did not answer a ping in time.
	PingTimeout Reason = "ping timeout"
	// ParseError: the client sent something that is not an Engine.IO packet.
	ParseError Reason = "parse error"
	// ForcedClose: the server closed the session.
	ForcedClose Reason = "forced close"
	// ServerShutdown: the server is shutting down.
	ServerShutdown Reason = "server shutting down"
	// SlowConsumer: the client did not take what it was sent. The detail is
	// [ErrNoProgress], [ErrQueueFull] or [ErrOutputBudget].
	SlowConsumer Reason = "slow consumer"
	// Overload: what the client had sent waited in memory that was needed for
	// others. The detail is [ErrInputBudget].
	Overload Reason = "overload"
)

// Details of the reasons, passed to Receiver.OnClose.
var (
	// ErrPollOverlap: the client sent a second poll while one was pending.
	ErrPollOverlap = errors.New("overlap from client")
	// ErrDataOverlap: the client sent a second data request while one was
	// being read.
	ErrDataOverlap = errors.New("data request overlap from client")
	// ErrPollAborted: the client closed the connection of a pending poll.
	ErrPollAborted = errors.New("poll connection closed prematurely")
	// ErrDataAborted: the client closed the connection of a data request.
	ErrDataAborted = errors.New("data request connection closed prematurely")
	// ErrDataTimeout: the body of a data request has not arrived within
	// Options.DataTimeout.
	ErrDataTimeout = errors.New("http request timeout")
	// ErrPayloadTooLarge: the client sent a request body or a WebSocket message
	// beyond Options.MaxPayload.
	ErrPayloadTooLarge = errors.New("payload too large")
	// ErrTooManyChunks: the body of a data request came in more pieces than 10,000,
	// and than one for each 100 bytes of Options.MaxPayload.
	ErrTooManyChunks = errors.New("too many chunks")
	// ErrInvalidContent: the client sent a data request with a binary body.
	ErrInvalidContent = errors.New("invalid content")
	// ErrHeartbeatDirection: the client sent a ping, which only servers do.
	ErrHeartbeatDirection = errors.New("invalid heartbeat direction")
	// ErrTooManyPackets: a data request exceeded Options.MaxPackets.
	ErrTooManyPackets = errors.New("too many packets in one request")
	// ErrNoProgress: the client took nothing of what waited for it for
	// Options.WriteTimeout.
	ErrNoProgress = errors.New("client takes nothing of what it is sent")
	// ErrQueueFull: the outbound queue exceeded Options.MaxQueueBytes.
	ErrQueueFull = errors.New("outbound queue is full")
	// ErrOutputBudget: the queues of all clients together exceeded
	// Options.OutputBudget, and this client had made no progress for the longest
	// time or had the largest queue.
	ErrOutputBudget = errors.New("outbound queues of all clients exceed their budget")
	// ErrInputBudget: what all clients had sent and was not handled yet exceeded
	// Options.InputBudget, and this client's had waited for the longest time or was the
	// largest.
	ErrInputBudget = errors.New("unhandled input of all clients exceeds its budget")
	// ErrSessionClosed: the session has ended. Session.Flush returns it.
	ErrSessionClosed = errors.New("session is closed")
	// ErrPanic: the receiver panicked. The panic has been logged.
	ErrPanic = errors.New("receiver panicked")
)
