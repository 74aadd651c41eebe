package socketio_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// However much other servers send that cannot be taken, the log stays small: each kind is
// logged once, and then counted.
func TestServersCannotFillTheLog(t *testing.T) {
	const times = 100
	log := &logBuffer{}
	var host adapter.Host
	s := siotest.New(t, &socketio.Options{
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Adapter: func(h adapter.Host) adapter.Adapter {
			host = h
			return adapter.InMemory(h)
		},
		MaxServerEvents: 2 * times,
	})
	client := s.Connect(nil)
	leave := make(chan struct{})
	socketio.OnServer(s, "block", func(context.Context, socketio.None) error {
		<-leave
		return nil
	})
	socketio.OnServer(s, "number", func(context.Context, int) error { return nil })
	peer, _ := host.Peer(client.ID())
	for i := range times {
		data, attachments := `["x"`, make([][]byte, 11) // more than a packet may have
		for n := range attachments {
			data += fmt.Sprintf(`,{"_placeholder":true,"num":%d}`, n)
			attachments[n] = []byte{byte(i)}
		}
		p := &adapter.Packet{Type: adapter.Event, Namespace: "/", Data: []byte(data + "]"), Attachments: attachments}
		host.Deliver(p, []adapter.Peer{peer}, adapter.Flags{})
		host.ServeServerEvent(t.Context(), []byte(`["number","text"]`), nil, nil)
	}
	for range 4 * times { // more than are handled at the same time
		host.ServeServerEvent(t.Context(), []byte(`["block"]`), nil, nil)
	}
	close(leave)
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for kind, most := range map[string]int{"encode broadcast": 2, "drop event": 2, "handle event from another server": 2} {
		if n := strings.Count(log.String(), kind); n == 0 || n > most {
			t.Errorf("%q was logged %d times, want 1 to %d", kind, n, most)
		}
	}
	if n := strings.Count(log.String(), "suppressed="); n != 3 {
		t.Errorf("%d lines say how many more there were, want 3", n)
	}
}
