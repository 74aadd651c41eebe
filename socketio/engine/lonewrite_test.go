package engine

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// wantTexts fails the test unless these are the client's next messages.
func wantTexts(t *testing.T, client *websocket.Conn, want ...string) {
	t.Helper()
	if err := client.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if _, b, err := client.ReadMessage(); err != nil || string(b) != w {
			t.Fatalf("got %.20q, %v, want %.20q", b, err, w)
		}
	}
}

// settle waits until the handshake is over, whose writer also writes what is sent meanwhile.
func settle(s *Session) {
	for {
		s.mu.Lock()
		busy := s.writing
		s.mu.Unlock()
		if !busy {
			return
		}
		runtime.Gosched()
	}
}

// dialSession connects a client, and returns its session.
func dialSession(t *testing.T, opts *Options) (*Session, *websocket.Conn) {
	t.Helper()
	accepted := make(chan *Session, 1)
	srv := NewServer(func(s *Session) Receiver {
		accepted <- s
		return echoes{}
	}, opts)
	client := dialTo(t, srv, httptest.NewServer(srv))
	s := <-accepted
	settle(s)
	return s, client
}

// dialThrough connects a client to which its session writes through raw, and what raw writes to is put into inner. It skips the
// test where connections are not written to like that.
func dialThrough(t *testing.T, raw syscall.RawConn, inner *syscall.RawConn) (*Session, *websocket.Conn) {
	t.Helper()
	accepted := make(chan *Session, 1)
	srv := NewServer(func(s *Session) Receiver {
		if net := s.conn.net; net.raw != nil { // nobody else uses it yet
			*inner, net.raw = net.raw, raw
		}
		accepted <- s
		return echoes{}
	}, &Options{DisableParking: true})
	client := dialTo(t, srv, httptest.NewServer(srv))
	s := <-accepted
	if *inner == nil {
		t.Skip("this platform has only the slow path")
	}
	return s, client
}

// Right after an upgrade, or while a round of broadcasts is under way, frames are in the queue and will be flushed by
// somebody soon. What is sent then does not overtake them.
func TestLoneFrameDoesNotOvertake(t *testing.T) {
	for name, queue := range map[string]func(s *Session, f *Frame){
		"what the upgrade has left": func(s *Session, f *Frame) {
			s.mu.Lock()
			s.push([]*Frame{f}, 0)
			s.mu.Unlock()
		},
		"what is about to be flushed": func(s *Session, f *Frame) { s.enqueue([]*Frame{f}, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s, client := dialSession(t, nil)
			for range 3 {
				queue(s, NewTextFrame("first"))
				s.Send(NewTextFrame("second"), 0)
				s.srv.pool.Flush((*sink)(s))
				wantTexts(t, client, "4first", "4second")
			}
		})
	}
}

// during calls f, with mu held, while a large frame is being written to a connection on which nothing else happens. It
// reports whether there was time for that.
//
// Who has waited for a mutex for more than a millisecond is handed it by the one before. So two intruders hold mu for so
// long that the writer and they get it in turn: f is called when the writer lets go of mu, and the writer waits for mu
// then, however few processors there are.
func (s *Session) during(f func()) (hit bool) {
	const long = 2 * time.Millisecond
	var intruded atomic.Bool
	sent := false
	intrude := func() (over bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writing && s.State() != StateClosed && !hit {
			f()
			hit = true
		}
		intruded.Store(true)
		for start := time.Now(); !hit && !sent && time.Since(start) < long; {
			runtime.Gosched()
		}
		return hit || sent
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for !intrude() {
			}
		})
	}
	all.Go(func() {
		for !intruded.Load() {
			runtime.Gosched()
		}
		s.Send(NewTextFrame(large), 0)
		s.mu.Lock()
		sent = true
		s.mu.Unlock()
	})
	all.Wait()
	return hit
}

// large takes some time to be written, and still does so at once.
var large = strings.Repeat("x", 200_000)

// What comes up while a lone frame is being written is seen to by its writer.
func TestWhatComesUpDuringALoneWrite(t *testing.T) {
	const tries, enough = 100, 3 // a busy machine may have the lock handed over too late
	for name, round := range map[string]func(t *testing.T) (try func() bool){
		"another frame": func(t *testing.T) func() bool {
			t.Helper()
			s, client := dialSession(t, nil)
			return func() bool {
				if !s.during(func() { s.push([]*Frame{NewTextFrame("small")}, 0) }) {
					wantTexts(t, client, "4"+large)
					return false
				}
				wantTexts(t, client, "4"+large, "4small")
				return true
			}
		},
		"the end": func(t *testing.T) func() bool {
			t.Helper()
			return func() bool {
				s, client := dialSession(t, &Options{WriteTimeout: time.Hour})
				hit := s.during(func() {
					s.state.Store(uint32(StateClosing))
					s.more().reason = ForcedClose
					s.sealed = true
				})
				wantTexts(t, client, "4"+large)
				if !hit {
					return false
				}
				if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNoStatusReceived) {
					t.Fatalf("got %v, want the end", err)
				}
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			hits, try := 0, round(t)
			for i := 0; hits < enough; i++ {
				if i == tries {
					t.Fatal("nothing has come up during a write")
				}
				if try() {
					hits++
				}
			}
		})
	}
}

// A heldRaw is a connection to be written to without blocking, whose next write can be held up.
type heldRaw struct {
	syscall.RawConn

	hold             atomic.Bool
	entered, release chan struct{}
}

func (h *heldRaw) Write(fn func(uintptr) bool) error {
	if h.hold.CompareAndSwap(true, false) {
		h.entered <- struct{}{}
		<-h.release
	}
	return h.RawConn.Write(fn)
}

// The answer to a ping is sent once, also if it is written together with frames of which the client takes only a part at first.
func TestPingIsAnsweredOnce(t *testing.T) {
	raw := &heldRaw{entered: make(chan struct{}), release: make(chan struct{})}
	s, client := dialThrough(t, raw, &raw.RawConn)
	var pongs []string
	client.SetPongHandler(func(data string) error {
		pongs = append(pongs, data)
		return nil
	})
	settle(s)
	raw.hold.Store(true)
	var sending sync.WaitGroup
	sending.Go(func() { s.Send(NewTextFrame("held"), 0) })
	<-raw.entered
	huge := strings.Repeat("x", 16<<20)
	s.Send(NewTextFrame(huge), 0)
	if err := client.WriteControl(websocket.PingMessage, []byte("ping"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for { // until the answer is queued
		s.mu.Lock()
		queued := s.queue.pong != nil
		s.mu.Unlock()
		if queued {
			break
		}
		runtime.Gosched()
	}
	close(raw.release)
	sending.Wait()
	wantTexts(t, client, "4held", "4"+huge)
	s.Send(NewTextFrame("last"), 0)
	wantTexts(t, client, "4last")
	if strings.Join(pongs, ",") != "ping" {
		t.Errorf("the ping was answered with %q", pongs)
	}
}
