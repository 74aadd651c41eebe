package peers_test

import (
	_ "embed"
	"encoding/json"
	"maps"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/redisadapter"
)

// patience bounds what should take a moment. It is generous: other packages' tests may keep the machine busy.
const patience = 20 * time.Second

// clusterJS is the Node.js side of the cluster.
//
//go:embed testdata/cluster.js
var clusterJS string

// cluster is one reference server and two of ours on one Redis server, each with a client over polling and one over WebSocket.
// All clients are official ones, in the Node.js process, and in the namespaces "/" and "/custom".
type cluster struct {
	key  string
	node *peers.NodeProcess

	reference nodeInstance
	emitter   nodeInstance
	a, b      *goInstance

	ends atomic.Int64
}

// The clients: n is with the reference, a and b are with our servers; p polls and w has a WebSocket.
var everyone = []string{"n.p", "n.w", "a.p", "a.w", "b.p", "b.w"}

// The rooms, the same in both namespaces. 7 is a number at the reference server and a text at ours.
var rooms = map[string][]any{
	"n.p": {"polling", "mixed", oddRoom},
	"n.w": {"websocket", 7},
	"a.p": {"polling", 7},
	"a.w": {"websocket", "mixed"},
	"b.p": {"polling", oddRoom},
	"b.w": {"websocket", "solo"},
}

// oddRoom is a name with all that could be mistaken for something else.
const oddRoom = "a#b ü*?[x]\\ {y}/"

// base is what clusters of one test share.
type base struct {
	redis *peers.RedisServer
	node  *peers.NodeProcess
}

func startBase(t *testing.T) base {
	t.Helper()
	b := base{redis: peers.Redis(t), node: peers.Node(t)}
	b.node.Eval(t, nil, clusterJS)
	return b
}

// clusterOptions are those of the adapters, besides the key, and of the heartbeat.
type clusterOptions struct {
	reference map[string]any
	ours      redisadapter.Options
	heartbeat time.Duration // between two pings, and a fourth of how long the answer may take; 0 for the defaults
}

// startCluster starts the servers and their clients. The key keeps apart the clusters on one Redis server.
func startCluster(t *testing.T, base base, key string, opts clusterOptions) *cluster {
	t.Helper()
	c := &cluster{key: key, node: base.node}
	c.reference = nodeInstance{c: c, root: "c.server.io"}
	c.emitter = nodeInstance{c: c, root: "c.emitter"}
	if opts.reference == nil {
		opts.reference = map[string]any{}
	}
	base.node.Eval(t, &c.reference.url, `return ctx.startCluster(...args)`, key, base.redis.URL, opts.reference, opts.heartbeat.Milliseconds())
	opts.ours.Key = key
	c.a = startGo(t, "a", base.redis.Addr, opts)
	c.b = startGo(t, "b", base.redis.Addr, opts)
	t.Cleanup(func() {
		// The clients leave before the servers do.
		if err := base.node.Try(nil, c.js(`c.drop([...c.clients.keys()]); await c.server.close()`), key); err != nil {
			t.Error(err)
		}
	})
	for _, i := range c.instances() {
		for _, nsp := range []string{"/", "/custom"} {
			eventually(t, "three servers at "+i.name(), func() bool { return i.count(t, nsp) == 3 })
		}
	}
	for _, name := range everyone {
		c.connect(t, name, nil)
		c.eval(t, nil, `for (const nsp of ["/", "/custom"]) await c.get(args[0], nsp).socket.emitWithAck("join", args[1])`, name, rooms[name])
	}
	return c
}

// instances returns the three servers.
func (c *cluster) instances() []instance { return []instance{c.reference, c.a, c.b} }

// js makes JavaScript see the cluster as c, with the key taken off its arguments.
func (c *cluster) js(code string) string { return `const c = ctx.clusters[args.shift()]; ` + code }

func (c *cluster) eval(t *testing.T, out any, code string, args ...any) {
	t.Helper()
	c.node.Eval(t, out, c.js(code), append([]any{c.key}, args...)...)
}

func (c *cluster) try(out any, code string, args ...any) error {
	return c.node.Try(out, c.js(code), append([]any{c.key}, args...)...)
}

// url returns where the clients of that name connect to.
func (c *cluster) url(client string) string {
	return map[byte]string{'n': c.reference.url, 'a': c.a.url, 'b': c.b.url}[client[0]]
}

// connect connects a client in both namespaces. The name tells the server and the transport, like "a.w", and may go on after that.
func (c *cluster) connect(t *testing.T, name string, opts map[string]any) {
	t.Helper()
	all := map[string]any{"transports": []string{map[byte]string{'p': "polling", 'w': "websocket"}[name[2]]}}
	maps.Copy(all, opts)
	c.eval(t, nil, `await c.client(...args)`, name, c.url(name), all)
}

