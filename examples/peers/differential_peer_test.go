package peers_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

// buildPeer builds the Go peer's server for the scenario.
func buildPeer(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "scenario")
	build := exec.Command("go", "build", "-o", program, "./scenario")
	build.Dir = "zishang"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the peer: %v\n%s", err, out)
	}
	return program
}

// startPeer starts that server with a listener of ours.
func startPeer(t *testing.T, program string) (url string) {
	t.Helper()
	l, ok := peers.Listen(t).(*net.TCPListener)
	if !ok {
		t.Fatal("not a TCP listener")
	}
	defer l.Close() // the peer has its own
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), program) // killed when the test has ended
	cmd.ExtraFiles = []*os.File{file}
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe() // it ends with this process, should that be killed
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // it has been killed
		if t.Failed() && log.String() != "" {
			t.Logf("log of the peer:\n%.4000s", log)
		}
	})
	return "http://" + l.Addr().String()
}

// A deviation is what is known to be different with the Go peer.
type deviation struct {
	reason    string
	sometimes bool // it depends on the transport, or on chance
}

const (
	anyOrder     = "each event is handled on a goroutine of its own, so that they overtake each other"
	allArguments = "every argument of an answer counts as an answer, so that none and two of them mislead it"
	lostWords    = "the connection is closed before what is queued has been written, DISCONNECT packets among it"
	goesTwice    = "a client that leaves and closes its connection may be reported twice"
	largeBodies  = "over polling, large bodies are not answered"
	bodyRefused  = "over polling, it refuses a body that is too large and leaves it to the client to end the session"
)

// deviations are those of version 2.5.0, by step.
var deviations = map[string]deviation{
	"acknowledge order of keys":         {"objects are maps, whose keys it sorts", false},
	"length of ids":                     {"ids have 24 characters", false},
	"handshake":                         {"addresses have ports, names of headers are not in lower case, all values are lists, the time is not JavaScript's", false},
	"event with a number as name":       {"it is taken for a violation of the protocol", false},
	"questions to many":                 {allArguments, false},
	"questions that some do not answer": {allArguments, false},
	"connection closed by the server":   {lostWords, true},
	"disconnecting many":                {lostWords, true},
	"events before the connection":      {anyOrder, true},
	"events that nobody handles":        {anyOrder, true},
	"events in order":                   {anyOrder, true},
	"acknowledgements in order":         {anyOrder, true},
	"broadcasts":                        {anyOrder, true},
	"sockets together":                  {anyOrder, true},
	"disconnect by the client":          {goesTwice, true},
	"client of version 3":               {goesTwice, true},
	"echo large binary":                 {largeBodies, true},
	"acknowledge large binary":          {largeBodies, true},
	"question large binary":             {largeBodies, true},
	"message that is just small enough": {largeBodies, true},
	"message that is too large":         {bodyRefused, true},
}

// peerPatience is how long the peer may take for a step. It is short, since some of its steps never end, and a step that
// fails unexpectedly is tried again with more.
const peerPatience = time.Second

// checkPeer compares the Go peer's transcripts with the reference's.
func checkPeer(t *testing.T, n *peers.NodeProcess, url, transport string, got, want []transcript) {
	t.Helper()
	for i := range want {
		name := want[i].Name
		d, known := deviations[name]
		switch ok := agree(t, got[i], want[i]); {
		case ok && known && !d.sometimes:
			t.Errorf("%s: does not deviate any more: %s", name, d.reason)
		case !ok && !known:
			t.Run(name, func(t *testing.T) { tryAgain(t, n, url, transport, want[i]) })
		}
	}
}

// tryAgain plays a step until the transcripts agree. What it has seen of the peer in its place may be due to an earlier step, or to
// the chance by which the peer does other things wrong.
func tryAgain(t *testing.T, n *peers.NodeProcess, url, transport string, want transcript) {
	var got transcript
	for range 5 {
		again, err := replay(n, url, transport, patience/2, []string{want.Name})
		if err != nil || len(again) != 1 {
			t.Fatal(err)
		}
		if got = again[0]; agree(t, got, want) {
			return
		}
	}
	t.Errorf("an unknown deviation:\n got %s\nwant %s", indent(got.Transcript), indent(want.Transcript))
}
