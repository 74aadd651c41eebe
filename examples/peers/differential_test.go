package peers_test

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

//go:embed testdata/differential.js
var differentialJS string

// transcript is what the clients of one step of the scenario have seen.
type transcript struct {
	Name       string
	Transcript json.RawMessage
}

// replay plays the scenario against a server: all of it, or the steps named, one at a time, so that each has the time that
// one piece of JavaScript has.
func replay(n *peers.NodeProcess, url, transport string, patience time.Duration, only []string) (all []transcript, err error) {
	var number int
	if err := n.Try(&number, `return ctx.startReplay(...args)`, url, transport, patience.Milliseconds(), only); err != nil {
		return nil, err
	}
	for {
		var step *transcript
		if err := n.Try(&step, `return ctx.play(...args)`, number); err != nil || step == nil {
			return all, err
		}
		all = append(all, *step)
	}
}

// TestDifferential plays one scenario of official clients against the reference server, against the Go peer and against ours, over
// each transport. Clients of ours must not be able to tell the difference; in what the peer differs is known.
func TestDifferential(t *testing.T) {
	t.Parallel()
	n := peers.Node(t)
	n.Eval(t, nil, differentialJS)
	peer := buildPeer(t)
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			testDifferential(t, n, peer, transport)
		})
	}
}

func testDifferential(t *testing.T, n *peers.NodeProcess, program, transport string) {
	t.Helper()
	var reference string
	n.Eval(t, &reference, `return ctx.startReference()`)
	servers := []struct {
		url      string
		patience time.Duration
	}{{reference, patience}, {startOurs(t), patience}, {startPeer(t, program), peerPatience}}
	got := make([][]transcript, len(servers))
	var replaying sync.WaitGroup
	for i, s := range servers {
		replaying.Go(func() {
			var err error
			if got[i], err = replay(n, s.url, transport, s.patience, nil); err != nil {
				t.Error(err)
			}
		})
	}
	replaying.Wait()
	want, ours, peer := got[0], got[1], got[2]
	if len(want) == 0 || len(ours) != len(want) || len(peer) != len(want) {
		t.Fatalf("there are %d, %d and %d steps", len(want), len(ours), len(peer))
	}
	for i := range want {
		t.Run(want[i].Name, func(t *testing.T) {
			if !agree(t, ours[i], want[i]) {
				t.Errorf("\n got %s\nwant %s", indent(ours[i].Transcript), indent(want[i].Transcript))
			}
		})
	}
	t.Run("peer", func(t *testing.T) { checkPeer(t, n, servers[2].url, transport, peer, want) })
}

// agree compares two transcripts of a step.
func agree(t *testing.T, a, b transcript) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a.Transcript, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Transcript, &y); err != nil {
		t.Fatal(err)
	}
	return a.Name == b.Name && reflect.DeepEqual(x, y)
}
