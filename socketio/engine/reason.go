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
	// SlowConsumer: the client did not read fast enough, so that its queue
	// exceeded Options.MaxQueueBytes or a write took longer than
	// Options.WriteTimeout.
	SlowConsumer Reason = "slow consumer"
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
	// ErrInvalidContent: the client sent a data request with a binary body.
	ErrInvalidContent = errors.New("invalid content")
	// ErrHeartbeatDirection: the client sent a ping, which only servers do.
	ErrHeartbeatDirection = errors.New("invalid heartbeat direction")
	// ErrTooManyPackets: a data request exceeded Options.MaxPackets.
	ErrTooManyPackets = errors.New("too many packets in one request")
	// ErrQueueFull: the outbound queue exceeded Options.MaxQueueBytes.
	ErrQueueFull = errors.New("outbound queue is full")
	// ErrPanic: the receiver panicked. The panic has been logged.
	ErrPanic = errors.New("receiver panicked")
)
