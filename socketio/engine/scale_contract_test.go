package engine_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// scaled returns n, or a twentieth of it in short runs.
func scaled(n int) int {
	if testing.Short() {
		return n / 20
	}
	return n
}

// inParallel runs work for 0 to n-1 with some workers and fails the test with
// their errors.
func inParallel(t *testing.T, workers, n int, work func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					select {
					case errs <- fmt.Errorf("client %d: %w", i, err):
					default:
					}
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// exchangeEarly connects with a message right behind the handshake and waits for
// its echo.
func (s *server) exchangeEarly(i int) error {
	conn, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	m := fmt.Sprint("4hello ", i)
	ws, res, err := conn.handshakeWS(websocketQuery, string(appendFrame(nil, finText, m)))
	if err != nil || ws == nil {
		return fmt.Errorf("handshake: %d %q, error %w", res.status, res.body, err)
	}
	if err := ws.readOpen(); err != nil {
		return err
	}
	got, err := ws.readText()
	if err == nil && got != m {
		err = fmt.Errorf("got %q, want %q", got, m)
	}
	return err
}

// Servers whose reader starts before the session is complete leave some of these
// clients hanging.
func TestManyEarlyClients(t *testing.T) { inBothModes(t, testManyEarlyClients) }

func testManyEarlyClients(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	inParallel(t, 1, scaled(3000), s.exchangeEarly)
	inParallel(t, 20, scaled(3000), s.exchangeEarly)
}

// descriptors returns how many files the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // Other systems count goroutines only.
	}
	return len(entries)
}

