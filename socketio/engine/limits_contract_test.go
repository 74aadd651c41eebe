package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

func TestLimitOfDataRequests(t *testing.T) {
	s := start(t, &engine.Options{MaxPayload: 1000})
	chunked := func(n int) (string, string) {
		half := n / 2
		return fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
			half, "4"+strings.Repeat("a", half-1), n-half, strings.Repeat("a", n-half)), "Transfer-Encoding: chunked"
	}
	plain := func(n int) (string, string) {
		return "4" + strings.Repeat("a", n-1), fmt.Sprint("Content-Length: ", n)
	}
	for name, request := range map[string]func(int) (string, string){"with a length": plain, "chunked": chunked} {
		t.Run(name, func(t *testing.T) {
			c := s.openPolling(t)
			body, header := request(1000)
			if res := s.request(t, http.MethodPost, c.query(), body, header); res.status != http.StatusOK {
				t.Errorf("exactly the limit: got %d %q", res.status, res.body)
			}
			c.peer.expectNow(t, text(strings.Repeat("a", 999)))
			body, header = request(1001)
			expectEmpty(t, s.request(t, http.MethodPost, c.query(), body, header), http.StatusRequestEntityTooLarge)
			c.peer.expectNow(t)
			c.expectTooLarge(t)
		})
	}
}

// expectTooLarge checks that the session has ended because of a request or a message
// that was too large.
func (c *pollingClient) expectTooLarge(t *testing.T) {
	t.Helper()
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPayloadTooLarge) {
		t.Errorf("error %v, want %v", err, engine.ErrPayloadTooLarge)
	}
	c.expectGone(t)
}

// Bytes count, not characters.
func TestLimitCountsBytes(t *testing.T) {
	s := start(t, &engine.Options{MaxPayload: 10})
	c := s.openPolling(t)
	c.mustPost(t, "4€€€")
	expectEmpty(t, c.post(t, "4€€€€"), http.StatusRequestEntityTooLarge)
	ws := s.openWS(t)
	ws.mustText(t, "4€€€", "4€€€€")
	ws.expectClosing(t, 1009)
	ws.peer.expectNow(t, text("€€€"))
	if err := ws.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPayloadTooLarge) {
		t.Errorf("error %v, want %v", err, engine.ErrPayloadTooLarge)
	}
}

