package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/budget"
)

// The names of the transports.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

// Options configures a [Server]. The zero value means the defaults of the
// reference server, with bounds where it has none.
type Options struct {
	// Path is the end that request paths must have, "/socket.io/" for example;
	// other requests are answered with 404. A slash at its end makes no difference:
	// clients ask for the path with one, and without it if they have been given
	// addTrailingSlash: false. "/" and the empty path are always served, so that the
	// server works behind http.StripPrefix. The default, "", serves every path.
	Path string

	// PingInterval is the time from one answered ping to the next. The default
	// is 25 s.
	PingInterval time.Duration
	// PingTimeout is how long the answer to a ping may take. The default is
	// 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a client may take to change from polling to
	// WebSocket once it has begun. The default is 10 s.
	UpgradeTimeout time.Duration

	// MaxPayload is the largest request body and the largest WebSocket message
	// in bytes. A client that sends a larger one is disconnected, with
	// [ErrPayloadTooLarge]. The default is 1,000,000.
	MaxPayload int64
	// MaxPackets is the largest number of packets in one request body. Clients
	// know of MaxPayload only: the default, 200,000, is more than the default
	// MaxPayload has room for if each packet is an event or an acknowledgement.
	MaxPackets int
	// MaxFragments is the largest number of fragments of one WebSocket message.
	// The default is 16,384.
	MaxFragments int
	// MaxQueueBytes bounds the memory of the messages that wait for one client, which
	// does not read or does not poll as fast as it is sent to. The message at the head of
	// the queue may be of any size. Beyond the bound the session is closed with
	// [SlowConsumer] and [ErrQueueFull]. The default is 64 MiB.
	MaxQueueBytes int
	// OutputBudget bounds the memory of all messages that wait for clients of the
	// server; one that several clients wait for counts once. Beyond it clients are
	// closed with [SlowConsumer]: those that have taken nothing for a second first, the
	// longest standstill before the others, then those with the largest queues. The
	// default is a quarter of what GOMEMLIMIT or the process's cgroup allows, and
	// of 4 GiB if nothing limits the process.
	OutputBudget int64
	// InputBudget bounds the memory of what all clients have sent and has not been
	// handled: see [Session.Hold]. Beyond it clients are closed with [Overload], in
	// the same order. The default is half of the default OutputBudget.
	InputBudget int64
	// MaxHandshakeBytes bounds the host, the URL and the headers of a handshake, as
	// they are sent, in bytes: they are kept as long as the session lives. Larger
	// ones, which net/http admits up to 1 MB, are answered with status 431 and
	// [HandshakeTooLarge]. The default is 16 KiB, as that of Node.js.
	MaxHandshakeBytes int
	// MaxSessions is the largest number of sessions. Handshakes beyond it are
	// answered with 503. The default, 0, means no limit.
	MaxSessions int
	// WriteTimeout is how long a client may take nothing of what waits for it: the
	// network takes no byte, or no poll comes. The session is closed then with
	// [SlowConsumer] and [ErrNoProgress]. It is also how long Session.Close waits for
	// queued messages to be written or polled for. The default is 10 s.
	WriteTimeout time.Duration
	// DataTimeout is how long the body of a data request may take to arrive. Then
	// the session ends with [ErrDataTimeout], and the request is answered with
	// status 408. A ReadTimeout of the http.Server that is shorter does the same;
	// deadlines that middleware has set for the connection are replaced. The
	// default is 30 s.
	DataTimeout time.Duration

	// Transports lists the transports that are offered, [Polling] and
	// [WebSocket] by default.
	Transports []string
	// DisableParking gives each WebSocket connection a goroutine that reads it.
	//
	// Without it, where the platform allows (Linux) and for plain TCP and Unix
	// sockets, the server takes connections away from package net once they are its
	// own: an idle WebSocket then has neither a goroutine nor a buffer. The behaviour
	// is the same. A net.Conn that has been kept, by an http.Server's ConnContext say,
	// is closed then, although the connection is not. Other connections, those with
	// TLS among them, have a goroutine in any case, and so have pending polls: the one
	// of their request.
	DisableParking bool
	// DisableUpgrades tells polling clients not to try WebSocket.
	DisableUpgrades bool

	// AllowRequest decides on each handshake; requests that belong to a session
	// are not asked for again. The client is refused if it returns an error: with
	// the message of a [*RefusedError], and with "Forbidden" otherwise.
	AllowRequest func(r *http.Request) error
	// CORS lists the origins whose pages are let in. If nil, the default, the origin is
	// not checked: the pages of every site can open a WebSocket, with the cookies that
	// the browser has for this server. No CORS headers are sent then, so that pages of other
	// origins cannot use polling.
	CORS *CORS
	// SameOriginOnly refuses pages of other origins. It is for applications that know
	// their users by cookies, and is the same as a CORS without origins. NewServer
	// panics if there is a CORS too.
	SameOriginOnly bool
	// Cookie, if not nil, is sent with the first answer of a session, with the
	// session's id as its value. The default name is "io", the default path "/", and
	// the default SameSite http.SameSiteLaxMode. HttpOnly is always set: no page needs to
	// read it. NewServer panics if the cookie is not valid.
	Cookie *http.Cookie
	// Header, if not nil, may change the headers of each successful answer.
	// initial tells the first answer of a session.
	Header func(h http.Header, r *http.Request, initial bool)
	// CompressionThreshold is the size in bytes from which on answers to polls
	// are compressed, if the client allows it. The default is 1024; a negative
	// value disables compression.
	//
	// Only the HTTP server's own ResponseWriter gets compressed answers. Behind a
	// middleware that wraps it, a logger for example, or in a framework that does,
	// such as gin or echo, answers are left to a middleware that compresses, if there
	// is one: nothing says for certain whether there is, and an answer that has been compressed twice is
	// unreadable.
	CompressionThreshold int

	// NewID makes the id of a session. It must be unguessable and unique. The
	// default has 120 random bits in 20 characters of URL-safe base64.
	NewID func(r *http.Request) (string, error)
	// ConnContext, if not nil, returns the values that [Session.Value] finds, from the
	// request of the handshake. Only its values are used, never its end. See the option
	// of package socketio for what must not be kept.
	ConnContext func(r *http.Request) context.Context
	// OnRefused, if not nil, is told of each request that is refused.
	OnRefused func(r *http.Request, e *RequestError)
	// Logger gets what the application should know: panics of receivers, why a connection
	// cannot be parked or taken over, errors of AllowRequest and NewID, and which
	// origins and old clients are refused. What repeats is logged once, and then
	// each minute how often it has happened. At debug level it gets each request that is refused. The
	// default is slog.Default.
	Logger *slog.Logger
}

