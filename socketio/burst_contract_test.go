package socketio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// A burst is what a server emits to each client as soon as it is connected.
type burst struct {
	count, size int
	binary      bool
}

func (b burst) String() string {
	kind := ""
	if b.binary {
		kind = " binary"
	}
	return fmt.Sprintf("%d x %d bytes%s", b.count, b.size, kind)
}

// bursts are far more than what a connection takes at once.
var bursts = []burst{{5000, 1000, false}, {20, 200_000, false}, {100_000, 50, false}, {40, 1_000_000, false}, {40, 1_000_000, true}}

// emitBursts makes the server emit the burst that the client's query asks for.
func emitBursts(s *testServer) {
	s.OnConnect(func(_ context.Context, socket *socketio.Socket) error {
		q := socket.Handshake().Query
		count, _ := strconv.Atoi(q.Get("count"))
		size, _ := strconv.Atoi(q.Get("size"))
		var filler any = strings.Repeat("x", size)
		if q.Get("binary") == "true" {
			filler = make([]byte, size)
		}
		for i := range count {
			if err := socket.Emit("m", i, filler); err != nil {
				return err
			}
		}
		return nil
	})
}

// receiveBurst connects and returns how many messages have arrived in order, and why no more.
const receiveBurst = `
	const [url, transports, query] = args, {count, size} = query;
	const s = io(url, {transports, reconnection: false, forceNew: true, rejectUnauthorized: false, query});
	let n = 0, fault = "", last = Date.now();
	s.on("m", (i, x) => {
		last = Date.now();
		if (i !== n || x.length !== size || Buffer.isBuffer(x) !== query.binary) fault ||= "message " + n + " is number " + i + ", " + x.length;
		n++;
	});
	s.on("disconnect", (reason) => fault ||= "disconnected: " + reason);
	s.on("connect_error", (e) => fault ||= "not connected: " + e.message);
	await until(() => fault || n === count || Date.now() - last > 20_000, 55_000);
	await until(() => fault || transports.length === 1 || s.io.engine.transport.name === "websocket");
	const after = fault || !s.connected ? null : await s.emitWithAck("echo", "after");
	const result = [n, fault, after];
	s.disconnect();
	return result;`

// Everything that is emitted while a client connects arrives in order, however much it is and however the client is connected.
func TestBurstsArrive(t *testing.T) {
	node := peers.Node(t)
	plain, secure := serve(t, nil).echo(), serveTLS(t, nil).echo()
	emitBursts(plain)
	emitBursts(secure)
	transports := map[string][]string{"polling": {"polling"}, "websocket": {"websocket"}, "default": {"polling", "websocket"}}
	receive := func(t *testing.T, s *testServer, name string, b burst) {
		t.Helper()
		switch {
		case b.size < 100:
			b.count = scaled(b.count)
		case b.size > 900_000:
			b.count = max(scaled(b.count), min(b.count, 15))
		}
		var got []any
		options := map[string]any{"count": b.count, "size": b.size, "binary": b.binary}
		node.Eval(t, &got, receiveBurst, s.url, transports[name], options)
		expectJSON(t, got, fmt.Sprintf(`[%d,"","after"]`, b.count))
	}
	for name := range transports {
		for _, b := range bursts {
			t.Run(b.String()+"/"+name, func(t *testing.T) { receive(t, plain, name, b) })
		}
		t.Run("TLS/"+name, func(t *testing.T) { receive(t, secure, name, burst{5, 1_000_000, false}) })
	}
	for _, b := range bursts {
		t.Run("TLS/"+b.String(), func(t *testing.T) { receive(t, secure, "default", b) })
	}
}

// What a member sends to its room in a row ends none of the others, over whatever transport they are connected.
func TestBroadcastsOfOneMember(t *testing.T) {
	const messages, size = 16, 900_000
	s := serve(t, nil).echo()
	s.Use(func(_ context.Context, socket *socketio.Socket) error {
		socket.Join("room")
		return nil
	})
	socketio.On(s, "pub", func(_ context.Context, socket *socketio.Socket, text string) error {
		return socket.To("room").Emit("msg", text)
	})
	members := append(s.crowd(t, "polling", 1), s.crowd(t, "websocket", 1)...)
	sender := s.join(t, "websocket")
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range messages {
			sender.send(fmt.Sprintf(`2["pub","%d%s"]`, i, strings.Repeat("x", size)))
		}
	})
	for _, m := range members {
		for i := range messages {
			m.expect(fmt.Sprintf(`2["msg","%d%s"]`, i, strings.Repeat("x", size)))
		}
		m.sync()
	}
	sending.Wait()
}

// serveTLS starts a server with TLS.
func serveTLS(tb testing.TB, opts *socketio.Options) *testServer {
	tb.Helper()
	ts := httptest.NewUnstartedServer(nil)
	ts.StartTLS() // which has a certificate
	config := &tls.Config{Certificates: ts.TLS.Certificates, MinVersion: tls.VersionTLS12}
	ts.Close()
	s := serveOn(tb, tls.NewListener(peers.Listen(tb), config), opts)
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		return d.DialContext(ctx, network, addr)
	}
	return s
}
