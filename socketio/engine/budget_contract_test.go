package engine_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// liveHeap returns the bytes of the heap that are in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what pools have kept over the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// noise returns data that cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// once sends a message the way answers to events are sent: in memory that is used again.
func (p *peer) once(tb testing.TB, message string) {
	tb.Helper()
	f, err := p.server.engine.NewFrame(false, len(message), func(dst []byte) ([]byte, error) { return append(dst, message...), nil })
	if err != nil {
		tb.Fatal(err)
	}
	p.session.Send(f, 0)
}

// deafWS opens a WebSocket that will not be read, and that holds little.
func (s *server) deafWS(tb testing.TB) *wsClient {
	tb.Helper()
	ws := s.openWS(tb)
	if tcp, ok := ws.Conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	return ws
}

// What waits for a client takes no more memory than MaxQueueBytes says, whatever it is; a client for which more is to wait is ended.
func TestMemoryOfWhatWaits(t *testing.T) {
	most := int64(8 << 20)
	if raceEnabled {
		most = 1 << 20
	}
	opts := engine.Options{MaxQueueBytes: int(most), WriteTimeout: time.Hour, CompressionThreshold: -1}
	noParking := opts
	noParking.DisableParking = true
	fill := map[string]func(p *peer){
		"answers to events": func(p *peer) { p.once(t, `31[1]`) },
		"small messages":    func(p *peer) { p.send("2[\"small\",1]") },
		"odd sizes":         func(p *peer) { p.send(strings.Repeat("x", 500+rand.IntN(1000))) },
		"small binaries":    func(p *peer) { p.session.Send(engine.NewBinaryFrame(make([]byte, 33)), 0) },
		"large messages":    func(p *peer) { p.send(strings.Repeat("x", 65_000)) },
		"large answers":     func(p *peer) { p.once(t, strings.Repeat("x", 33_000)) },
		"large binaries":    func(p *peer) { p.session.Send(engine.NewBinaryFrame(make([]byte, 100_000)), 0) },
		"packets of many frames": func(p *peer) {
			p.session.SendAll(slices.Repeat([]*engine.Frame{engine.NewTextFrame("a"), engine.NewBinaryFrame([]byte("b"))}, 10), 0)
		},
	}
	for name, send := range fill {
		for _, mode := range []string{"polling", "goroutines", "default"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				o := opts
				if mode == "goroutines" {
					o = noParking
				}
				s, _ := startSlow(t, slowMode{opts: o})
				var p *peer
				if mode == "polling" {
					p = s.openPolling(t).peer
				} else {
					p = s.openWS(t).peer
				}
				before := liveHeap()
				for p.session.Backlog().Bytes < most-most/20 && p.session.State() == engine.StateOpen {
					send(p)
				}
				if grown := liveHeap() - before; grown > most*12/10+100_000 {
					t.Errorf("the heap has grown by %d bytes for a backlog of %+v", grown, p.session.Backlog())
				}
				for i := 0; p.session.State() == engine.StateOpen; i++ {
					if i > 1_000_000 {
						t.Fatal("the client is not ended")
					}
					send(p)
				}
				if err := p.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrQueueFull) {
					t.Errorf("error %v, want %v", err, engine.ErrQueueFull)
				}
				eventually(t, "nothing is counted any more", func() bool { return s.engine.OutputUsed() == 0 })
				if left := liveHeap() - before; left > 1<<20 {
					t.Errorf("%d bytes are left", left)
				}
			})
		}
	}
}

// Exactly MaxQueueBytes may wait, and one byte more may not; but one message of any size.
func TestMostThatMayWait(t *testing.T) {
	p := start(t, quiet()).openPolling(t).peer
	p.send("x")
	size := int(p.session.Backlog().Bytes)
	for most, open := range map[int]bool{10 * size: true, 10*size - 1: false} {
		opts := quiet()
		opts.MaxQueueBytes = most
		s := start(t, opts)
		p := s.openPolling(t).peer
		for range 10 {
			p.expectOpen(t)
			p.send("x")
		}
		if is := p.session.State() == engine.StateOpen; is != open {
			t.Errorf("10 messages of %d bytes in %d bytes: open is %t", size, most, is)
		}
		p = s.openPolling(t).peer
		p.send(strings.Repeat("x", 100*size))
		p.expectOpen(t)
		p.send("x")
		p.expectClose(t, engine.SlowConsumer)
	}
}

