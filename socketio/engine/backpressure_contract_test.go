package engine_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A receiver that blocks holds its own client up and nobody else, however many of
// them there are.
func TestReceiversThatBlock(t *testing.T) { inBothModes(t, testReceiversThatBlock) }

func testReceiversThatBlock(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	release := make(chan struct{})
	s.onMessage = func(p *peer, m engine.Message) {
		if string(m.Data) == "block" {
			<-release
		}
		sendBack(p, m)
	}
	blocked := make([]*wsClient, 50)
	for i := range blocked {
		blocked[i] = s.openWS(t)
		blocked[i].mustText(t, "4block", "4behind")
		blocked[i].peer.expect(t, text("block"))
	}
	healthy := s.openWS(t)
	for i := range 100 {
		m := fmt.Sprint("4", i)
		healthy.mustText(t, m)
		healthy.expect(t, m)
	}
	for _, ws := range blocked {
		ws.peer.expectNow(t)
	}
	close(release)
	for _, ws := range blocked {
		ws.expect(t, "4block", "4behind")
	}
}

// What a client sends to a receiver that blocks stays in the network: the client
// is slowed down, and the server keeps nothing.
func TestBackpressureReachesTheClient(t *testing.T) { inBothModes(t, testBackpressureReachesTheClient) }

func testBackpressureReachesTheClient(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	release := make(chan struct{})
	s.onMessage = func(*peer, engine.Message) { <-release }
	ws := s.openWS(t)
	payload := strings.Repeat("x", 64<<10)
	wire := appendFrame(nil, finBinary, payload)
	_, err := ws.Write(wire)
	if err != nil {
		t.Fatal(err)
	}
	ws.peer.expect(t, bin(payload))
	if err := ws.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for ; err == nil && sent < 64<<20; sent += len(wire) {
		_, err = ws.Write(wire)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server took %d bytes for a receiver that blocks, error %v", sent, err)
	}
	close(release)
}

// The end of a client whose receiver blocks is told when the receiver has
// returned.
func TestClientThatLeavesABlockedReceiver(t *testing.T) {
	inBothModes(t, testClientThatLeavesABlockedReceiver)
}

func testClientThatLeavesABlockedReceiver(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	release := make(chan struct{})
	s.onMessage = func(*peer, engine.Message) { <-release }
	ws := s.openWS(t)
	ws.mustText(t, "4last words")
	ws.peer.expect(t, text("last words"))
	ws.Close()
	ws.peer.expectOpen(t)
	close(release)
	ws.peer.expectClose(t, engine.TransportClose, engine.TransportError)
}
