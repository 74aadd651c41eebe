package adapter

import "time"

// HealthReporter is implemented by an [Adapter] that reaches the other nodes through
// something that can fail.
type HealthReporter interface {
	// Health returns how the adapter is doing. It does not wait for anything.
	Health() Health
}

// Health says how an adapter is doing. The counters are those of the whole node since it
// started, not of one namespace.
type Health struct {
	// Subscribed reports whether this node gets what the other nodes send.
	Subscribed bool
	// Reached reports whether the other nodes get what this node sends. It is false from
	// the first failure until it has been shown to work again.
	Reached bool
	// Since is when Reached became what it is.
	Since time.Time
	// SubscribeErr is the last error of the connection that receives, nil once it works
	// again.
	SubscribeErr error
	// PublishErr is the last error of the connection that sends, nil once it works again.
	PublishErr error
	// Nodes is how many nodes there were when they were last counted, this one included;
	// 0 if they have not been counted.
	Nodes int
	// Queued and QueuedBytes are what waits to be sent, in messages and in bytes.
	Queued      int
	QueuedBytes int
	// QueueAge is how long the oldest of them has been waiting.
	QueueAge time.Duration
	// Losses are the messages of this node that did not reach the others.
	Losses Losses
}

// Losses count messages to other nodes that did not reach them, or may not have.
type Losses struct {
	// Refused is the number of messages that were refused because too many were waiting.
	Refused uint64
	// Expired is the number of messages that waited for too long and were given up.
	Expired uint64
	// Unknown is the number of messages that were sent on a connection that broke before
	// they were confirmed. They may have reached the other nodes, or not.
	Unknown uint64
	// Unheard is the number of messages that were sent while nobody listened, not even
	// this node.
	Unheard uint64
	// Failed is the number of messages that were not accepted, for lack of a permission
	// for one, or that were left when the adapter closed.
	Failed uint64
}

// Total returns the sum of all.
func (l Losses) Total() uint64 { return l.Refused + l.Expired + l.Unknown + l.Unheard + l.Failed }

// Add returns the sum of both, number by number.
func (l Losses) Add(more Losses) Losses {
	return Losses{
		Refused: l.Refused + more.Refused,
		Expired: l.Expired + more.Expired,
		Unknown: l.Unknown + more.Unknown,
		Unheard: l.Unheard + more.Unheard,
		Failed:  l.Failed + more.Failed,
	}
}
