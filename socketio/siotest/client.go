package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

var (
	// ErrClosed is returned when the connection has been closed, by either side.
	ErrClosed = errors.New("siotest: connection is closed")
	// ErrDisconnected is returned when the server has disconnected the client from
	// the namespace.
	ErrDisconnected = errors.New("siotest: disconnected by the server")
)

// ConnectError is what the server answers if it refuses the connection.
type ConnectError struct {
	// Message is the message of the error that the guard returned.
	Message string `json:"message"`
	// Data is its data in JSON, nil if there is none.
	Data json.RawMessage `json:"data"`
}

// Error returns the message.
func (e *ConnectError) Error() string { return "siotest: connection refused: " + e.Message }

// Options configure a [Client]. A nil *Options means the defaults.
type Options struct {
	// Namespace is the namespace to connect to. The default is "/".
	Namespace string
	// Auth is the payload of the CONNECT packet, which a guard reads with
	// Socket.Auth. The default is none.
	Auth any
	// Header are further headers of the HTTP request.
	Header http.Header
	// Query are further parameters of the HTTP request.
	Query url.Values
	// Path is the path of the request. The default is "/socket.io/".
	Path string
}

// Client is a client that is connected to one namespace. Its methods may be
// called concurrently.
type Client struct {
	namespace string
	id        string
	conn      net.Conn
	r         io.Reader // conn, behind what the handshake has read of it
	stop      func()
	stopped   chan struct{}
	parser    parser.Default
	coder     parser.Coder

	write sync.Mutex

	mu     sync.Mutex
	acks   map[uint64]chan Event
	nextID uint64

	events chan Event
	done   chan struct{} // closed when the reader has ended, after err is set
	err    error
}

// pendingEvents is the number of events that a client keeps for Receive before it
// stops reading.
const pendingEvents = 1024

// Connect connects a client to a server, or to any handler that has one behind
// it. If the server refuses, the error is a [*ConnectError]. The client must be
// closed in the end.
func Connect(ctx context.Context, h http.Handler, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Namespace == "" {
		o.Namespace = "/"
	}
	conn, stop := serve(h)
	c := &Client{
		namespace: o.Namespace, conn: conn, r: conn,
		acks:    make(map[uint64]chan Event),
		events:  make(chan Event, pendingEvents),
		stopped: make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.stop = sync.OnceFunc(func() { close(c.stopped); stop() })
	unwatch := context.AfterFunc(ctx, c.stop)
	err := c.open(ctx, &o)
	unwatch()
	if ctx.Err() != nil { // then the client is being closed, even if it has connected
		err = ctx.Err()
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("siotest: connect to %s: %w", o.Namespace, err)
	}
	go c.read()
	return c, nil
}

// ID returns the id of the socket.
func (c *Client) ID() string { return c.id }

// Close closes the connection and waits for the client's goroutines.
func (c *Client) Close() error {
	c.stop()
	<-c.done
	return nil
}

// Disconnect leaves the namespace, as the JavaScript client does, and closes the
// connection.
func (c *Client) Disconnect() error {
	err := c.send(&adapter.Packet{Type: adapter.Disconnect})
	return errors.Join(err, c.Close())
}

// open makes the WebSocket handshake and the CONNECT exchange.
func (c *Client) open(ctx context.Context, o *Options) error {
	query := url.Values{"EIO": {"4"}, "transport": {"websocket"}}
	maps.Copy(query, o.Query)
	path := o.Path
	if path == "" {
		path = "/socket.io/"
	}
	dialer := ws.Dialer{
		Header:  ws.HandshakeHeaderHTTP(o.Header),
		NetDial: func(context.Context, string, string) (net.Conn, error) { return c.conn, nil },
	}
	_, early, _, err := dialer.Dial(ctx, "ws://memory"+path+"?"+query.Encode())
	if err != nil {
		return err
	}
	if early != nil {
		c.r = early
	}
	if _, _, err := wsutil.ReadServerData(frames{c}); err != nil { // the open packet
		return err
	}
	connect := &adapter.Packet{Type: adapter.Connect}
	if o.Auth != nil {
		if connect.Data, err = json.Marshal(o.Auth); err != nil {
			return err
		}
	}
	if err := c.send(connect); err != nil {
		return err
	}
	return c.awaitConnect()
}
