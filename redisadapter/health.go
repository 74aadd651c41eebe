package redisadapter

import (
	"time"

	"github.com/tandem-go/tandem/adapter"
)

var _ adapter.HealthReporter = (*classic)(nil)

// Health returns how the node is doing. It does not wait for Redis.
func (c *classic) Health() adapter.Health {
	var h adapter.Health
	c.link.outages.report(&h)
	c.link.publisher.report(&h)
	s := c.link.subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Subscribed, h.SubscribeErr, h.Nodes = c.subscription.missing == 0, s.trouble, s.nodes[c.request]
	return h
}

// report fills in what is known of the queue.
func (q *queue) report(h *adapter.Health) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h.Queued, h.QueuedBytes = q.count, q.bytes
	if !q.busy.IsZero() {
		h.QueueAge = time.Since(q.busy)
	}
}
