package engine_test

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

func TestPollingMessages(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	for _, payload := range []string{
		"4hello",
		"4",
		"4test1\x1e4test2\x1e4test3",
		"4hello\x1ebAQIDBA==",
		"b",
		"b\x1e4\x1eb/+8=",
		"4€ 𝄞 \\x1e \r\n\t\x00",
		"4" + strings.Repeat("é", 100_000),
	} {
		c.mustPost(t, payload)
		c.expectGet(t, payload)
	}
}

func TestAnswersOfPolling(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	check := func(res response, contentType, body string) {
		t.Helper()
		for name, want := range map[string]string{
			"Content-Type":   contentType,
			"Content-Length": strconv.Itoa(len(body)),
			"Cache-Control":  "no-store",
		} {
			if got := res.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if res.status != http.StatusOK || res.body != body {
			t.Errorf("got %d %q, want 200 %q", res.status, res.body, body)
		}
	}
	check(c.post(t, "4€"), "text/html", "ok")
	check(c.get(t), "text/plain; charset=UTF-8", "4€")
}

// What was sent is delivered before the client hears that it was.
func TestDeliveryBeforeTheAnswer(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	c.mustPost(t, "4a\x1ebAAEC\x1e4b\x1e4")
	c.peer.expectNow(t, text("a"), bin("\x00\x01\x02"), text("b"), text(""))
}

func TestPendingPollIsAnswered(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	for range 3 {
		conn := c.poll(t)
		c.peer.send("now")
		if res := conn.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "4now" {
			t.Fatalf("got %d %q", res.status, res.body)
		}
		if c.peer.session.Writable() {
			t.Error("the session is writable without a pending poll")
		}
	}
}

// All that is queued comes with one poll, frames that were sent together in one
// piece.
func TestPollTakesAllThatIsQueued(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	var want []string
	for i := range 500 {
		c.peer.session.SendAll([]*engine.Frame{
			engine.NewTextFrame(strconv.Itoa(i)), engine.NewBinaryFrame([]byte("abc")),
		}, 0)
		want = append(want, "4"+strconv.Itoa(i), "bYWJj")
	}
	c.expectGet(t, strings.Join(want, "\x1e"))
	conn := c.poll(t)
	c.peer.send("next")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4next" {
		t.Errorf("got %q", res.body)
	}
}

func TestDuplicatePoll(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	first := c.poll(t)
	expectEmpty(t, c.get(t), http.StatusBadRequest)
	if res := first.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "1" {
		t.Errorf("first poll: got %d %q, want 200 \"1\"", res.status, res.body)
	}
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPollOverlap) {
		t.Errorf("error %v, want %v", err, engine.ErrPollOverlap)
	}
	c.expectGone(t)
}

func TestDuplicateDataRequest(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	first := s.open(t)
	// It may be the one that comes second. On a connection that is kept net/http would
	// wait for the rest of its body before it answers.
	if err := first.send(http.MethodPost, c.query(), "4he", "Content-Length: 10", "Connection: close"); err != nil {
		t.Fatal(err)
	}
	// Nothing tells when the server has begun to read a body: it has once a
	// second request makes it close the session.
	eventually(t, "the second request is refused", func() bool {
		res := c.post(t, "4x")
		return res.status == http.StatusBadRequest
	})
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrDataOverlap) {
		t.Errorf("error %v, want %v", err, engine.ErrDataOverlap)
	}
	first.awaitEnd(t)
	c.expectGone(t)
}

func TestPollAndDataRequestAtTheSameTime(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	for range 20 {
		conn := c.poll(t)
		c.mustPost(t, "4hello")
		if res := conn.mustReceive(t, http.MethodGet); res.body != "4hello" {
			t.Fatalf("got %d %q", res.status, res.body)
		}
	}
}

func TestAbortedPoll(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	c.poll(t).Close()
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPollAborted) {
		t.Errorf("error %v, want %v", err, engine.ErrPollAborted)
	}
	c.expectGone(t)
}

func TestAbortedDataRequest(t *testing.T) {
	for name, headers := range map[string][]string{
		"with a length": {"Content-Length: 100"},
		"chunked":       {"Transfer-Encoding: chunked"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			c := s.openPolling(t)
			conn := s.open(t)
			if err := conn.send(http.MethodPost, c.query(), "a\r\n4hello", headers...); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrDataAborted) {
				t.Errorf("error %v, want %v", err, engine.ErrDataAborted)
			}
			c.peer.expectNow(t)
			c.expectGone(t)
		})
	}
}

// The body is UTF-8 whatever its Content-Type says, and chunks may cut it
// anywhere.
func TestDataRequestInChunks(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	body := "4h\xc3\xa9llo\x1ebAQI="
	var chunks strings.Builder
	for _, b := range []byte(body) {
		chunks.WriteString("1\r\n" + string([]byte{b}) + "\r\n")
	}
	res := s.request(t, http.MethodPost, c.query(), chunks.String()+"0\r\n\r\n",
		"Transfer-Encoding: chunked", "Content-Type: application/json")
	if res.status != http.StatusOK || res.body != "ok" {
		t.Errorf("got %d %q", res.status, res.body)
	}
	c.peer.expectNow(t, text("héllo"), bin("\x01\x02"))
}