// All that waits for all clients stays within the budget, whoever has it: what has been sent to many counts once.
func TestMemoryOfARoom(t *testing.T) {
	const budget = 32 << 20
	clients := 1000
	if raceEnabled || testing.Short() {
		clients = 200
	}
	opts := engine.Options{OutputBudget: budget, WriteTimeout: time.Hour, PingInterval: time.Hour}
	s := start(t, &opts)
	var peers []*peer
	for range clients {
		peers = append(peers, s.deafWS(t).peer)
	}
	broadcast := func(n int) {
		batch := s.engine.NewBatch()
		for _, p := range peers {
			batch.Add(p.session)
		}
		batch.Send([]*engine.Frame{engine.NewBinaryFrame(noise(n))}, 0)
	}
	open := func() (n int) {
		for _, p := range peers {
			if p.session.State() == engine.StateOpen {
				n++
			}
		}
		return n
	}
	before := liveHeap()
	const size = 900_000
	for range 20 {
		broadcast(size)
		syncShards(t, s, peers)
	}
	if used := s.engine.OutputUsed(); used < 15*size {
		t.Errorf("%d bytes are used, the clients have not taken so much", used)
	}
	if n := open(); n != clients {
		t.Errorf("%d of %d clients are left within the budget", n, clients)
	}
	if grown := liveHeap() - before; grown > budget*12/10 {
		t.Errorf("the heap has grown by %d bytes, the budget is %d", grown, budget)
	}
	for range 40 {
		broadcast(size)
		syncShards(t, s, peers)
		if used := s.engine.OutputUsed(); used > budget+2*size {
			t.Fatalf("%d bytes are used, the budget is %d", used, budget)
		}
	}
	eventually(t, "the budget is kept", func() bool { return s.engine.OutputUsed() <= budget })
	if grown := liveHeap() - before; grown > budget*12/10 {
		t.Errorf("the heap has grown by %d bytes, the budget is %d", grown, budget)
	}
	for _, p := range peers {
		if p.session.State() == engine.StateClosed {
			if err := p.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrOutputBudget) {
				t.Errorf("error %v", err)
			}
		}
	}
}

// syncShards waits until what has been sent before is in the queues.
func syncShards(t *testing.T, s *server, peers []*peer) {
	t.Helper()
	for _, p := range peers[:min(len(peers), 4*runtime.GOMAXPROCS(0))] { // They are of all shards.
		_ = p.session.Flush(expired()) // which waits for the shard, and not for the client
	}
}

// Clients that do not read the answers to their polls, each with messages of its own, stay within the budget too, compressed or not.
func TestMemoryOfAnswersThatAreNotRead(t *testing.T) {
	budget, clients, size := int64(16<<20), 60, int64(1_000_000)
	if raceEnabled {
		budget, clients, size = 4<<20, 30, 250_000
	}
	for header, each := range map[string]int64{"Accept-Encoding: identity": size, "Accept-Encoding: gzip": size * 3 / 2} {
		t.Run(header, func(t *testing.T) {
			m := slowMode{opts: engine.Options{OutputBudget: budget, WriteTimeout: time.Hour, PingInterval: time.Hour}}
			s, _ := startSlow(t, m)
			var all []*pollingClient
			for range clients {
				c := s.openPolling(t)
				c.poll(t, header)
				all = append(all, c)
			}
			data := noise(int(size))
			before := liveHeap()
			var most int64
			for _, c := range all {
				c.peer.session.Send(engine.NewBinaryFrame(data), 0)
				eventually(t, "the answer is being written", func() bool {
					return c.peer.session.Backlog().Bytes > each || c.peer.session.State() == engine.StateClosed
				})
				most = max(most, liveHeap()-before)
			}
			if most > budget*12/10 {
				t.Errorf("the heap has grown by %d bytes, the budget is %d", most, budget)
			}
			open := 0
			for _, c := range all {
				if c.peer.session.State() == engine.StateOpen {
					open++
					continue
				}
				if err := c.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrOutputBudget) {
					t.Errorf("error %v", err)
				}
			}
			if int64(open) < budget/size/3 {
				t.Errorf("%d clients are left, there is room for more", open)
			}
		})
	}
}