// Timing and limits that are not worth an option.
const (
	// pollingGrace is how long a closing session whose messages have been taken
	// waits for the poll in whose answer the client is told.
	pollingGrace = time.Second
	// departedGrace is how long the last poll of a client may arrive behind its
	// close packet.
	departedGrace = 500 * time.Millisecond
	// noopInterval is how often a poll is answered during an upgrade so that
	// the client can stop polling.
	noopInterval = 100 * time.Millisecond
	// lingerTimeout is how long a closed connection is read on, so that the
	// peer gets what was sent before.
	lingerTimeout = 2 * time.Second
)

// withDefaults returns a copy with the defaults filled in.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.setHTTP()
	setDefault(&opts.PingInterval, 25*time.Second)
	setDefault(&opts.PingTimeout, 20*time.Second)
	setDefault(&opts.UpgradeTimeout, 10*time.Second)
	setDefault(&opts.MaxPayload, 1_000_000)
	opts.MaxPayload = min(opts.MaxPayload, math.MaxInt/2) // sums with it do not overflow
	setDefault(&opts.MaxPackets, 200_000)
	setDefault(&opts.MaxFragments, 16_384)
	setDefault(&opts.MaxQueueBytes, 64<<20)
	if opts.OutputBudget <= 0 || opts.InputBudget <= 0 {
		memory := budget.Memory()
		setDefault(&opts.OutputBudget, memory/4)
		setDefault(&opts.InputBudget, memory/8)
	}
	setDefault(&opts.MaxHandshakeBytes, 16<<10)
	setDefault(&opts.WriteTimeout, 10*time.Second)
	setDefault(&opts.DataTimeout, 30*time.Second)
	if opts.CompressionThreshold == 0 {
		opts.CompressionThreshold = 1024
	}
	if len(opts.Transports) == 0 {
		opts.Transports = []string{Polling, WebSocket}
	}
	opts.Transports = slices.Clone(opts.Transports)
	if opts.NewID == nil {
		opts.NewID = func(*http.Request) (string, error) { return randomID(), nil }
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return opts
}

// setHTTP fills in what concerns paths, origins and cookies. It panics if that cannot work.
func (o *Options) setHTTP() {
	if o.Path != "" {
		o.Path = "/" + strings.Trim(o.Path, "/")
	}
	switch {
	case o.CORS != nil && o.SameOriginOnly:
		panic("engine: Options.SameOriginOnly and Options.CORS contradict each other") //nolint:forbidigo // a programming error, documented at NewServer
	case o.SameOriginOnly:
		o.CORS = new(CORS)
	case o.CORS != nil:
		o.CORS = o.CORS.normal()
	}
	if o.Cookie == nil {
		return
	}
	c := *o.Cookie //nolint:gosec // Its attributes are the caller's choice.
	c.Name, c.Path = cmp.Or(c.Name, "io"), cmp.Or(c.Path, "/")
	c.SameSite, c.HttpOnly = cmp.Or(c.SameSite, http.SameSiteLaxMode), true
	if err := c.Valid(); err != nil {
		panic(fmt.Sprintf("engine: Options.Cookie: %v", err)) //nolint:forbidigo // a programming error, documented at NewServer
	}
	o.Cookie = &c
}

// setDefault replaces a value that is not positive.
func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
