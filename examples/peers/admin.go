package peers

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// adminTimeout bounds one command of a test itself.
const adminTimeout = 10 * time.Second

// Do sends a command, such as "ACL", "SETUSER", "node", "on", ">secret", "allchannels", "+@all", over a connection of its own and returns
// the answer. It fails the test if that is an error. It is the default user, with the password that the server was started with
// ("--requirepass"), so let the programs under test be users of their own if their password is to change.
func (r *RedisServer) Do(tb testing.TB, args ...any) any {
	tb.Helper()
	answer, err := r.Try(args...)
	if err != nil {
		tb.Fatalf("peers: redis-server %s: %v: %v", r.Addr, args, err)
	}
	return answer
}

// Try is Do with an error for the caller. It may be called on any goroutine.
func (r *RedisServer) Try(args ...any) (any, error) {
	rdb := redis.NewClient(&redis.Options{
		Addr: r.Addr, Password: r.password(), PoolSize: 1, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	})
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	return rdb.Do(ctx, args...).Result()
}

// password returns the one that the server was started with.
func (r *RedisServer) password() string {
	if i := slices.Index(r.args, "--requirepass"); i >= 0 && i+1 < len(r.args) {
		return r.args[i+1]
	}
	return ""
}

// awaitServer polls until the condition holds, and fails the test if that takes too long.
func awaitServer(tb testing.TB, what string, condition func() error) {
	tb.Helper()
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("peers: waited in vain for %s: %v", what, err)
		}
		<-tick.C
	}
}
