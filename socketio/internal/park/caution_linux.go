//go:build !noparking

package park

import (
	"sync/atomic"
	"time"
)

const (
	// wary is how long workers are cautious after code of the application has held up
	// others, or has been slow.
	wary = time.Second
	// slow is the time from which on such code is slow.
	slow = tick / 4
)

// caution is a time in which workers give their place away before they run code of the
// application. It is safe for concurrent use.
type caution struct {
	until atomic.Int64 // since the poller's epoch, in nanoseconds; 0 if it is over
}

// begin makes the workers cautious from now on.
func (c *caution) begin(now time.Duration) { c.until.Store(int64(now + wary)) }

// enter returns the present time if it is one of caution, and 0 if not.
func (c *caution) enter(p *Poller) time.Duration {
	until := c.until.Load()
	if until == 0 {
		return 0
	}
	now := p.now()
	if int64(now) >= until {
		c.until.CompareAndSwap(until, 0)
		return 0
	}
	return now
}

// exit makes the time longer if what has begun then was slow.
func (c *caution) exit(p *Poller, began time.Duration) {
	if now := p.now(); now-began > slow {
		c.begin(now)
	}
}