// expectBaseline checks that everything a number of clients took is given back.
func (s *server) expectBaseline(t *testing.T, goroutines, files int) {
	t.Helper()
	s.http.Client().CloseIdleConnections()
	eventually(t, "all sessions are gone", func() bool { return s.engine.Len() == 0 })
	noise := 5 + 32*runtime.GOMAXPROCS(0) // idle connections of net/http, the runtime, kept readers
	ok := func() bool {
		return runtime.NumGoroutine() <= goroutines+noise && descriptors(t) <= files+noise
	}
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Fatalf("%d goroutines and %d files, want %d and %d\n%s",
				runtime.NumGoroutine(), descriptors(t), goroutines, files, stacks)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Clients come and go in every way; nothing stays behind.
func TestConnectAndDisconnect(t *testing.T) { inBothModes(t, testConnectAndDisconnect) }

func testConnectAndDisconnect(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	s.openWS(t).peer.session.Discard(engine.ForcedClose) // starts what lives as long as the server
	eventually(t, "the session is gone", func() bool { return s.engine.Len() == 0 })
	s.accepted.drain()
	for name, visit := range map[string]func(*server, int) error{
		"websocket, closed by the client":   (*server).visitWS,
		"websocket, closed by the server":   (*server).visitClosedWS,
		"polling, closed by the client":     (*server).visitPolling,
		"upgrade, closed by either":         (*server).visitUpgrade,
		"websocket, cut during the opening": (*server).visitShortly,
	} {
		t.Run(name, func(t *testing.T) {
			goroutines, files := runtime.NumGoroutine(), descriptors(t)
			inParallel(t, 8, scaled(2000), func(i int) error { return visit(s, i) })
			s.expectBaseline(t, goroutines, files)
			for _, p := range s.accepted.drain() {
				if n := p.closeCount(); n > 1 {
					t.Errorf("OnClose was called %d times", n)
				}
				<-p.closed
			}
		})
	}
}

func (s *server) visitWS(i int) error {
	ws, err := s.connectWS()
	if err != nil {
		return err
	}
	defer ws.Close()
	switch i % 3 {
	case 0:
		return nil // without a word
	case 1:
		if err := ws.sendFrame(finClose, closePayload(1000, "")); err != nil {
			return err
		}
	default:
		if err := ws.sendFrame(finText, "1"); err != nil {
			return err
		}
	}
	f, err := ws.readFrame()
	if err == nil && f.first != finClose {
		err = fmt.Errorf("got frame %#x, want a close frame", f.first)
	}
	return err
}

func (s *server) visitClosedWS(int) error {
	ws, err := s.connectWS()
	if err != nil {
		return err
	}
	defer ws.Close()
	if err := ws.sendFrame(finText, "2"); err != nil { // which is an offence
		return err
	}
	f, err := ws.readFrame()
	if err == nil && f.first != finClose {
		err = fmt.Errorf("got frame %#x, want a close frame", f.first)
	}
	return err
}

func (s *server) visitShortly(i int) error {
	conn, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	request := formatRequest(http.MethodGet, websocketQuery, "", wsHeaders...)
	_, err = conn.Write([]byte(request[:len(request)-i%3]))
	return err
}

func (s *server) visitPolling(i int) error {
	conn, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	query, err := conn.handshakePolling()
	if err != nil {
		return err
	}
	bodies := []string{"1", "4hello\x1e1", "abc", "2"}
	_, err = conn.do(http.MethodPost, query, bodies[i%len(bodies)])
	return err
}

// handshakePolling opens a session and returns the query of its requests.
func (c *rawConn) handshakePolling() (string, error) {
	res, err := c.do(http.MethodGet, pollingQuery, "")
	if err != nil {
		return "", err
	}
	o, err := parseOpen(res.body)
	return pollingQuery + "&sid=" + o.SID, err
}

func (s *server) visitUpgrade(i int) error {
	conn, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	query, err := conn.handshakePolling()
	if err != nil {
		return err
	}
	second, err := s.connect()
	if err != nil {
		return err
	}
	defer second.Close()
	early := appendFrame(appendFrame(nil, finText, "2probe"), finText, "5")
	early = appendFrame(early, finText, "4hello")
	query = strings.Replace(query, "polling", "websocket", 1)
	ws, res, err := second.handshakeWS(query, string(early))
	if err != nil || ws == nil {
		return fmt.Errorf("upgrade: %d %q, error %w", res.status, res.body, err)
	}
	for _, want := range []string{"3probe", "4hello"} {
		if got, err := ws.readText(); err != nil || got != want {
			return fmt.Errorf("got %q, error %w, want %q", got, err, want)
		}
	}
	if i%2 == 0 {
		return ws.sendFrame(finText, "1")
	}
	return nil
}

// Many sessions get many broadcasts while others come and go: everybody gets
// everything that was sent after the joining, in order.
func TestBroadcastWhileClientsComeAndGo(t *testing.T) {
	inBothModes(t, testBroadcastWhileClientsComeAndGo)
}

func testBroadcastWhileClientsComeAndGo(t *testing.T, opts *engine.Options) {
	const clients, rounds = 50, 2000
	opts.PingInterval = time.Hour // the clients answer no ping while they wait for their turn
	s := start(t, opts)
	stay := make([]*wsClient, clients)
	for i := range stay {
		stay[i] = s.openWS(t)
	}
	stop := make(chan struct{})
	var coming sync.WaitGroup
	coming.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if ws, err := s.connectWS(); err == nil {
				time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
				ws.Close()
			}
		}
	})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range rounds {
			batch := s.engine.NewBatch()
			for session := range s.engine.Sessions() {
				batch.Add(session)
			}
			batch.Send([]*engine.Frame{engine.NewTextFrame(fmt.Sprint(i)), engine.NewBinaryFrame([]byte{byte(i)})}, 0)
		}
	})
	inParallel(t, 10, clients, func(i int) error {
		for n := range rounds {
			if got, err := stay[i].readText(); err != nil || got != fmt.Sprint("4", n) {
				return fmt.Errorf("message %d: got %q, error %w", n, got, err)
			}
			f, err := stay[i].readMessage()
			if err != nil || f.first != finBinary || f.payload != string([]byte{byte(n)}) {
				return fmt.Errorf("message %d: got %q, error %w", n, f.payload, err)
			}
		}
		return nil
	})
	sending.Wait()
	close(stop)
	coming.Wait()
}
