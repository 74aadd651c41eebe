package socketio_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A codingRecorder remembers whether the last answer was compressed on its way.
type codingRecorder struct {
	http.RoundTripper
	compressed atomic.Bool
}

func (r *codingRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet {
		r.compressed.Store(resp.Uncompressed)
	}
	return resp, err
}

// Events are compressed on their way unless they must not be, and what was said last counts.
func TestCompress(t *testing.T) {
	s := serve(t, nil).echo()
	c, err := s.dialClient("polling")
	if err != nil {
		t.Fatal(err)
	}
	link, ok := c.link.(*pollLink)
	if !ok {
		t.Fatal("not a polling client")
	}
	answers := &codingRecorder{RoundTripper: link.client.Transport}
	link.client.Transport = answers
	c.start()
	defer c.close()
	socket, ok := s.Socket(c.connect("/", ""))
	if !ok {
		t.Fatal("no socket")
	}
	large := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		name string
		to   socketio.Emitter
		want bool
	}{
		{"socket", socket, true},
		{"socket, off", socket.Compress(false), false},
		{"socket, off and on", socket.Compress(false).Compress(true), true},
		{"socket, on and off", socket.Compress(true).Compress(false), false},
		{"all", s, true},
		{"all, off", s.Compress(false), false},
		{"all, off and on", s.Compress(false).Compress(true), true},
		{"all, on and off", s.Compress(true).Compress(false), false},
		{"room, off", s.To(socket.ID()).Compress(false), false},
		{"off, room", s.Compress(false).To(socket.ID()).Except("nobody"), false},
	} {
		if err := tt.to.Emit("m", large); err != nil {
			t.Fatal(err)
		}
		c.expect(`2["m","` + large + `"]`)
		if got := answers.compressed.Load(); got != tt.want {
			t.Errorf("%s: compressed %t, want %t", tt.name, got, tt.want)
		}
	}
}
