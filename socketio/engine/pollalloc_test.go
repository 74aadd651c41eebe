package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// reusedWriter is a ResponseWriter that allocates nothing by itself.
type reusedWriter struct {
	header http.Header
	status int
	size   int
}

func (w *reusedWriter) Header() http.Header { return w.header }

func (w *reusedWriter) WriteHeader(status int) { w.status = status }

func (w *reusedWriter) Write(b []byte) (int, error) {
	w.size += len(b)
	return len(b), nil
}

// SetReadDeadline and SetWriteDeadline do nothing, as nothing here takes long.
func (w *reusedWriter) SetReadDeadline(time.Time) error { return nil }

func (w *reusedWriter) SetWriteDeadline(time.Time) error { return nil }

// WriteString is Write, which net/http's writer has too.
func (w *reusedWriter) WriteString(s string) (int, error) {
	w.size += len(s)
	return len(s), nil
}

// reusedBody is a request body that can be read again.
type reusedBody struct{ strings.Reader }

func (*reusedBody) Close() error { return nil }

// deaf is a receiver that ignores everything.
type deaf struct{}

func (deaf) OnMessage(*engine.Session, engine.Message) {}

func (deaf) OnClose(*engine.Session, engine.Reason, error) {}

// What a request costs beyond net/http is a slice for the header that tells the length
// of a poll's answer.
func TestAllocationsOfRequests(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools drop what they are given")
	}
	var session *engine.Session
	srv := engine.NewServer(func(s *engine.Session) engine.Receiver {
		session = s
		return deaf{}
	}, nil)
	defer func() {
		session.Discard(engine.ForcedClose)
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/engine.io/?"+pollingQuery, nil))
	target := "/engine.io/?" + pollingQuery + "&sid=" + session.ID()
	w := &reusedWriter{header: make(http.Header)}

	get := httptest.NewRequest(http.MethodGet, target, nil)
	frame := engine.NewTextFrame("hello")
	n := testing.AllocsPerRun(500, func() {
		session.Send(frame, 0)
		srv.ServeHTTP(w, get)
	})
	if n > 1 {
		t.Errorf("a poll: %v allocations, want 1", n)
	}
	if want := 501 * len("4hello"); w.size != want || w.status != 0 {
		t.Errorf("status %d, %d bytes, want %d", w.status, w.size, want)
	}

	post := httptest.NewRequest(http.MethodPost, target, nil)
	body := new(reusedBody)
	post.Body, post.ContentLength = body, int64(len("4hello"))
	w.size = 0
	n = testing.AllocsPerRun(500, func() {
		body.Reset("4hello")
		srv.ServeHTTP(w, post)
	})
	if n > 0 {
		t.Errorf("a data request: %v allocations, want none", n)
	}
	if want := 501 * len("ok"); w.size != want || w.status != 0 {
		t.Errorf("status %d, %d bytes, want %d", w.status, w.size, want)
	}
}
