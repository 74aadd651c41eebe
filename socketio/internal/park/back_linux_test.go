//go:build !noparking

package park

import (
	"errors"
	"io"
	"net"
	"testing"
)

// deaf is a waiter that is not interested.
type deaf struct{ poller *Poller }

func (d deaf) Poller() *Poller { return d.poller }

func (deaf) Readable(*Worker, bool) {}

// pairOf returns an adopted connection and its other end.
func pairOf(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := new(Conn)
	if err := p.Adopt(c, accepted, deaf{p}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Watch(); err != nil {
		t.Fatal(err)
	}
	return c, other
}

func TestRelease(t *testing.T) {
	c, other := pairOf(t)
	p := c.waiter.Poller()
	if _, err := other.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	back, err := c.Release()
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if _, ok := back.(*net.TCPConn); !ok {
		t.Errorf("got a %T", back)
	}
	if got, want := back.RemoteAddr().String(), other.LocalAddr().String(); got != want {
		t.Errorf("the address is %s, want %s", got, want)
	}
	var b [5]byte
	if _, err := io.ReadFull(back, b[:]); err != nil || string(b[:]) != "hello" {
		t.Errorf("read %q, %v", b, err)
	}
	if n := p.Len(); n != 0 {
		t.Errorf("%d connections are watched", n)
	}
	if _, err := c.TryWrite(b[:]); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to what is released: %v", err)
	}
	if _, err := c.Release(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("releasing twice: %v", err)
	}
}
