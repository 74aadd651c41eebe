package redisadapter

import (
	"log/slog"
	"time"
)

// The defaults of [Options].
const (
	defaultKey            = "socket.io"
	defaultRequestTimeout = 5 * time.Second
	defaultMaxQueued      = 16384
	defaultMaxQueuedBytes = 64 << 20
	defaultQueueTimeout   = time.Minute
	defaultPingInterval   = time.Second
	defaultSilence        = 30 * time.Second
	defaultMinBackoff     = 20 * time.Millisecond
	defaultMaxBackoff     = 500 * time.Millisecond
)

// Options configures the adapter. A nil *Options and the zero value stand for
// the defaults. Those that are part of the protocol must be the same on all
// nodes, and match the options of the Node.js servers and emitters of the
// cluster.
type Options struct {
	// Key is the prefix of all channel names, the option "key" in Node.js. It
	// separates clusters that share a Redis server. The default is "socket.io".
	Key string
	// RequestTimeout bounds every operation that waits and whose context has no
	// deadline, the option "requestsTimeout" in Node.js. For a broadcast with
	// acknowledgements it bounds, whatever the context, how long other nodes may take to say
	// how many sockets they ask; how long the sockets may take is up to the context, for which
	// the server has an AckTimeout. The default is 5 seconds.
	RequestTimeout time.Duration
	// PublishOnSpecificResponseChannel sends answers to the node that has asked,
	// rather than to all of them. All Node.js adapters since version 7.1.0
	// understand both. The default is false.
	PublishOnSpecificResponseChannel bool
	// MaxQueued and MaxQueuedBytes limit what waits to be published, in messages
	// and in bytes. Beyond it messages are refused with [ErrQueueFull]. The
	// defaults are 16384 messages and 64 MiB.
	MaxQueued      int
	MaxQueuedBytes int
	// QueueTimeout is how long a message that nobody waits for, such as a broadcast, may
	// wait while Redis cannot be reached. Then it is given up: see
	// [adapter.Losses].Expired. A request waits as long as its caller, at most this
	// long. The default is one minute.
	QueueTimeout time.Duration
	// PingInterval is how often the connections to Redis are tried and the nodes are
	// counted. It is also how soon a node that publishes nothing finds out that its Redis
	// server is not the master any more: the others wait for it for 2 seconds. The default
	// is one second.
	PingInterval time.Duration
	// Silence is how long Redis may say nothing, not even answer a ping, before a
	// connection is given up. A server or a network that stalls for less loses nothing:
	// what it holds arrives when it goes on. A connection that has died without a word
	// is deaf for as long. The default is 30 seconds.
	Silence time.Duration
	// MinBackoff and MaxBackoff are the pauses between attempts to connect. The pause
	// doubles with each attempt that fails. The defaults are 20 and 500 milliseconds.
	MinBackoff time.Duration
	MaxBackoff time.Duration
	// Observers are told of outages. See [Observer].
	Observers []Observer
	// Logger gets reports of trouble with Redis and of malformed messages. The
	// default is the logger of the first namespace's host.
	Logger *slog.Logger
}

// withDefaults returns a copy of o that has a value in every field but Logger.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Key == "" {
		opts.Key = defaultKey
	}
	for field, value := range map[*time.Duration]time.Duration{
		&opts.RequestTimeout: defaultRequestTimeout,
		&opts.QueueTimeout:   defaultQueueTimeout,
		&opts.PingInterval:   defaultPingInterval,
		&opts.Silence:        defaultSilence,
		&opts.MinBackoff:     defaultMinBackoff,
		&opts.MaxBackoff:     defaultMaxBackoff,
	} {
		if *field <= 0 {
			*field = value
		}
	}
	opts.MaxBackoff = max(opts.MinBackoff, opts.MaxBackoff)
	if opts.MaxQueued <= 0 {
		opts.MaxQueued = defaultMaxQueued
	}
	if opts.MaxQueuedBytes <= 0 {
		opts.MaxQueuedBytes = defaultMaxQueuedBytes
	}
	return opts
}
