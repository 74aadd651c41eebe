package redisadapter

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff tells how long to wait after failures that follow each other.
type backoff struct {
	min, max time.Duration
	failures int
}

// next counts a failure and returns how long to wait after it: twice as long each
// time, with jitter, so that the nodes of a cluster do not come back in step.
func (b *backoff) next() time.Duration {
	d := min(b.min<<min(b.failures, 16), b.max)
	b.failures++
	return d/2 + rand.N(d/2+1) //nolint:gosec // it keeps no secret
}

// worked makes the next failure count as the first. A connection that is made and then
// broken each time, as Redis does with one that is too slow, costs a short pause: the
// longer it is away, the more it misses.
func (b *backoff) worked() { b.failures = 0 }

// pause waits for d, or until ctx ends; it tells whether ctx is alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
