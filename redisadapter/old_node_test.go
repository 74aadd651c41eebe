package redisadapter

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// startOldNode starts a Node.js server with an adapter that reads requests and responses as
// JSON only. What it throws with nobody to catch it, which ends a process, is kept.
const startOldNode = `
	const { createRequire } = await import("node:module");
	const require = createRequire(process.cwd() + "/driver.mjs");
	const redis = createRequire(require.resolve("redis-adapter-6.1"))("redis");
	const [pubClient, subClient] = [redis.createClient(args[1]), redis.createClient(args[1])];
	const old = require(args[0]).createAdapter;
	const adapter = args[0] === "redis-adapter-6.1" ? old({ pubClient, subClient }) : old(pubClient, subClient);
	ctx.thrown = [];
	process.on("unhandledRejection", (err) => ctx.thrown.push(String(err)));
	process.on("uncaughtException", (err) => ctx.thrown.push(String(err)));
	ctx.s = await startServer({ opts: { adapter } });
	ctx.all = ctx.s.io.of("/");
	ctx.events = [];
	ctx.all.on("e", (...got) => ctx.events.push(got));
	ctx.got = [];
	ctx.client = await connect(ctx.s.url);
	ctx.client.onAny((...got) => ctx.got.push(got));`

// startOld starts two Go nodes and an old one.
func startOld(t *testing.T, name string) (a, b *adaptertest.Host, node *peers.NodeProcess) {
	t.Helper()
	server := peers.Redis(t)
	node = peers.Node(t)
	node.Eval(t, nil, startOldNode, name, server.URL)
	opts := &Options{RequestTimeout: time.Second}
	a = openHost(t, "/", New(client(t, server.Addr), opts))
	b = openHost(t, "/", func(h adapter.Host) adapter.Adapter { return New(client(t, server.Addr), opts)(h) })
	eventually(t, "three nodes to listen", func() bool {
		n, err := a.Adapter().ServerCount(patience(t))
		return err == nil && n == 3
	})
	return a, b, node
}

// TestOldNodesSurvive has adapters in the cluster that know neither acknowledgements nor
// MessagePack outside of broadcasts. They ignore the one, and of the other get nothing as
// long as no binary is sent.
func TestOldNodesSurvive(t *testing.T) {
	for _, name := range []string{"redis-adapter-7.0", "redis-adapter-6.1"} {
		t.Run(name, func(t *testing.T) {
			a, b, node := startOld(t, name)
			bin := adapter.Reply{Data: []byte(`[{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1}}}
			p := b.Connect()
			p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(bin) })
			b.OnServerEvent(func(e adaptertest.ServerEvent) {
				if e.Respond != nil {
					e.Respond(bin) // to the one that has asked, alone
				}
			})
			withoutBinary(t, a)
			p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(answerOne) })
			if answers, _, err := collected(&mixed{host: a}, context.Background(), event("/", `["ask"]`), adapter.Target{}); len(answers) != 1 {
				t.Errorf("answers: %q, %v", answers, err)
			}
			bins := event("/", `["end",{"_placeholder":true,"num":0}]`, []byte{1, 2})
			if err := a.Adapter().Broadcast(t.Context(), bins, adapter.Target{}); err != nil {
				t.Fatal(err)
			}
			var seen struct {
				Got, Events, Thrown []any
				Rooms               int
			}
			node.Eval(t, &seen, `
				await until(() => ctx.got.length > 0);
				return { Got: ctx.got, Events: ctx.events, Thrown: ctx.thrown, Rooms: ctx.all.adapter.socketRooms(ctx.client.id).size }`)
			checkJSON(t, seen.Got, `[["end",{"$bin":"AQI="}]]`)
			want := `[[1],[2,null]]` // with a function to answer with
			if name == "redis-adapter-6.1" {
				want = `[]` // which has no events between servers
			}
			checkJSON(t, seen.Events, want)
			if len(seen.Thrown) > 0 || seen.Rooms != 2 {
				t.Errorf("the old node would have ended: %q, or it has not joined: %d rooms", seen.Thrown, seen.Rooms)
			}

			// What has binary in it, they do not survive.
			data := []byte(`["e",{"_placeholder":true,"num":0}]`)
			if err := a.Adapter().ServerEmit(patience(t), data, [][]byte{{1}}); err != nil {
				t.Fatal(err)
			}
			node.Eval(t, nil, `await until(() => ctx.thrown.length > 0)`)
		})
	}
}

// withoutBinary asks and tells the other nodes all that there is.
func withoutBinary(t *testing.T, h *adaptertest.Host) {
	t.Helper()
	ctx, all := patience(t), adapter.Target{}
	sockets, err := h.Adapter().Fetch(ctx, all)
	if err != nil || len(sockets) != 2 {
		t.Errorf("Fetch: %d sockets, %v", len(sockets), err)
	}
	lister, _ := h.Adapter().(adapter.RoomLister)
	rooms, err := lister.AllRooms(ctx)
	if err != nil || len(rooms) != 2 {
		t.Errorf("AllRooms: %q, %v", rooms, err)
	}
	err = errors.Join(
		h.Adapter().JoinAll(ctx, all, "room"),
		h.Adapter().ServerEmit(ctx, []byte(`["e",1]`), nil),
	)
	if err != nil {
		t.Error(err)
	}
	answers := 0
	for r, err := range h.Adapter().ServerCollect(context.Background(), []byte(`["e",2]`), nil) {
		if err == nil && len(r.Attachments) == 1 {
			answers++
		} else if err = wrongTimeout(err, &TimeoutError{Got: 1, Want: 2}); err != nil {
			t.Error(err)
		}
	}
	got, _, err := collected(&mixed{host: h}, context.Background(), event("/", `["ask"]`), all)
	if err = wrongTimeout(err, &TimeoutError{Got: 1, Want: 1, Silent: 1}); err != nil || answers != 1 || len(got) != 1 {
		t.Errorf("answers: %q of sockets, %d of nodes, %v", got, answers, err)
	}
}
