package peers

import (
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

// FreePort returns a TCP port of 127.0.0.1, between 10000 and 31999, that was free a moment ago.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", hostPort(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			tb.Fatalf("peers: giving port %d back: %v", port, err)
		}
		return port
	}
	tb.Fatal("peers: no free port between 10000 and 31999 in 100 tries")
	return 0
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
