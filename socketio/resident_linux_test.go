package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// residentBudget is the OutputBudget of the programs whose resident memory is measured.
const residentBudget = 64 << 20

// The resident memory of a server whose clients never read stays within three times its
// OutputBudget, and within 1.7 times if the collector knows a limit of 1.5 times. Each
// measurement is of a program of its own, which is this test with an argument.
func TestFootprintOfClientsThatNeverRead(t *testing.T) {
	const argument = "TANDEM_TEST_RESIDENT"
	if size, err := strconv.Atoi(os.Getenv(argument)); err == nil {
		fmt.Println("grown by", floodClientsThatNeverRead(t, 20, size))
		return
	}
	if raceEnabled || testing.Short() {
		t.Skip("the race detector's memory is in the figure")
	}
	for _, size := range []int{10, 50, 1000} {
		for limit, most := range map[string]float64{"": 3, "GOMEMLIMIT=" + strconv.Itoa(residentBudget*3/2): 1.7} {
			t.Run(fmt.Sprint(size, limit), func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFootprintOfClientsThatNeverRead$")
				cmd.Env = append(os.Environ(), argument+"="+strconv.Itoa(size), limit)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				_, figure, _ := strings.Cut(string(out), "grown by ")
				var grown float64
				if _, err := fmt.Sscan(figure, &grown); err != nil {
					t.Fatalf("no figure in %q", out)
				}
				t.Logf("%.2f times the budget", grown/residentBudget)
				if grown > most*residentBudget {
					t.Errorf("%.2f times the budget, want at most %v", grown/residentBudget, most)
				}
			})
		}
	}
}

// floodClientsThatNeverRead emits events to clients that never read, several times as many
// as the budget holds, and returns by how many bytes the process has grown at most.
func floodClientsThatNeverRead(t *testing.T, clients, size int) int64 {
	opts := &socketio.Options{}
	opts.Engine.OutputBudget = residentBudget
	io := socketio.NewServer(opts)
	connected := make(chan *socketio.Socket, clients)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		connected <- s
		return nil
	})
	ts := httptest.NewServer(io)
	var conns []net.Conn // or the collector would close them
	join := func() *socketio.Socket {
		conns = append(conns, connectAndNeverRead(t, ts.Listener.Addr().String()))
		return <-connected
	}
	sockets := make([]*socketio.Socket, clients)
	for i := range sockets {
		sockets[i] = join()
	}
	before := statusBytes(t, "VmRSS:")
	payload := strings.Repeat("x", size)
	const overhead = 128 // about what a message takes besides
	gone := 0
	for sent := 0; sent < 8*residentBudget || gone == 0; sent += clients * (size + overhead) {
		for i, s := range sockets {
			if err := s.Emit("event", payload); err != nil {
				gone++
				sockets[i] = join()
			}
		}
	}
	grown := statusBytes(t, "VmHWM:") - before
	for _, c := range conns {
		c.Close()
	}
	if err := io.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	ts.Close()
	return grown
}

// connectAndNeverRead makes a client that reads nothing but the answer to its handshake.
func connectAndNeverRead(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('}'); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("\x81\x82\x00\x00\x00\x0040")); err != nil {
		t.Fatal(err)
	}
	return c
}

// statusBytes reads a size from the status of the process.
func statusBytes(t *testing.T, name string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name)
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Fatalf("%s in the status of the process: %v", name, err)
	}
	return kilobytes << 10
}
