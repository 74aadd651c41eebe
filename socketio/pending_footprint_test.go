//go:build !race

package socketio_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// What a client can have waiting behind a handler takes as much memory as MaxPendingBytes allows, whatever it sends, and whether or not an
// acknowledgement is awaited from it.
func TestFootprintOfPendingEvents(t *testing.T) {
	const clients, limit = 4, 1 << 20
	for name, messages := range map[string][]string{
		"ten thousand arguments":    {`2["x"` + strings.Repeat(",0", 9_999) + `]`},
		"a thousand arguments":      {`2["x"` + strings.Repeat(",0", 999) + `]`},
		"no arguments":              {`2["x"]`},
		"long unknown names":        {`2["` + strings.Repeat("y", 50_000) + `"]`},
		"long names with escapes":   {`2["` + strings.Repeat(`\u0041`, 10_000) + `"]`},
		"large arguments":           {`2["x","` + strings.Repeat("y", 100_000) + `"]`},
		"small and large arguments": {`2["x","` + strings.Repeat("y", 3_000) + `"]`, `2["x"]`, `2["x"]`, `2["x"]`},
		"attachments":               {`5` + strings.TrimPrefix(strings.Split(binaryEvent("", 10), " | ")[0], "5"), bin("a"), bin("b"), bin("c"), bin("d"), bin("e"), bin("f"), bin("g"), bin("h"), bin("i"), bin("j")},
		"large attachments":         {`51-["x",{"_placeholder":true,"num":0}]`, bin(strings.Repeat("z", 90_000))},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &socketio.Options{Engine: engine.Options{PingInterval: time.Hour}})
			release := make(chan struct{})
			defer close(release)
			s.OnAny(socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
				<-release
				return nil
			}))
			packets := enginePackets(messages)
			links := make([]*wsLink, clients)
			for i := range links {
				c, socket := s.joinSocket(t, "websocket", "/")
				ask(t, socket, "q")
				c.question("q")
				links[i] = c.link.(*wsLink)
			}
			heap() // what pools keep is gone after the second collection
			before := heap()
			halted := make(chan error, clients)
			for _, l := range links {
				go func() { halted <- pourPackets(l, packets) }()
			}
			for range links {
				if timeout, ok := errors.AsType[net.Error](<-halted); !ok || !timeout.Timeout() {
					t.Errorf("the server reads on, or has ended the connection: %v", timeout)
				}
			}
			grown := float64(heap() - before)
			t.Logf("%.2f of the limit", grown/(clients*limit))
			if grown > 1.2*clients*limit {
				t.Errorf("the heap has grown by %.0f bytes, the limit of all is %d", grown, clients*limit)
			}
		})
	}
}

// pourPackets sends packets until the server has not read for a while.
func pourPackets(l *wsLink, packets []string) error {
	for {
		if err := l.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return err
		}
		if err := l.send(packets...); err != nil {
			return err
		}
	}
}
