package engine_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/engine"
)

// What Accept sends may be more than the socket takes while the bytes that came with the
// request are still being handled, so that the connection is not read yet.
func TestAcceptSendsMoreThanTheSocketTakes(t *testing.T) {
	inBothModes(t, testAcceptSendsMoreThanTheSocketTakes)
}

func testAcceptSendsMoreThanTheSocketTakes(t *testing.T, opts *engine.Options) {
	large := strings.Repeat("x", 20<<20)
	s := start(t, opts)
	s.onAccept = func(p *peer) { p.send(large) }
	busy, release := make(chan struct{}, 1), make(chan struct{})
	s.onMessage = func(*peer, engine.Message) {
		busy <- struct{}{}
		<-release
	}
	c, _, err := s.open(t).handshakeWS(websocketQuery, string(appendFrame(nil, finText, "4hello")))
	if err != nil || c == nil {
		t.Fatalf("no upgrade: %v", err)
	}
	p := s.next(t)
	// The message may have come later than the request, but it comes.
	<-busy
	err = c.readOpen()
	var got string
	if err == nil {
		got, err = c.readText()
	}
	close(release)
	if err != nil || got != "4"+large {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	p.expect(t, text("hello"))
	c.mustText(t, "4again")
	p.expect(t, text("again"))
	p.expectOpen(t)
}

// A session is known before the answer to its handshake has been made, and may end
// meanwhile, in each way. The client is told, as its handshake is answered all the same.
func TestSessionThatEndsBeforeItHasAConnection(t *testing.T) {
	for name, end := range map[string]func(*engine.Session){
		"discarded": func(s *engine.Session) { s.Discard(engine.ForcedClose) },
		"closed":    func(s *engine.Session) { s.Close(engine.ForcedClose) }, // until WriteTimeout has passed
	} {
		t.Run(name, func(t *testing.T) {
			var b *bench
			opts := &engine.Options{Header: func(http.Header, *http.Request, bool) {
				for s := range b.srv.Sessions() {
					end(s)
					<-s.Done()
				}
			}}
			synctest.Test(t, func(t *testing.T) {
				b = newBench(t, opts)
				defer b.stop()
				c := b.dial("")
				defer c.conn.Close()
				if op, data := c.read(); op != ws.OpClose || data != "" {
					t.Errorf("got %d %q, want a close frame", op, data)
				}
				b.wantReason(engine.ForcedClose)
			})
		})
	}
}

// The same on a connection whose output can be closed alone.
func TestSessionThatEndsBeforeItHasASocket(t *testing.T) {
	inBothModes(t, testSessionThatEndsBeforeItHasASocket)
}

func testSessionThatEndsBeforeItHasASocket(t *testing.T, opts *engine.Options) {
	var s *server
	opts.Header = func(http.Header, *http.Request, bool) {
		for session := range s.engine.Sessions() {
			session.Discard(engine.ForcedClose)
		}
	}
	s = start(t, opts)
	c, _, err := s.open(t).handshakeWS(websocketQuery, "")
	if err != nil || c == nil {
		t.Fatalf("no upgrade: %v", err)
	}
	if err := c.readOpen(); err != nil {
		t.Fatal(err)
	}
	c.expectClosing(t, noStatus)
	s.next(t).expectClose(t, engine.ForcedClose)
}

// A panic of the user's code during an upgrade, which is net/http's to report, leaves
// nothing behind: another upgrade is welcome, and the server can be shut down.
func TestPanicOfHeaderDuringUpgrade(t *testing.T) {
	panics := true
	opts := &engine.Options{Header: func(_ http.Header, r *http.Request, _ bool) {
		if panics && r.Header.Get("Upgrade") != "" {
			panic(http.ErrAbortHandler)
		}
	}}
	benchInBubble(t, opts, func(t *testing.T, b *bench) {
		b.poll()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic has been swallowed")
				}
			}()
			r := upgradeRequest(b.session.ID())
			b.srv.ServeHTTP(&hijackable{ResponseRecorder: httptest.NewRecorder()}, r)
		}()
		panics = false
		c := b.dialAndProbe()
		defer c.conn.Close()
		c.write("5")
		b.session.Send(engine.NewTextFrame("hello"), 0)
		c.expect("4hello")
	})
}

// A connection that cannot be watched is served by a goroutine.
func TestConnectionsThatCannotBeWatched(t *testing.T) {
	s := startEcho(t, nil)
	s.engine.StopWatching()
	for range 3 {
		c := s.openWS(t)
		c.mustText(t, "4hello")
		c.expect(t, "4hello")
	}
	c := s.openPolling(t).upgrade(t)
	c.mustText(t, "4hello")
	c.expect(t, "4hello")
	c.must(t, finClose, closePayload(1000, ""))
	c.peer.expectClose(t, engine.TransportClose)
	c.expectClosing(t, 1000)
}

// Nothing is left of such a session either if its client does not read the answer.
func TestSessionThatEndsBeforeItsAnswerIsRead(t *testing.T) {
	var b *bench
	opts := &engine.Options{Header: func(http.Header, *http.Request, bool) {
		for s := range b.srv.Sessions() {
			s.Discard(engine.ForcedClose)
		}
	}}
	synctest.Test(t, func(t *testing.T) {
		b = newBench(t, opts)
		client, server := net.Pipe()
		defer client.Close()
		b.srv.ServeHTTP(&hijackable{httptest.NewRecorder(), server}, upgradeRequest(""))
		b.stop()
		b.wantReason(engine.ForcedClose)
	})
}