// The limit is checked while reading, so that neither a large claim nor an endless
// body costs memory: the default was 100 MB once (CVE-2020-36048).
func TestFaultLimitIsEnforcedWhileReading(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	if err := conn.send(http.MethodPost, c.query(), "4", "Content-Length: 100000000"); err != nil {
		t.Fatal(err)
	}
	expectEmpty(t, conn.mustReceive(t, http.MethodPost), http.StatusRequestEntityTooLarge)
	c.expectTooLarge(t)

	c, conn = s.openPolling(t), s.open(t)
	if err := conn.send(http.MethodPost, c.query(), "", "Transfer-Encoding: chunked"); err != nil {
		t.Fatal(err)
	}
	go func() {
		chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", 1<<16, strings.Repeat("4", 1<<16))
		for range 1000 {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	expectEmpty(t, conn.mustReceive(t, http.MethodPost), http.StatusRequestEntityTooLarge)
	c.expectTooLarge(t)
}

func TestLimitOfWebSocketMessages(t *testing.T) {
	s := start(t, &engine.Options{MaxPayload: 1000})
	exact := "4" + strings.Repeat("a", 999)
	header := func(first byte, n uint64) []byte { return appendFrameHeader(nil, first, n) }
	fragments := appendFrame(nil, 0x01, exact[:600])
	for name, wire := range map[string][]byte{
		"text":                           appendFrame(nil, finText, exact+"a"),
		"binary":                         appendFrame(nil, finBinary, exact+"a"),
		"fragments":                      appendFrame(fragments, 0x80, exact[600:]+"a"),
		"many fragments":                 manyFragments(1001),
		"claim of a header":              header(finBinary, 1001),
		"claim of a header, with 4 GB":   header(finBinary, 1<<32),
		"claim of a header, with 2^63-1": header(finBinary, 1<<63-1),
		"claim of a second fragment":     append(appendFrame(nil, 0x01, exact), header(0x80, 1)...),
	} {
		t.Run(name, func(t *testing.T) {
			ws := s.openWS(t)
			ws.mustText(t, exact)
			if _, err := ws.Write(wire); err != nil {
				t.Fatal(err)
			}
			ws.expectClosing(t, 1009)
			ws.peer.expectClose(t, engine.TransportError)
			ws.peer.expectNow(t, text(exact[1:]))
		})
	}
}

// manyFragments returns a binary message in fragments of one byte.
func manyFragments(n int) []byte {
	wire := appendFrame(nil, 0x02, "a")
	for range n - 2 {
		wire = appendFrame(wire, 0x00, "a")
	}
	return appendFrame(wire, 0x80, "a")
}

// Fragments cost more than the bytes in them, and empty ones are free under a
// limit of bytes alone (CVE-2026-48779 of ws, and what followed it).
func TestFaultEndlessEmptyFragments(t *testing.T) { inBothModes(t, testFaultEndlessEmptyFragments) }

func testFaultEndlessEmptyFragments(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	wire := appendFrame(nil, 0x01, "4")
	for range 1000 {
		wire = appendFrame(wire, 0x00, "")
	}
	go func() {
		for i := range 100 {
			if _, err := ws.Write(wire); err != nil {
				return
			}
			if i == 0 {
				wire = wire[7:] // The first fragment comes only once.
			}
		}
	}()
	ws.expectClosing(t, 1008) // which tells of too many fragments only
	ws.peer.expectClose(t, engine.TransportError)
}

// A header's claim within the limit must not make the server allocate: only the
// data that arrives may.
func TestClaimsCostNoMemory(t *testing.T) {
	s := start(t, &engine.Options{MaxPayload: 64 << 20})
	const clients = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range clients {
		ws := s.openWS(t)
		if _, err := ws.Write(appendFrameHeader(nil, finBinary, 60<<20)); err != nil {
			t.Fatal(err)
		}
		// A few bytes of the payload make sure that something has to be kept.
		if _, err := ws.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	// A later client's answer shows that the earlier ones' bytes have been seen
	// by now: all are read as soon as they arrive.
	probe := s.openWS(t)
	probe.must(t, finPing, "")
	probe.expectFrame(t, finPong, "")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 60<<20 {
		t.Errorf("%d claims made the server allocate %d bytes", clients, grown)
	}
}

func TestLimitOfPackets(t *testing.T) {
	s := start(t, &engine.Options{MaxPackets: 3})
	c := s.openPolling(t)
	c.mustPost(t, "4a\x1e4b\x1e4c")
	c.peer.expectNow(t, text("a"), text("b"), text("c"))
	if res := c.post(t, "4a\x1e4b\x1e4c\x1e4d"); res.status != http.StatusBadRequest {
		t.Errorf("got %d %q, want 400", res.status, res.body)
	}
	if err := c.peer.expectClose(t, engine.ParseError, engine.TransportError); !errors.Is(err, engine.ErrTooManyPackets) {
		t.Errorf("error %v, want %v", err, engine.ErrTooManyPackets)
	}
}

func TestLimitOfSessions(t *testing.T) {
	s := start(t, &engine.Options{MaxSessions: 2})
	c := s.openPolling(t)
	ws := s.openWS(t)
	if res := s.request(t, http.MethodGet, pollingQuery, ""); res.status != http.StatusServiceUnavailable {
		t.Errorf("polling: got %d %q, want 503", res.status, res.body)
	}
	s.expectRefusedWS(t, websocketQuery, []int{http.StatusServiceUnavailable}, "")
	// Sessions that exist go on, and may upgrade.
	up := c.upgrade(t)
	up.mustText(t, "4hello")
	c.peer.expect(t, text("hello"))
	ws.Close()
	ws.peer.expectClose(t, engine.TransportClose)
	s.openWS(t)
}

// slowly is how the tests of slow readers configure the engine.
func slowly() *engine.Options {
	return &engine.Options{MaxQueueBytes: 256 << 10, WriteTimeout: time.Minute}
}

func TestSlowReaderIsClosed(t *testing.T) {
	s := start(t, slowly())
	slow, healthy := s.openWS(t), s.openWS(t)
	frame := engine.NewTextFrame(strings.Repeat("x", 32<<10))
	batch := s.engine.NewBatch()
	for i := 0; slow.peer.session.State() != engine.StateClosed; i++ {
		if i > 10_000 {
			t.Fatal("a client that does not read gets 320 MB queued")
		}
		batch.Add(slow.peer.session)
		batch.Add(healthy.peer.session)
		batch.Send([]*engine.Frame{frame}, 0)
		batch = s.engine.NewBatch()
		f, err := healthy.readMessage()
		if err != nil || len(f.payload) != 1+32<<10 {
			t.Fatalf("the healthy client got %d bytes, error %v", len(f.payload), err)
		}
	}
	if err := slow.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrQueueFull) {
		t.Errorf("error %v, want %v", err, engine.ErrQueueFull)
	}
	healthy.peer.send("still here")
	healthy.expect(t, "4still here")
}

func TestSlowPollerIsClosed(t *testing.T) {
	s := start(t, slowly())
	c := s.openPolling(t)
	for i := 0; c.peer.session.State() != engine.StateClosed; i++ {
		if i > 1000 {
			t.Fatal("a client that does not poll gets 32 MB queued")
		}
		c.peer.send(strings.Repeat("x", 32<<10))
	}
	c.peer.expectClose(t, engine.SlowConsumer)
	c.expectGone(t)
}

// A client that has stopped reading but is not sent too much is given up when a
// write takes too long.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	// The answer to the handshake has to be written in this time too.
	s := start(t, &engine.Options{MaxQueueBytes: 1 << 30, WriteTimeout: 2 * time.Second})
	ws := s.openWS(t)
	frame := engine.NewBinaryFrame(make([]byte, 16<<20))
	for range 4 {
		ws.peer.session.Send(frame, 0)
	}
	if err := ws.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
		t.Errorf("error %v, want %v", err, engine.ErrNoProgress)
	}
}

