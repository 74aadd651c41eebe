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
	// deadline, the option "requestsTimeout" in Node.js. It is also how long a
	// message waits for a Redis server that cannot be reached. The default is
	// 5 seconds.
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
	if opts.RequestTimeout <= 0 {
		opts.RequestTimeout = defaultRequestTimeout
	}
	if opts.MaxQueued <= 0 {
		opts.MaxQueued = defaultMaxQueued
	}
	if opts.MaxQueuedBytes <= 0 {
		opts.MaxQueuedBytes = defaultMaxQueuedBytes
	}
	return opts
}
