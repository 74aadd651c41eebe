package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// The memory of a message to one client is used again for another one. Nobody may
// see the other one: events are emitted to many clients, alone and to all, while the
// clients ask and are answered.
func TestMessagesDoNotMix(t *testing.T) { eachTransport(t, testMessagesDoNotMix) }

func testMessagesDoNotMix(t *testing.T, transport string) {
	const clients, rounds = 6, 100
	long := strings.Repeat("x", rounds)
	s := serve(t, nil)
	socketio.On(s, "start", func(_ context.Context, socket *socketio.Socket, _ socketio.None) error {
		for i := range rounds {
			if err := socket.Emit("own", socket.ID(), i, long[i:]); err != nil {
				return err
			}
			if i%10 == 0 {
				if err := s.Emit("all", long[:i]); err != nil {
					return err
				}
			}
		}
		return socket.Emit("end")
	})
	socketio.OnWithAck(s, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	all := make([]*client, clients)
	ids := make([]string, clients)
	for n := range all {
		all[n] = s.open(t, transport)
		ids[n] = all[n].connect("/", "")
	}
	for i := range rounds {
		for n, c := range all {
			if i == rounds/4 {
				c.send(`2["start"]`)
			}
			c.send(fmt.Sprintf(`2%d["echo","%d %s"]`, i, n, long[:i]))
		}
	}
	for n, c := range all {
		checkMessages(t, c, n, ids[n], long)
	}
}

// checkMessages checks what client n receives.
func checkMessages(t *testing.T, c *client, n int, id, long string) {
	rounds := len(long)
	own := func(i int) string { return fmt.Sprintf(`2["own","%s",%d,"%s"]`, id, i, long[i:]) }
	answer := func(i int) string { return fmt.Sprintf(`3%d["%d %s"]`, i, n, long[:i]) }
	var events, answers int
	for ended := false; !ended || answers < rounds; {
		switch m := c.next(); {
		case m == `2["end"]`:
			ended = true
		case strings.HasPrefix(m, `2["all","`):
			if text := strings.TrimSuffix(strings.TrimPrefix(m, `2["all","`), `"]`); strings.Trim(text, "x") != "" || len(text)%10 != 0 {
				t.Errorf("client %d got %s", n, m)
			}
		case m == own(min(events, rounds-1)):
			events++
		case m == answer(min(answers, rounds-1)):
			answers++
		default:
			t.Errorf("client %d got %s, want %s or %s", n, m, own(min(events, rounds-1)), answer(min(answers, rounds-1)))
			return
		}
	}
	if events != rounds {
		t.Errorf("client %d got %d events, want %d", n, events, rounds)
	}
}