// extra connects clients for the rest of the test only, and makes them join a room in both namespaces.
func (c *cluster) extra(t *testing.T, room string, names ...string) {
	t.Helper()
	for _, name := range names {
		c.connect(t, name, nil)
		c.eval(t, nil, `for (const nsp of ["/", "/custom"]) await c.get(args[0], nsp).socket.emitWithAck("join", [args[1]])`, name, room)
	}
	t.Cleanup(func() {
		if err := c.try(nil, `c.drop(args[0])`, names); err != nil {
			t.Error(err)
		}
	})
}

// in returns under which name a client's events in the namespace are kept.
func in(client, nsp string) string {
	if nsp == "/" {
		return client
	}
	return client + nsp
}

// received ends what i has sent so far and returns what every client has got of it: the events by client, a client in "/custom"
// having "/custom" after its name.
func (c *cluster) received(t *testing.T, i instance) map[string][][]any {
	t.Helper()
	end := c.ends.Add(1)
	for _, nsp := range []string{"/", "/custom"} {
		i.emit(t, selection{Nsp: nsp}, "end", end)
	}
	var got map[string][][]any
	c.eval(t, &got, `return c.drain(args[0])`, end)
	return got
}

// selection selects sockets: those in any of the rooms and in none of the excepted ones. A number stands for the room that has the
// number as its name at the reference server, and its text at ours.
type selection struct {
	Nsp      string `json:"nsp"`
	Rooms    []any  `json:"rooms,omitempty"`
	Except   []any  `json:"except,omitempty"`
	Volatile bool   `json:"volatile,omitempty"`
	Local    bool   `json:"local,omitempty"`
	Compress *bool  `json:"compress,omitempty"`
	From     string `json:"from,omitempty"` // the socket of the server's own that emits to others
}

// replies are what an operation has collected.
type replies struct {
	Answers []any  // the first value of each answer, nil if there is none
	Error   string // "" if the answers are complete
}

// found is a socket as a server sees it.
type found struct {
	ID        string
	Handshake map[string]any
	Rooms     []string
	Data      any
}

// instance is a server of the cluster, whoever has made it.
type instance interface {
	name() string
	emit(t *testing.T, to selection, event string, args ...any)
	ask(to selection, patience time.Duration, event string, args ...any) (replies, error)
	fetch(t *testing.T, to selection) []found
	joinAll(t *testing.T, to selection, rooms ...any)
	leaveAll(t *testing.T, to selection, rooms ...any)
	disconnect(t *testing.T, to selection, closeConn bool)
	remote(t *testing.T, nsp, id string) remoteSocket
	serverEmit(t *testing.T, nsp, event string, args ...any)
	serverAsk(nsp, event string, args ...any) (replies, error)
	notes(t *testing.T) [][]any
	count(t *testing.T, nsp string) int
}

// remoteSocket is a socket that a server has fetched.
type remoteSocket interface {
	emit(t *testing.T, event string, args ...any)
	ask(t *testing.T, event string, args ...any) any
	join(t *testing.T, rooms ...string)
	leave(t *testing.T, room string)
	disconnect(t *testing.T, closeConn bool)
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// forJS returns a value with peers.Bin in place of []byte, everywhere in it.
func forJS(v any) any {
	switch v := v.(type) {
	case []byte:
		return peers.Bin(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = forJS(v[i])
		}
		return out
	case [][]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = forJS(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = forJS(v[k])
		}
		return out
	}
	return v
}

// plain returns the value as it is after a journey to JavaScript and back.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(forJS(v))
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// full is a value as JSON.
func full(v any) string {
	data, err := json.Marshal(forJS(v))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// text is a value as JSON for a message.
func text(v any) string {
	data := full(v)
	if len(data) > maxText {
		data = data[:maxText] + "..."
	}
	return data
}

const maxText = 1000

// same compares values as JavaScript would see them.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := plain(t, got), plain(t, want); !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\n got %s\nwant %s", what, text(g), text(w))
	}
}

// sameSet compares lists regardless of their order.
func sameSet(t *testing.T, what string, got, want []any) {
	t.Helper()
	left := make(map[string]int)
	for _, v := range want {
		left[full(v)]++
	}
	for _, v := range got {
		left[full(v)]--
	}
	for v, n := range left {
		if len(v) > maxText {
			v = v[:maxText] + "..."
		}
		if n > 0 {
			t.Errorf("%s lack %d times %s", what, n, v)
		} else if n < 0 {
			t.Errorf("%s have %d times too many %s", what, -n, v)
		}
	}
}
