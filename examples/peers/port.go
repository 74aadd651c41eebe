package peers

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports given out. They end where the range of outgoing connections begins on Linux, so that no client of a busy test can hold
// the port a server is about to take.
const (
	firstPort = 10000
	lastPort  = 31999
)

// Listen returns a listener on a free TCP port of 127.0.0.1, between 10000 and 31999. The caller closes it.
func Listen(tb testing.TB) net.Listener {
	tb.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", hostPort(firstPort+rand.IntN(lastPort-firstPort+1))); err == nil {
			return l
		}
	}
	tb.Fatal("peers: no free port between 10000 and 31999 in 100 tries")
	return nil
}

// FreePort returns a port such as [Listen] takes, for a process of its own. It was free a moment ago.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l := Listen(tb)
	_, text, err := net.SplitHostPort(l.Addr().String())
	port, convErr := strconv.Atoi(text)
	if err := errors.Join(err, convErr, l.Close()); err != nil {
		tb.Fatalf("peers: giving a port back: %v", err)
	}
	return port
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