// It is the same with a client that does not read the answer of its poll.
func TestWriteTimeoutOfAPoll(t *testing.T) {
	opts := &engine.Options{MaxQueueBytes: 1 << 30, WriteTimeout: 200 * time.Millisecond, CompressionThreshold: -1}
	s := start(t, opts)
	c := s.openPolling(t)
	c.peer.send(strings.Repeat("x", 64<<20))
	if err := s.open(t).send(http.MethodGet, c.query(), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
		t.Errorf("error %v, want %v", err, engine.ErrNoProgress)
	}
}

// Volatile frames are dropped for a slow reader and do not close it, all frames of
// a packet or none.
func TestVolatileFramesOfASlowReader(t *testing.T) {
	s := startEcho(t, slowly())
	ws := s.openWS(t)
	session := ws.peer.session
	large := strings.Repeat("x", 128<<10)
	for session.Writable() {
		ws.peer.send(large)
	}
	for i := range 100 {
		session.SendAll([]*engine.Frame{
			engine.NewTextFrame(fmt.Sprint("head", i)), engine.NewBinaryFrame(make([]byte, 64<<10)),
		}, engine.Volatile)
	}
	ws.peer.send("end")
	ws.peer.expectOpen(t)
	var heads, bodies int
	for {
		f, err := ws.readMessage()
		if err != nil {
			t.Fatal(err)
		}
		if f.payload == "4end" {
			break
		}
		if strings.HasPrefix(f.payload, "4head") {
			heads++
		} else if f.first == finBinary {
			bodies++
		}
	}
	if heads != bodies || heads == 100 {
		t.Errorf("got %d heads and %d bodies of 100 volatile packets", heads, bodies)
	}
	eventually(t, "the session is writable again", session.Writable)
	session.Send(engine.NewTextFrame("sent"), engine.Volatile)
	ws.expect(t, "4sent")
}

func TestVolatileFramesOfAPollingClient(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	c.peer.session.Send(engine.NewTextFrame("dropped"), engine.Volatile)
	conn := c.poll(t)
	c.peer.session.SendAll([]*engine.Frame{engine.NewTextFrame("a"), engine.NewTextFrame("b")}, engine.Volatile)
	c.peer.session.Send(engine.NewTextFrame("dropped"), engine.Volatile)
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4a\x1e4b" {
		t.Errorf("got %q, want the volatile frames of the pending poll", res.body)
	}
	c.peer.send("end")
	c.expectGet(t, "4end")
}

// Peers that ping and never read must not make the server keep answers for them,
// nor block anybody else.
func TestFaultPingFlood(t *testing.T) { inBothModes(t, testFaultPingFlood) }

func testFaultPingFlood(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	healthy, flood := s.openWS(t), s.openWS(t)
	var wire []byte
	for range 1000 {
		wire = appendFrame(wire, finPing, strings.Repeat("p", 125))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var flooding sync.WaitGroup
	flooding.Go(func() {
		if err := flood.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return
		}
		for range 1000 { // 131 MB
			if _, err := flood.Write(wire); err != nil {
				return
			}
		}
	})
	for i := range 200 {
		m := fmt.Sprint("4", i)
		healthy.mustText(t, m)
		healthy.expect(t, m)
	}
	flooding.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+16<<20 {
		t.Errorf("the flood left %d bytes on the heap", after.HeapAlloc-before.HeapAlloc)
	}
}

// A client that catches up sends as many events at a time as MaxPayload has room for: it knows of no other limit.
func TestLimitOfPacketsHasRoomForAPayload(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	const event = "2[\"x\"]"
	n := 1_000_000 / len("4"+event+"\x1e")
	c.mustPost(t, strings.Repeat("4"+event+"\x1e", n-1)+"4"+event)
	c.peer.expectNow(t, slices.Repeat([]message{text(event)}, n)...)
}
