package peers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
)

// TestCluster does everything that the adapter's protocol can do in a cluster of the reference server and two of ours, from each of
// them, for clients of all of them.
func TestCluster(t *testing.T) {
	c := startCluster(t, startBase(t), "socket.io", clusterOptions{})
	silent := testSilentServers(t, c)
	for _, nsp := range []string{"/", "/custom"} {
		t.Run("broadcasts in "+nsp, func(t *testing.T) { testBroadcasts(t, c, nsp, selections()) })
		t.Run("server events in "+nsp, func(t *testing.T) { testServerEvents(t, c, nsp) })
		testRequests(t, c, nsp)
	}
	t.Run("values", func(t *testing.T) { testBroadcasts(t, c, "/", values()) })
	t.Run("own types", func(t *testing.T) { testOwnTypes(t, c) })
	t.Run("volatile", func(t *testing.T) { testVolatile(t, c) })
	t.Run("order", func(t *testing.T) { testOrder(t, c) })
	t.Run("partial answers", func(t *testing.T) { testPartialAnswers(t, c) })
	t.Run("leaving without an answer", func(t *testing.T) { testAskAndGo(t, c) })
	t.Run("disconnecting", func(t *testing.T) { testDisconnect(t, c) })
	t.Run("rooms of all servers", func(t *testing.T) { testAllRooms(t, c) })
	t.Run("silent servers", silent)
	var waiting int
	c.eval(t, &waiting, `return c.server.io.of("/").adapter.requests.size + c.server.io.of("/custom").adapter.requests.size`)
	if waiting != 0 {
		t.Errorf("the reference server still waits for %d answers", waiting)
	}
}

// testAllRooms lets each server list the rooms of all servers.
func testAllRooms(t *testing.T, c *cluster) {
	var got []any
	c.eval(t, &got, `return [...await c.server.io.of("/custom").adapter.allRooms()]`)
	want := []any{"polling", "mixed", oddRoom, "websocket", "7", "solo"}
	for _, client := range everyone {
		want = append(want, c.id(t, client, "/custom"))
	}
	sameSet(t, "the rooms", got, append([]any{7}, want...))
	for _, g := range []*goInstance{c.a, c.b} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		rooms, err := g.io.Of("/custom").AllRooms(ctx)
		cancel()
		if err != nil {
			t.Error(err)
		}
		got := make([]any, len(rooms))
		for i, room := range rooms {
			got[i] = room
		}
		sameSet(t, "the rooms according to "+g.name(), got, want)
	}
}

// testRequests does what needs more than a message that nobody answers.
func testRequests(t *testing.T, c *cluster, nsp string) {
	t.Run("server answers in "+nsp, func(t *testing.T) { testServerAnswers(t, c, nsp) })
	t.Run("acknowledgements in "+nsp, func(t *testing.T) { testAcks(t, c, nsp) })
	t.Run("fetching in "+nsp, func(t *testing.T) { testFetch(t, c, nsp) })
	t.Run("remote sockets in "+nsp, func(t *testing.T) { testRemoteSockets(t, c, nsp) })
	t.Run("membership in "+nsp, func(t *testing.T) { testMembership(t, c, nsp) })
}

// TestClusterOptions does it again where an option changes what the servers tell each other. All the clusters are on one Redis server
// at the same time: their keys keep them apart.
func TestClusterOptions(t *testing.T) {
	base := startBase(t)
	specific := map[string]any{"publishOnSpecificResponseChannel": true}
	clusters := make(map[string]*cluster)
	for key, opts := range map[string]clusterOptions{
		"own:key*?":          {},
		"specific reference": {reference: specific},
		"specific ours":      {ours: redisadapter.Options{PublishOnSpecificResponseChannel: true}},
		"specific all":       {reference: specific, ours: redisadapter.Options{PublishOnSpecificResponseChannel: true}},
	} {
		clusters[key] = startCluster(t, base, key, opts)
	}
	for key, c := range clusters {
		t.Run(key, func(t *testing.T) {
			t.Run("broadcasts", func(t *testing.T) { testBroadcasts(t, c, "/", selections()) })
			t.Run("server events", func(t *testing.T) { testServerEvents(t, c, "/") })
			testRequests(t, c, "/")
		})
	}
}

// testOrder lets all servers send at the same time, in all the ways that lead through different channels. Whatever comes between them,
// the events of each server come in order and none is missing.
func testOrder(t *testing.T, c *cluster) {
	const n, room = 200, "everyone"
	c.a.joinAll(t, selection{Nsp: "/"}, room)
	eventually(t, "the room", func() bool { return len(c.names(t, c.b, selection{Nsp: "/", Rooms: []any{room}})) == len(everyone) })
	var counting sync.WaitGroup
	counting.Go(func() {
		if err := c.try(nil, `await c.count(...args)`, room, n); err != nil {
			t.Error(err)
		}
	})
	for _, g := range []*goInstance{c.a, c.b} {
		counting.Go(func() {
			ways := []socketio.Emitter{g.io, g.io.To(room), g.io.To(room, "none"), g.io.Except("none")}
			for i := range n {
				args := []any{g.is, i}
				if i%3 == 0 {
					args = append(args, []byte{byte(i)})
				}
				if err := ways[i%4].Emit("count", args...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	counting.Wait()
	got := make(map[string]map[string][]any) // what each client has got, by server
	for _, i := range c.instances() {
		for client, events := range c.received(t, i) {
			for _, event := range events {
				if event[0] != "count" {
					continue
				}
				if got[client] == nil {
					got[client] = make(map[string][]any)
				}
				server := fmt.Sprint(event[1])
				got[client][server] = append(got[client][server], event[2:])
			}
		}
	}
	var want []any
	for i := range n {
		event := []any{i}
		if i%3 == 0 {
			event = append(event, []byte{byte(i)})
		}
		want = append(want, event)
	}
	for _, client := range everyone {
		for _, i := range c.instances() {
			same(t, "what "+client+" has got of "+i.name(), got[client][i.name()], want)
		}
	}
}
