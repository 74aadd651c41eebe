package socketio

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Options configure a [Server]. The zero value, like a nil *Options, means the
// defaults, which are those of the Node.js server where it has the option.
// Options are read by [NewServer] and may be reused.
type Options struct {
	// Path is the end of the request path that the server answers; requests for
	// any other path get 404. The default is "/socket.io/". The slash at its end may be
	// missing, here and in requests. Requests for "/" are served as well, so that the
	// server works behind [http.StripPrefix].
	Path string

	// Engine are the options of the transports: heartbeat, CORS and origins,
	// maximum payload, queue limits, and so on. Its Path is overridden.
	Engine engine.Options

	// ConnContext makes values of the HTTP request visible in the contexts of guards,
	// handlers and the functions of OnConnect and OnDisconnect, of all sockets of the
	// connection. It is called once for each connection, with the request of its
	// handshake, and only the values of what it returns are used: that a context ends,
	// as that of a request does when it has been answered, does not matter. nil, the
	// default, and a nil context mean no values.
	//
	// Do not return r.Context() itself unless you know all who have put something into
	// it: what routers keep there is used again for other requests (chi does so, and gin
	// with its Context), and what it holds lives as long as the connection. Copy the
	// values that are needed, and their contents if they are recycled, too:
	//
	//	ConnContext: func(r *http.Request) context.Context {
	//		return context.WithValue(context.Background(), userKey{}, r.Context().Value(userKey{}))
	//	}
	//
	// The certificates of a TLS client are in r.TLS.PeerCertificates; they can be kept.
	ConnContext func(r *http.Request) context.Context

	// Adapter makes the adapter of each namespace. The default keeps the rooms in
	// memory: a server on its own.
	Adapter adapter.Factory

	// Parser is the packet format; clients must use the same. The default is the
	// JSON format with binary attachments that clients use by default.
	Parser parser.Parser

	// Codec encodes and decodes the arguments of events. The default is [parser.JSON]:
	// encoding/json without HTML escaping. As that does, it takes {"NAME":1} for a field
	// called name, which a JavaScript peer does not.
	Codec parser.Codec

	// ConnectTimeout is how long a connection may stay without being in any
	// namespace, at its beginning and later, before it is closed. The default is
	// 45 seconds.
	ConnectTimeout time.Duration

	// AttachmentTimeout is how long the server waits for the attachments of a
	// binary packet before it closes the connection. The default is 30 seconds.
	AttachmentTimeout time.Duration

	// MaxAttachments is the number of attachments that one packet may have, in
	// either direction, and of the places in a received one that name them. The
	// default is 10, which is also what clients accept.
	MaxAttachments int

	// MaxAttachmentBytes bounds the attachments of one packet together. The
	// default is 10 MB (10,000,000 bytes).
	MaxAttachmentBytes int64

	// MaxNamespaces is the number of namespaces that one connection may be in. The
	// default is 32, the most 16,384. A client that asks for more gets a
	// connect_error. Sockets that have left but whose guards or handlers still run
	// count, too (at least 32 are allowed).
	MaxNamespaces int

	// MaxPendingBytes bounds the memory of those events of one socket that have not been
	// handled, the present one included; a single event may be larger. The default is
	// 1 MiB. While they take more, the connection is not read, so that the client is
	// slowed down and nothing is lost. One message, of up to Engine.MaxPayload, may have
	// been read ahead. What waits counts towards Engine.InputBudget.
	MaxPendingBytes int

	// HandlerPatience is how long the connection is left unread without any event of the
	// socket having been handled. Then it is closed with [ForcedClose] and a
	// [*StuckError]. The default is 5 minutes. Until then the client is pinged, and its
	// answers are not missed.
	HandlerPatience time.Duration

	// MaxPendingAcks is the number of acknowledgements that may be awaited from
	// one socket at a time. The default is 16,384.
	MaxPendingAcks int

	// MaxServerEvents is the number of events from other nodes that are handled at
	// the same time. The default is 1,024. Those beyond it are logged and dropped.
	MaxServerEvents int

	// AckTimeout is how long acknowledgements of clients are waited for, of one socket or of
	// many, if the context has no deadline, and how long a [Call] is kept that nobody waits
	// for. How long other servers may take is an option of the adapter: RequestTimeout over
	// Redis. The default is 10 seconds.
	AckTimeout time.Duration

	// SecretParams are the names of query parameters that are not published: a
	// [RemoteSocket] lacks them, in the query and in the URL of its handshake, and so does
	// what the adapter sends to other servers. Upper and lower case are the same. The
	// default is none.
	//
	// Parameters and headers whose names contain one of these words are never published:
	// auth, cert, cookie, credential, jwt, key, oidc, passw, pwd, secret, session,
	// signature, token. Neither are headers whose names contain path, refer, uri or url,
	// since proxies put the query into such, Sec-WebSocket-Protocol, and the payload of the
	// CONNECT packet: the auth of a published handshake is {}. (Sec-WebSocket-Key is
	// published: it is random, and no key.)
	SecretParams []string

	// PublishHandshake changes what is published of a socket's handshake. It gets the
	// socket, whose Handshake and Auth have everything, and a copy without the secrets,
	// which it may change in any way:
	//
	//	PublishHandshake: func(s *socketio.Socket, published *socketio.Handshake) {
	//		published.Auth = json.RawMessage(`{"client":"app"}`) // seen by all servers and by the broker
	//		published.Header.Del("X-Internal")
	//	}
	//
	// It is called each time that a server fetches the socket, by several goroutines at
	// once, and must not block. If it panics, or publishes what is no JSON, that is logged,
	// and the copy is published as it was. The default, nil, changes nothing.
	PublishHandshake func(s *Socket, published *Handshake)

	// Observers are functions that are called when something has happened in the
	// server. Those of the first one are called first.
	Observers []Observer

	// Logger gets errors that are not returned to any caller or client: those of
	// handlers that no client awaits, panics with their stacks, trouble with other
	// nodes. What repeats is logged once, and then each minute how often it has happened.
	// Faults of clients, and the reason of each connection's end, are debug lines;
	// [Server.Stats] counts the faults. A client can write no more than 200 bytes into one
	// place of the log: longer texts are cut, those of your own errors too, since a client
	// may have written them. An [Observer] gets errors in full. The default is
	// [slog.Default].
	Logger *slog.Logger
}

func withDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	withDefault(&c.Path, "/socket.io/")
	withDefault(&c.ConnectTimeout, 45*time.Second)
	withDefault(&c.AttachmentTimeout, 30*time.Second)
	withDefault(&c.MaxAttachments, 10)
	withDefault(&c.MaxAttachmentBytes, 10_000_000)
	withDefault(&c.MaxNamespaces, 32)
	c.MaxNamespaces = min(c.MaxNamespaces, 1<<14) // which conn.left can count twice
	withDefault(&c.MaxPendingBytes, 1<<20)
	if c.HandlerPatience <= 0 {
		c.HandlerPatience = 5 * time.Minute
	}
	withDefault(&c.MaxPendingAcks, 16_384)
	withDefault(&c.MaxServerEvents, 1_024)
	withDefault(&c.AckTimeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Adapter == nil {
		c.Adapter = adapter.InMemory
	}
	if c.Parser == nil {
		c.Parser = &parser.Default{MaxAttachments: c.MaxAttachments, MaxAttachmentBytes: c.MaxAttachmentBytes}
	}
	if c.Codec == nil {
		c.Codec = parser.JSON{}
	}
	c.Engine.Path = c.Path
	if c.ConnContext != nil {
		c.Engine.ConnContext = c.ConnContext
	}
	if c.Engine.Logger == nil {
		c.Engine.Logger = c.Logger
	}
	return c
}