// Over the budget those go first that have stood still for a second or longer, in the order in which they stopped; who takes something
// stays, however much waits for it.
func TestWhoGoesWhenTheBudgetIsExceeded(t *testing.T) {
	const unit = 13<<13 + 64 // in memory
	opts := engine.Options{OutputBudget: 100 * unit, WriteTimeout: time.Hour, PingInterval: 24 * time.Hour, CompressionThreshold: -1}
	inBubble(t, &opts, func(t *testing.T, s *server) {
		send := func(p *peer, units int) {
			for range units {
				p.send(strings.Repeat("x", 13<<13-11))
			}
			synctest.Wait()
		}
		first, moving := s.openWS(t), s.openWS(t)
		send(first.peer, 5)
		time.Sleep(2 * time.Second)
		second := s.openPolling(t)
		send(second.peer, 10)
		answered := s.openPolling(t)
		answered.poll(t) // and does not read the answer
		time.Sleep(time.Second)
		send(answered.peer, 10)
		time.Sleep(2 * time.Second)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer moving.Close()
		reading.Go(func() {
			for {
				if _, err := moving.readMessage(); err != nil {
					return
				}
				time.Sleep(500 * time.Millisecond)
			}
		})
		send(moving.peer, 72)
		expect := func(what string, open ...*peer) {
			t.Helper()
			synctest.Wait()
			for i, p := range []*peer{first.peer, second.peer, answered.peer, moving.peer} {
				if is := p.session.State() == engine.StateOpen; is != slices.Contains(open, p) {
					t.Errorf("%s: client %d is open: %t", what, i, is)
				}
			}
		}
		expect("within the budget", first.peer, second.peer, answered.peer, moving.peer)
		time.Sleep(2 * time.Second) // four or five of the moving one's are gone
		send(moving.peer, 10)
		expect("over it", second.peer, answered.peer, moving.peer)
		send(moving.peer, 5)
		expect("over it again", answered.peer, moving.peer)
		send(moving.peer, 12)
		expect("and again", moving.peer)
		for i, p := range []*peer{first.peer, second.peer, answered.peer} {
			if err := p.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrOutputBudget) {
				t.Errorf("client %d: error %v", i, err)
			}
		}
		synctest.Wait()
		left := moving.peer.session.Backlog().Bytes
		if used := s.engine.OutputUsed(); used < left || used > left+left/10 {
			t.Errorf("%d bytes are used, %d wait for the one that is left", used, left)
		}
		moving.Close()
		moving.peer.expectClose(t, engine.TransportClose, engine.TransportError)
		synctest.Wait()
		if used := s.engine.OutputUsed(); used != 0 {
			t.Errorf("%d bytes are left", used)
		}
	})
}

// What one client too many waits for costs one client, though its memory is given back a moment later.
func TestOneClientGoesForOneThatIsTooMany(t *testing.T) {
	const size, budget = 1 << 20, 10<<20 + 1<<19
	opts := engine.Options{OutputBudget: budget, WriteTimeout: time.Hour, PingInterval: time.Hour, CompressionThreshold: -1}
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			s, _ := startSlow(t, slowMode{opts: opts})
			var peers []*peer
			for range budget/size + 1 {
				var p *peer
				if transport == "polling" {
					c := s.openPolling(t)
					c.poll(t)
					p = c.peer
				} else {
					p = s.openWS(t).peer
				}
				peers = append(peers, p)
				p.session.Send(engine.NewBinaryFrame(noise(size)), 0) // One large frame: a writer has it.
				eventually(t, "it is being written", func() bool { return !p.session.Writable() })
			}
			eventually(t, "the budget is kept", func() bool { return s.engine.OutputUsed() <= budget })
			closed := 0
			for _, p := range peers {
				if p.session.State() == engine.StateClosed {
					closed++
				}
			}
			if closed != 1 {
				t.Errorf("%d clients were ended, want one", closed)
			}
		})
	}
}

