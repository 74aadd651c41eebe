package redisadapter

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/examples/peers"
)

// A line of the Redis client that repeats is logged once, and then counted.
func TestLinesOfTheRedisClientAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		l := NewClientLog(slog.New(slog.NewTextHandler(&logs, nil)))
		for range 12 {
			l.Printf(t.Context(), "failed to dial after %d attempts: %v", 5, errors.New("refused"))
		}
		l.Printf(t.Context(), "sentinel: new master=%q", "a")
		l.Close()
		text := logs.String()
		if strings.Count(text, `line="failed to dial after 5 attempts: refused"`) != 1 || !strings.Contains(text, "suppressed=11") || strings.Count(text, "\n") != 3 {
			t.Errorf("logged %s", text)
		}
	})
}

// In an outage the adapter waits for the connection that listens, of whose failures it writes itself: the
// Redis client has nothing to log.
func TestRedisClientHasNothingToLogInAnOutage(t *testing.T) {
	var d diary
	redis.SetLogger(NewClientLog(slog.New(slog.NewTextHandler(&d, nil))))
	defer redis.SetLogger(NewClientLog(slog.New(slog.DiscardHandler)))
	server := peers.Redis(t)
	h := openHost(t, "/", New(client(t, server.Addr), nil))
	together(t, h)
	server.Kill(t)
	log := h.Adapter().(*classic).link.log
	sent := 0
	eventually(t, "the connection that listens to fail often", func() bool {
		shout(t, h, sent)
		sent++
		return log.count(troubleSubscriber) >= 5
	})
	if text := d.logged(); text != "" {
		t.Errorf("logged %s", text)
	}
	server.Restart(t)
	together(t, h)
}
