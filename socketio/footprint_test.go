//go:build linux && !race && !noparking

package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// The heaps of the clients below must not be measured with that of the server,
// so a client is a bare descriptor and nothing else.

// rawClient connects a client to the main namespace and returns its descriptor.
func rawClient(t *testing.T, addr *syscall.SockaddrInet4, request string) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	patience := syscall.Timeval{Sec: 30}
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Connect(fd, addr); err != nil {
		t.Fatal(err)
	}
	var buf [2048]byte
	read := 0
	expect := func(text string) {
		for !strings.Contains(string(buf[:read]), text) {
			n, err := syscall.Read(fd, buf[read:])
			if errors.Is(err, syscall.EINTR) {
				continue // With a timeout, the runtime's signals end a read.
			}
			if err != nil || n <= 0 {
				t.Fatalf("read: %d, %v; got %q", n, err, buf[:read])
			}
			read += n
		}
	}
	for _, step := range [][2]string{{request, `0{"sid"`}, {"\x81\x82\x00\x00\x00\x0040", `40{"sid"`}} {
		if _, err := syscall.Write(fd, []byte(step[0])); err != nil {
			t.Fatal(err)
		}
		expect(step[1])
	}
	return fd
}

// settledHeap returns the bytes of live objects and of goroutines' stacks once
// they do not change any more: connections are parked a moment after their last
// message.
func settledHeap(t *testing.T) int64 {
	t.Helper()
	var last int64
	same := 0
	for end := time.Now().Add(time.Minute); same < 3; {
		if time.Now().After(end) {
			t.Fatal("the heap does not settle")
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		size := int64(m.HeapAlloc + m.StackInuse)
		if diff := size - last; -32<<10 < diff && diff < 32<<10 {
			same++
		} else {
			same = 0
		}
		last = size
		time.Sleep(20 * time.Millisecond)
	}
	return last
}

const nodeRequest = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

const browserRequest = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n" +
	"Pragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\nOrigin: http://chat.example.com\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// footprint returns the bytes of heap and stacks that each of n idle clients
// costs, in a room of ten each.
func footprint(t *testing.T, n int, request string) float64 {
	t.Helper()
	l := peers.Listen(t)
	srv := socketio.NewServer(nil)
	var joined atomic.Int64
	srv.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Join(fmt.Sprintf("room %d", joined.Load()/10))
		joined.Add(1)
		return nil
	})
	hs := &http.Server{Handler: srv, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hs.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = hs.Close()
		<-served
	})
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening at %v", l.Addr())
	}
	addr := &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte{127, 0, 0, 1}}
	clients := make([]int, 0, n+1)
	t.Cleanup(func() {
		for _, fd := range clients {
			_ = syscall.Close(fd)
		}
	})
	clients = append(clients, rawClient(t, addr, request)) // so that what is made once is there
	before := settledHeap(t)
	for range n {
		clients = append(clients, rawClient(t, addr, request))
	}
	eventually(t, "all clients have joined", func() bool { return joined.Load() == int64(n)+1 })
	after := settledHeap(t)
	if path := os.Getenv("FOOTPRINT_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.KeepAlive(srv)
	return float64(after-before) / float64(n)
}

// The live memory of an idle client bounds what it costs: the resident size of a
// process is about twice its live heap.
func TestFootprint(t *testing.T) {
	if testing.Short() {
		t.Skip("opens thousands of connections")
	}
	for _, c := range []struct {
		client, request string
		most            float64
	}{
		{"node", nodeRequest, 800},
		{"browser", browserRequest, 800},
	} {
		t.Run(c.client, func(t *testing.T) {
			got := footprint(t, 2000, c.request)
			t.Logf("%.0f bytes for each idle client", got)
			if got > c.most {
				t.Errorf("%.0f bytes for each idle client, want at most %.0f", got, c.most)
			}
		})
	}
}
