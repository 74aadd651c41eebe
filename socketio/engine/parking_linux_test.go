//go:build !noparking

package engine

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// logLines counts the lines that are logged.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logLines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), "\n")
}

// echoed fails the test unless a message comes back.
func echoed(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("4hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := conn.ReadMessage(); err != nil || string(b) != "4hello" {
		t.Fatalf("got %q, %v", b, err)
	}
}

// exhaust lets the process have no further descriptor, until restore is called.
func exhaust(t *testing.T) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that cannot be parked, because there is no descriptor left, is read by a
// goroutine. That is logged once and seen in the statistics. Later ones are parked again.
func TestConnectionsWithoutADescriptorToSpare(t *testing.T) {
	var scarce atomic.Bool
	restore := func() {}
	log := new(logLines)
	// Between the two calls the connection is taken over.
	opts := &Options{
		Header: func(http.Header, *http.Request, bool) {
			if scarce.Load() {
				restore = exhaust(t)
			}
		},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
	srv := NewServer(func(*Session) Receiver {
		restore()
		restore = func() {}
		return echoes{}
	}, opts)
	ts := httptest.NewServer(srv)
	for _, step := range []struct {
		what            string
		scarce          bool
		next            time.Time // when the poller may be opened
		parked, reading int
		err             error
	}{
		{"the poller cannot be opened", true, time.Time{}, 0, 1, syscall.EMFILE},
		{"that has been too short ago", false, time.Now().Add(time.Hour), 0, 2, syscall.EMFILE},
		{"it is tried again", false, time.Time{}, 1, 2, nil},
		{"a connection cannot be taken over", true, time.Time{}, 1, 3, syscall.EMFILE},
		{"and the next one can", false, time.Time{}, 2, 3, nil},
	} {
		scarce.Store(step.scarce)
		srv.parking.mu.Lock()
		srv.parking.next = step.next
		srv.parking.mu.Unlock()
		conn := dialTo(t, srv, ts)
		defer conn.Close() // before the server waits for them, one after the other
		echoed(t, conn)
		st := srv.Stats()
		if st.Parked != step.parked || st.Reading != step.reading || !errors.Is(st.ParkingError, step.err) {
			t.Errorf("%s: %+v, want %d parked, %d reading, and %v", step.what, st, step.parked, step.reading, step.err)
		}
	}
	if n := log.count(); n != 1 {
		t.Errorf("%d lines were logged: %s", n, &log.buf)
	}
}

// The poller is not opened more often than once a second if that fails.
func TestOpeningThePollerIsNotTriedAllTheTime(t *testing.T) {
	var p parking
	before := time.Now()
	restore := exhaust(t)
	_, err := p.open()
	restore()
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("opened without descriptors: %v", err)
	}
	if p.next.Before(before.Add(retryParking)) {
		t.Error("it would be tried again at once")
	}
	p.next = before.Add(time.Hour)
	if _, err := p.open(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("opened too early: %v", err)
	}
}

// pollers returns the descriptors of all epoll instances.
func pollers(t *testing.T) map[int]bool {
	t.Helper()
	found := make(map[int]bool)
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(dir + "/" + e.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil && strings.Contains(target, "eventpoll") {
			found[fd] = true
		}
	}
	return found
}

// Sessions whose connections cannot be watched any more end, so that their clients come
// back, and then they are read by goroutines.
func TestPollerBreaks(t *testing.T) {
	log := new(logLines)
	srv := NewServer(func(*Session) Receiver { return echoes{} }, &Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	ts := httptest.NewServer(srv)
	before := pollers(t)
	first := dialTo(t, srv, ts)
	echoed(t, first)
	ours := pollers(t)
	maps.DeleteFunc(ours, func(fd int, _ bool) bool { return before[fd] })
	if len(ours) != 1 {
		t.Fatalf("there are %d pollers", len(ours))
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for fd := range ours {
		if err := syscall.Dup3(int(null.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.WriteMessage(websocket.TextMessage, []byte("4hello")); err != nil {
		t.Fatal(err)
	}
	if err := first.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for err = error(nil); err == nil; {
		_, _, err = first.ReadMessage()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
	echoed(t, dialTo(t, srv, ts))
	if st := srv.Stats(); st.Reading != 1 || st.Parked != 0 || !errors.Is(st.ParkingError, syscall.EINVAL) {
		t.Errorf("got %+v, want one that is read by a goroutine, and the reason", st)
	}
	if n := log.count(); n != 1 {
		t.Errorf("%d lines were logged: %s", n, &log.buf)
	}
}
