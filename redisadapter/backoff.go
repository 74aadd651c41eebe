package redisadapter

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 2 * time.Second
	// calmTime without a failure makes the next one count as the first.
	calmTime = 10 * time.Second
)

// backoff tells how long to wait after failures that follow each other closely.
type backoff struct {
	failures int
	last     time.Time
}

// next counts a failure and returns how long to wait after it: twice as long each
// time, with jitter, so that the nodes of a cluster do not come back in step.
func (b *backoff) next() time.Duration {
	now := time.Now()
	if now.Sub(b.last) > calmTime+maxBackoff {
		b.failures = 0
	}
	b.last = now
	d := min(minBackoff<<min(b.failures, 16), maxBackoff)
	b.failures++
	return d/2 + rand.N(d/2+1) //nolint:gosec // it keeps no secret
}

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
