package engine

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// pieceWriter is a ResponseWriter that notes its pieces and whether each had a deadline
// of its own.
type pieceWriter struct {
	*httptest.ResponseRecorder
	t       *testing.T
	renewed bool
	pieces  int
	cleared bool
	fail    error // of the second piece, if not nil
}

func (w *pieceWriter) SetWriteDeadline(end time.Time) error {
	w.renewed, w.cleared = !end.IsZero(), end.IsZero()
	return nil
}

func (w *pieceWriter) Write(b []byte) (int, error) {
	if w.pieces++; w.pieces > 1 && w.fail != nil {
		return 0, w.fail
	}
	if !w.renewed {
		w.t.Error("a piece has no deadline of its own")
	}
	w.renewed = false
	if len(b) > answerPiece {
		w.t.Errorf("a piece of %d bytes", len(b))
	}
	return w.Body.Write(b)
}

func newPieceWriter(t *testing.T) *pieceWriter {
	return &pieceWriter{ResponseRecorder: httptest.NewRecorder(), t: t}
}

// quietServer returns a server without sessions.
func quietServer(t *testing.T) *Server {
	t.Helper()
	srv := NewServer(func(*Session) Receiver { return echoes{} }, nil)
	t.Cleanup(func() {
		if err := srv.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return srv
}

func TestLargeAnswersAreWrittenInPieces(t *testing.T) {
	srv := quietServer(t)
	text := func(n int) *packet.Frame { return packet.Text(packet.Message, strings.Repeat("x", n-1)) }
	binary := func(n int) *packet.Frame { return packet.Binary(bytes.Repeat([]byte("\xff\x00a"), n/3+1)[:n]) }
	times := func(n int, f *packet.Frame) (frames []*packet.Frame) {
		for range n {
			frames = append(frames, f)
		}
		return frames
	}
	for name, frames := range map[string][]*packet.Frame{
		"one":                       {text(5000)},
		"one large":                 {text(1_000_000)},
		"one binary":                {binary(5000)},
		"one large binary":          {binary(1_000_000)},
		"many small":                times(20_000, text(7)),
		"small and large":           {text(10), text(100_000), binary(10), text(answerPiece - 1), binary(200_000), text(1), binary(binaryPiece), text(3)},
		"pieces that are just full": {text(answerPiece - 2), text(1), text(answerPiece - 1), text(answerPiece), text(answerPiece + 1), text(1)},
		"binary of any length":      {binary(binaryPiece - 1), binary(binaryPiece), binary(binaryPiece + 1), binary(2 * binaryPiece), binary(2*binaryPiece + 2)},
		"many large":                times(5, text(300_000)),
	} {
		t.Run(name, func(t *testing.T) {
			want := packet.AppendPayload(nil, frames)
			for range 2 { // The second time what was used is used again.
				for _, encoding := range []string{identity, encodingGzip} {
					w, r := newPieceWriter(t), httptest.NewRequest(http.MethodGet, "/", nil)
					if err := writeAs(srv, w, r, frames, encoding); err != nil {
						t.Fatal(err)
					}
					got := w.Body.Bytes()
					if encoding == "gzip" {
						got = gunzip(t, got)
					} else if n := w.Header().Get("Content-Length"); n != strconv.Itoa(len(want)) {
						t.Errorf("Content-Length %s, want %d", n, len(want))
					}
					if w.Header().Get("Content-Encoding") != encoding || !bytes.Equal(got, want) {
						t.Errorf("%q: got %d bytes, want %d", w.Header().Get("Content-Encoding"), len(got), len(want))
					}
					if !w.cleared {
						t.Error("the deadline stays")
					}
				}
			}
		})
	}
}

// writeAs writes the answer to a poll. Behind a writer of a test's own it would not be compressed.
func writeAs(srv *Server, w http.ResponseWriter, r *http.Request, frames []*packet.Frame, encoding string) error {
	q := &queue{frames: frames, compress: true}
	if encoding == identity {
		return srv.writePoll(w, r, q, nil, false)
	}
	return srv.writePollCompressed(w, q, packet.PayloadLen(frames), encoding)
}

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// Nothing more is written of an answer that has failed in the middle.
func TestAnswerFailsInTheMiddle(t *testing.T) {
	srv := quietServer(t)
	boom := errors.New("boom")
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(i*i>>3 + i%251)
	}
	frames := []*packet.Frame{packet.Binary(noise), packet.Text(packet.Message, "x"), packet.Binary(noise)}
	for _, encoding := range []string{identity, encodingGzip, encodingDeflate} {
		w, r := newPieceWriter(t), httptest.NewRequest(http.MethodGet, "/", nil)
		w.fail = boom
		if err := writeAs(srv, w, r, frames, encoding); !errors.Is(err, boom) {
			t.Errorf("%q: error %v, want %v", encoding, err, boom)
		}
		if w.pieces != 2 {
			t.Errorf("%q: %d writes, want none after the one that failed", encoding, w.pieces)
		}
	}
}

// emptyWriter takes everything.
type emptyWriter struct {
	header http.Header
	size   int
}

func (w *emptyWriter) Header() http.Header              { return w.header }
func (w *emptyWriter) WriteHeader(int)                  {}
func (w *emptyWriter) SetWriteDeadline(time.Time) error { return nil }
func (w *emptyWriter) Write(b []byte) (int, error)      { w.size += len(b); return len(b), nil }

// An answer with 40 messages of 1 MB takes no second copy of them.
func TestAllocationsOfLargeAnswers(t *testing.T) {
	srv := quietServer(t)
	for name, message := range map[string]func(int) *packet.Frame{
		"text":   func(n int) *packet.Frame { return packet.Text(packet.Message, strings.Repeat("x", n)) },
		"binary": func(n int) *packet.Frame { return packet.Binary(bytes.Repeat([]byte("x"), n)) },
	} {
		q := new(queue)
		for range 40 {
			q.frames = append(q.frames, message(1_000_000))
		}
		w, r := &emptyWriter{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/", nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := srv.writePoll(w, r, q, nil, false); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes for an answer of %d", name, n, w.size)
		}
	}
}
