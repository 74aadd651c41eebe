package redisadapter

import (
	"log/slog"
	"sync"
	"time"
)

// trouble is a kind of thing that goes wrong and that no caller gets to see.
type trouble int

const (
	troubleSubscriber trouble = iota
	troublePublisher
	troubleDropped
	troubleRefused
	troubleBroadcast
	troubleRequest
	troubleResponse
	troubleAnswer
	troublePanic
	troubleKinds
)

func (t trouble) String() string {
	return [troubleKinds]string{
		troubleSubscriber: "the connection that receives from Redis has trouble",
		troublePublisher:  "the connection that publishes to Redis has trouble",
		troubleDropped:    "messages to other nodes were lost",
		troubleRefused:    "messages to other nodes were refused, the queue is full",
		troubleBroadcast:  "malformed broadcasts were ignored",
		troubleRequest:    "malformed requests were ignored",
		troubleResponse:   "malformed responses were ignored",
		troubleAnswer:     "answers could not be encoded",
		troublePanic:      "handling a message panicked",
	}[t]
}

// reportInterval is how often the same kind of trouble is logged at most.
const reportInterval = 30 * time.Second

// reporter counts trouble and logs it at a limited rate.
type reporter struct {
	log *slog.Logger

	mu    sync.Mutex
	kinds [troubleKinds]struct {
		total, logged uint64
		last          time.Time
	}
}

// report counts n cases of trouble, and logs them unless that kind has been
// logged a short while ago.
func (r *reporter) report(t trouble, n int, err error, args ...any) {
	r.mu.Lock()
	k := &r.kinds[t]
	k.total += uint64(n)
	if !k.last.IsZero() && time.Since(k.last) < reportInterval {
		r.mu.Unlock()
		return
	}
	fresh := k.total - k.logged
	k.logged, k.last = k.total, time.Now()
	r.mu.Unlock()
	r.log.Warn("redisadapter: "+t.String(), append([]any{"err", err, "count", fresh}, args...)...)
}

// count returns how often that kind of trouble has been reported.
func (r *reporter) count(t trouble) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[t].total
}