func TestCompression(t *testing.T) {
	inflate := func(t *testing.T, encoding, body string) string {
		t.Helper()
		var r io.Reader = strings.NewReader(body)
		var err error
		switch encoding {
		case "gzip":
			r, err = gzip.NewReader(r)
		case "deflate":
			r, err = zlib.NewReader(r)
		}
		if err != nil {
			t.Fatalf("%s: %v", encoding, err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", encoding, err)
		}
		return string(plain)
	}
	s := start(t, nil)
	c := s.openPolling(t)
	large := strings.Repeat("ab€", 300) // more than 1024 bytes, fewer characters
	for _, tc := range []struct {
		name, accept, message string
		option                engine.SendOption
		encoding              string
	}{
		{"gzip", "gzip", large, 0, "gzip"},
		{"as browsers ask", "gzip, deflate, br, zstd", large, 0, "gzip"},
		{"deflate", "deflate", large, 0, "deflate"},
		{"capitals", "GZIP;q=0.5", large, 0, "gzip"},
		{"any", "*", large, 0, "gzip"},
		{"short", "gzip", strings.Repeat("a", 1022), 0, ""},
		{"just long enough", "gzip", strings.Repeat("a", 1023), 0, "gzip"},
		{"not asked for", "", large, 0, ""},
		{"unknown encoding", "br", large, 0, ""},
		{"declined", "gzip;q=0, deflate;q=0.0", large, 0, ""},
		{"not wanted by the sender", "gzip", large, engine.NoCompress, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.peer.session.Send(engine.NewTextFrame(tc.message), tc.option)
			var headers []string
			if tc.accept != "" {
				headers = []string{"Accept-Encoding: " + tc.accept}
			}
			res := s.request(t, http.MethodGet, c.query(), "", headers...)
			if got := res.header.Get("Content-Encoding"); got != tc.encoding {
				t.Fatalf("Content-Encoding %q, want %q", got, tc.encoding)
			}
			if got := inflate(t, tc.encoding, res.body); res.status != http.StatusOK || got != "4"+tc.message {
				t.Errorf("got %d %.50q…", res.status, got)
			}
		})
	}
}

func TestCompressionThreshold(t *testing.T) {
	for threshold, want := range map[int]string{-1: "", 10: "gzip", 100: ""} {
		s := start(t, &engine.Options{CompressionThreshold: threshold})
		c := s.openPolling(t)
		c.peer.send(strings.Repeat("a", 50))
		res := s.request(t, http.MethodGet, c.query(), "", "Accept-Encoding: gzip")
		if got := res.header.Get("Content-Encoding"); got != want {
			t.Errorf("threshold %d: Content-Encoding %q, want %q", threshold, got, want)
		}
	}
}

// Since version 4.1.0 the reference never answered such a request, which kept its
// connection (CVE-2026-59725); parameters of the type got past the check.
func TestFaultBinaryDataRequest(t *testing.T) {
	for _, contentType := range []string{
		"application/octet-stream", "application/octet-stream; charset=UTF-8", "Application/Octet-Stream",
	} {
		t.Run(contentType, func(t *testing.T) {
			s := start(t, nil)
			c := s.openPolling(t)
			res := s.request(t, http.MethodPost, c.query(), "4hello", "Content-Type: "+contentType)
			expectEmpty(t, res, http.StatusBadRequest)
			if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrInvalidContent) {
				t.Errorf("error %v, want %v", err, engine.ErrInvalidContent)
			}
			c.peer.expectNow(t)
			c.expectGone(t)
		})
	}
}

// A data request that never ends must not keep another one from being answered,
// nor the closing of the session from ending it.
func TestFaultBinaryDataRequestWithoutItsBody(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	err := conn.send(http.MethodPost, c.query(), "", "Content-Length: 100", "Content-Type: application/octet-stream")
	if err != nil {
		t.Fatal(err)
	}
	expectEmpty(t, conn.mustReceive(t, http.MethodPost), http.StatusBadRequest)
	conn.expectEOF(t)
	c.peer.expectClose(t, engine.TransportError)
}

func TestOldInternetExplorer(t *testing.T) {
	s := start(t, nil)
	for agent, want := range map[string]string{
		"Mozilla/5.0 (compatible; MSIE 9.0; Trident/5.0)": "0", "Mozilla/5.0": "",
	} {
		res := s.request(t, http.MethodGet, pollingQuery, "", "User-Agent: "+agent)
		if got := res.header.Get("X-XSS-Protection"); got != want {
			t.Errorf("%s: X-XSS-Protection %q, want %q", agent, got, want)
		}
	}
}