// However an answer or a queue ends, nothing of it is counted any more.
func TestNothingStaysCounted(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *server, c *pollingClient, ws *wsClient){
		"delivered": func(t *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			for range 3 {
				c.get(t)
				if _, err := ws.readMessage(); err != nil {
					t.Error(err)
				}
			}
		},
		"discarded": func(_ *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			c.peer.session.Discard(engine.ForcedClose)
			ws.peer.session.Discard(engine.ForcedClose)
		},
		"closed": func(_ *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			c.peer.session.Close(engine.ForcedClose)
			ws.peer.session.Close(engine.ForcedClose)
			time.Sleep(2 * time.Hour)
		},
		"shut down":   func(_ *testing.T, s *server, _ *pollingClient, _ *wsClient) { _ = s.engine.Shutdown(expired()) },
		"no progress": func(*testing.T, *server, *pollingClient, *wsClient) { time.Sleep(2 * time.Hour) },
		"client gone": func(t *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			ws.Close()
			c.post(t, "1")
		},
		"ended while an answer is being written": func(t *testing.T, s *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			if err := s.open(t).send(http.MethodGet, c.query(), ""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			c.peer.session.Discard(engine.ForcedClose)
			ws.peer.session.Discard(engine.ForcedClose)
		},
		"an answer whose client goes": func(t *testing.T, s *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			conn := s.open(t)
			if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			conn.Close()
			ws.Close()
		},
		"a panic while an answer is made": func(t *testing.T, s *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			conn := s.open(t)
			if err := conn.send(http.MethodGet, c.query(), "", "X-Panic: yes"); err != nil {
				t.Fatal(err)
			}
			conn.expectEOF(t)
			if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPanic) {
				t.Errorf("error %v, want %v: what the answer held is lost", err, engine.ErrPanic)
			}
			ws.Close()
		},
		"an upgrade": func(t *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			up := c.upgrade(t)
			for range 3 {
				for _, ws := range []*wsClient{up, ws} {
					if _, err := ws.readMessage(); err != nil {
						t.Error(err)
					}
				}
			}
		},
		"an upgrade that is given up": func(t *testing.T, _ *server, c *pollingClient, ws *wsClient) {
			t.Helper()
			up := c.probe(t)
			up.mustText(t, "2probe")
			up.expect(t, "3probe")
			up.Close()
			ws.Close()
			for range 3 {
				c.get(t)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := quiet()
			opts.Header = func(_ http.Header, r *http.Request, _ bool) {
				if r.Header.Get("X-Panic") != "" {
					panic("header")
				}
			}
			inBubble(t, opts, func(t *testing.T, s *server) {
				c, ws := s.openPolling(t), s.openWS(t)
				for range 3 {
					for _, p := range []*peer{c.peer, ws.peer} {
						p.once(t, strings.Repeat("x", mega))
					}
				}
				synctest.Wait()
				if s.engine.OutputUsed() < 6*mega {
					t.Error("nothing is counted")
				}
				end(t, s, c, ws)
				synctest.Wait()
				time.Sleep(time.Minute)
				if used := s.engine.OutputUsed(); used != 0 {
					t.Errorf("%d bytes are counted", used)
				}
				for _, p := range []*peer{c.peer, ws.peer} {
					if b := p.session.Backlog(); b != (engine.Backlog{}) {
						t.Errorf("backlog %+v", b)
					}
				}
			})
		})
	}
}
