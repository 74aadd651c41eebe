package peers_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/examples/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFreePort(t *testing.T) {
	for range 20 {
		if port := peers.FreePort(t); port < 10000 || port > 31999 {
			t.Fatalf("FreePort() = %d, want 10000..31999", port)
		}
	}
}

func TestNodeEval(t *testing.T) {
	n := peers.Node(t)
	var sum int
	n.Eval(t, &sum, `ctx.sum = args[0] + args[1]; return ctx.sum`, 2, 3)
	if sum != 5 {
		t.Errorf("sum = %d, want 5", sum)
	}
	var kept int
	n.Eval(t, &kept, `await sleep(1); return ctx.sum`)
	if kept != 5 {
		t.Errorf("ctx.sum in a later call = %d, want 5", kept)
	}
	n.Eval(t, nil, `console.log("standard output is not disturbed"); return { any: [1] }`)
}

func TestNodeBinary(t *testing.T) {
	n := peers.Node(t)
	for _, in := range [][]byte{{}, {0, 255, 30}} {
		var out struct {
			IsBuffer bool
			Back     peers.Bin
			View     []peers.Bin
		}
		n.Eval(t, &out, `const b = args[0].b; return { IsBuffer: Buffer.isBuffer(b), Back: b, View: [new Uint8Array(b), new Uint8Array(b).buffer] }`,
			map[string]any{"b": peers.Bin(in)})
		if !out.IsBuffer || len(out.View) != 2 {
			t.Fatalf("%v arrived as %+v", in, out)
		}
		for _, got := range append(out.View, out.Back) {
			if !bytes.Equal(got, in) {
				t.Errorf("got %v back, want %v", got, in)
			}
		}
	}
}

func TestNodeErrors(t *testing.T) {
	n := peers.Node(t)
	for js, want := range map[string]string{
		`throw new TypeError("on purpose")`:                    "on purpose",
		`syntax error`:                                         "Unexpected identifier",
		`return once(new http.Server(), "never", 20)`:          "0 of 1",
		`const a = {}; a.a = a; return a`:                      "refers to itself",
		`await until(() => false, 20)`:                         "still false",
		`await connect("http://127.0.0.1:1", {timeout: 5000})`: "xhr poll error",
	} {
		err := n.Try(nil, js)
		js, ok := errors.AsType[*peers.JSError](err)
		if !ok || !strings.Contains(js.Message, want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
}

func TestNodeConcurrentCalls(t *testing.T) {
	n := peers.Node(t)
	var calls sync.WaitGroup
	calls.Go(func() {
		var got string
		if err := n.Try(&got, `return new Promise((done) => { ctx.release = done })`); err != nil || got != "released" {
			t.Errorf("got %q and %v, want what the other call gave", got, err)
		}
	})
	n.Eval(t, nil, `await until(() => ctx.release); ctx.release("released")`)
	calls.Wait()
}

func TestNodeKilled(t *testing.T) {
	n := peers.Node(t)
	ended := make(chan error, 1)
	go func() { ended <- n.Try(nil, `ctx.waiting = true; await sleep(60_000)`) }()
	n.Eval(t, nil, `await until(() => ctx.waiting)`)
	n.Kill()
	if err := <-ended; err == nil {
		t.Error("the call that ran when the process was killed has no error")
	}
	if err := n.Try(nil, `return 1`); err == nil {
		t.Error("a call to a killed process has no error")
	}
}

func TestNodeServerAndClients(t *testing.T) {
	n := peers.Node(t)
	var got []string
	n.Eval(t, &got, `
		const s = await startServer();
		s.io.on("connection", (socket) => socket.on("echo", (x, ack) => ack(x)));
		const now = await connect(s.url, { transports: ["websocket"] });
		const v3 = io3(s.url, { forceNew: true });
		await once(v3, "connect");
		return [await now.emitWithAck("echo", "v4"), await new Promise((done) => v3.emit("echo", "v3", done))];`)
	if len(got) != 2 || got[0] != "v4" || got[1] != "v3" {
		t.Errorf("acks = %q, want v4 and v3", got)
	}
}

func TestRedisJoinsNodeServers(t *testing.T) {
	r := peers.Redis(t)
	a, b := peers.Node(t), peers.Node(t)
	var port int
	a.Eval(t, &port, `ctx.a = await startServer({ redis: args[0] }); return ctx.port`, r.URL)
	b.Eval(t, nil, `ctx.b = await startServer({ redis: args[0] });
		ctx.client = await connect(ctx.b.url);
		ctx.got = once(ctx.client, "news")`, r.URL)
	a.Eval(t, nil, `ctx.a.io.emit("news", Buffer.from([1, 2]))`)
	var got []peers.Bin
	b.Eval(t, &got, `return ctx.got`)
	if len(got) != 1 || !bytes.Equal(got[0], []byte{1, 2}) {
		t.Errorf("the client of the other server got %v, want [[1 2]]", got)
	}
	a.Eval(t, nil, `await ctx.a.close()`)
}

func TestRedisOutage(t *testing.T) {
	r := peers.Redis(t)
	if !answers(r.Addr, 5*time.Second) {
		t.Fatal("a started server does not answer")
	}
	r.Pause(t)
	if answers(r.Addr, 50*time.Millisecond) {
		t.Error("a paused server answers")
	}
	r.Resume(t)
	if !answers(r.Addr, 5*time.Second) {
		t.Error("a resumed server does not answer")
	}
	r.Kill(t)
	if answers(r.Addr, 50*time.Millisecond) {
		t.Error("a killed server answers")
	}
	r.Restart(t)
	if !answers(r.Addr, 5*time.Second) {
		t.Error("a restarted server does not answer on its address")
	}
	if want := "redis://" + r.Addr + "/0"; r.URL != want {
		t.Errorf("URL = %q, want %q", r.URL, want)
	}
}

func answers(addr string, limit time.Duration) bool {
	conn, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return false
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(limit)) != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 5)
	n, err := conn.Read(answer)
	return err == nil && string(answer[:n]) == "+PONG"
}
