package engine

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/nowait"
)

// link is the connection below a WebSocket. There is one for connections of the net
// package, and one for those that the server has taken away from it: see parked.
type link interface {
	// tries reports whether tryWrite can be used.
	tries() bool
	// tryWrite writes as much as the connection takes at once, maybe nothing.
	tryWrite(sc *flush.Scratch, b []byte) (int, error)
	// writeSome writes as much of b, which is not empty, as the connection takes, and
	// waits until that is something. If it is nothing in the time given, the error is
	// [os.ErrDeadlineExceeded].
	writeSome(b []byte, timeout time.Duration) (int, error)
	// halfCloses reports whether closeWrite can be used.
	halfCloses() bool
	// closeWrite ends the output.
	closeWrite()
	// interrupt ends the reading, for good. It is called once the session has ended,
	// after closeWrite.
	interrupt()
	// drain reads on until the peer closes its side, or until end.
	drain(end time.Time)
	// close closes the connection and ends the reading.
	close()
}

// netLink is a connection of the net package, which a goroutine reads: see source.
type netLink struct {
	conn net.Conn
	raw  syscall.RawConn // nil: every write takes the slow path
}

// newNetLink returns the link for a connection.
func newNetLink(conn net.Conn) *netLink { return &netLink{conn: conn, raw: rawConn(conn)} }

// rawConn returns what is needed to use a connection without blocking; nil if
// that is not possible. Only the plain types qualify: a type that embeds one of
// them may do something of its own in Read and Write.
func rawConn(conn net.Conn) syscall.RawConn {
	if !flush.RawSupported {
		return nil
	}
	var sc syscall.Conn
	switch c := conn.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func (l *netLink) tries() bool { return l.raw != nil }

func (l *netLink) tryWrite(sc *flush.Scratch, b []byte) (int, error) { return sc.Write(l.raw, b) }

// record is how much is written at once to a connection of which a write that has timed
// out says nothing of its progress, as with TLS, whose records are that long.
const record = 16 << 10

func (l *netLink) writeSome(b []byte, timeout time.Duration) (int, error) {
	piece := b[:min(len(b), record)]
	if l.raw != nil {
		piece = b[:min(len(b), flush.MaxGather)]
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	n, err := l.put(piece)
	_ = l.conn.SetWriteDeadline(time.Time{}) // which tryWrite would be subject to
	switch {
	case l.raw == nil || !errors.Is(err, os.ErrDeadlineExceeded):
		return n, err
	case n > 0:
		return n, nil
	}
	// The system tells of room in the output only when there is much of it.
	n, err = flush.NewScratch().Write(l.raw, piece)
	if n == 0 && err == nil {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

// put writes once, and waits for that until the deadline. A connection that the
// application has put into blocking mode has one only if package net does not write.
func (l *netLink) put(b []byte) (int, error) {
	if l.raw == nil {
		return l.conn.Write(b)
	}
	return nowait.WriteConn(l.raw, b)
}

// take reads once, likewise. It returns 0 at the end.
func (l *netLink) take(b []byte) (int, error) {
	if l.raw == nil {
		return l.conn.Read(b)
	}
	return nowait.ReadConn(l.raw, b)
}

// halfCloser is a connection whose output can be closed alone.
type halfCloser interface{ CloseWrite() error }

func (l *netLink) halfCloses() bool {
	_, ok := l.conn.(halfCloser)
	return ok
}

func (l *netLink) closeWrite() {
	if h, ok := l.conn.(halfCloser); ok {
		_ = h.CloseWrite()
	}
}

func (l *netLink) interrupt() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) }

func (l *netLink) drain(end time.Time) {
	var buf [512]byte
	for {
		// interrupt may set its deadline in the past only now: hence the loop.
		if err := l.conn.SetReadDeadline(end); err != nil {
			return
		}
		n, err := l.take(buf[:])
		if n == 0 && err == nil {
			return
		}
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(end)) {
			return
		}
	}
}

func (l *netLink) close() { _ = l.conn.Close() }

// writeLink writes all of b. The timeout is for each piece that the peer takes.
func writeLink(l link, b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		n, err := l.writeSome(b, timeout)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
