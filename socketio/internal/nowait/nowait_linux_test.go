package nowait

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// blockingPair returns the two ends of a connection of which the first is in blocking
// mode.
func blockingPair(t *testing.T, network string) (raw syscall.RawConn, conn, peer net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = t.TempDir() + "/socket"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); peer.Close() })
	f, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Fd()
	raw, err = conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw, conn, peer
}

// on calls a function with the descriptor of a connection, which has to be in blocking
// mode.
func on(t *testing.T, raw syscall.RawConn, fn func(fd int)) {
	t.Helper()
	err := raw.Control(func(fd uintptr) {
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
		if flags&syscall.O_NONBLOCK != 0 {
			t.Error("the descriptor does not block: there is nothing to be tested")
		}
		fn(int(fd))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingWaitsInBlockingMode(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			raw, conn, peer := blockingPair(t, network)
			b := make([]byte, 64<<10)
			on(t, raw, func(fd int) {
				if n, err := Read(fd, b); n != 0 || !errors.Is(err, syscall.EAGAIN) {
					t.Errorf("reading nothing: %d, %v", n, err)
				}
				for err := error(nil); err == nil; {
					if _, err = Write(fd, b); err != nil && !errors.Is(err, syscall.EAGAIN) {
						t.Errorf("writing to one who does not read: %v", err)
					}
				}
			})
			for what, wait := range map[string]func() error{
				"reading": func() error { _, err := ReadConn(raw, b); return err },
				"writing": func() error { _, err := WriteConn(raw, b); return err },
			} {
				if err := conn.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				err := wait()
				for err == nil && what == "writing" { // the peer's kernel may take a little more
					err = wait()
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s until the deadline: %v", what, err)
				}
			}
			if err := conn.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, peer)
			if n, err := WriteConn(raw, []byte("x")); n != 1 || err != nil {
				t.Errorf("writing when there is room again: %d, %v", n, err)
			}
			if _, err := peer.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if n, err := ReadConn(raw, b); string(b[:n]) != "hello" || err != nil {
				t.Errorf("reading: %q, %v", b[:n], err)
			}
			peer.Close()
			if n, err := ReadConn(raw, b); n != 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reading at the end: %d, %v", n, err)
			}
		})
	}
}

// What has been done before a message was written has happened before what follows its
// being read, also for the race detector.
func TestOrderOfMemory(t *testing.T) {
	raw, _, peer := blockingPair(t, "tcp")
	there, err := peer.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var asked, answered string
	go func() {
		var b [1]byte
		if n, err := ReadConn(there, b[:]); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		answered = asked + "!"
		if n, err := WriteConn(there, b[:]); n != 1 || err != nil {
			t.Errorf("written %d, %v", n, err)
		}
	}()
	asked = "hello"
	var b [1]byte
	if n, err := WriteConn(raw, b[:]); n != 1 || err != nil {
		t.Fatalf("written %d, %v", n, err)
	}
	if n, err := ReadConn(raw, b[:]); n != 1 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if answered != "hello!" {
		t.Errorf("got %q", answered)
	}
}
