package redisadapter

import (
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/logonce"
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
	troubleUnanswered
	troubleUnsure
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
		troubleUnanswered: "requests of other nodes were not answered",
		troubleUnsure:     "an answer may be missing in what an operation has returned",
	}[t]
}

// reporter counts trouble and logs it at a limited rate: of each kind the first, then how
// many more there were.
type reporter struct {
	log   *logonce.Log
	kinds [troubleKinds]atomic.Uint64
}

// report counts n cases of trouble, and logs them unless that kind has been logged a
// short while ago.
func (r *reporter) report(t trouble, n int, err error, args ...any) {
	r.kinds[t].Add(uint64(n))
	r.log.Warn("redisadapter: "+t.String(), append([]any{"err", err}, args...)...)
}

// count returns how often that kind of trouble has been reported.
func (r *reporter) count(t trouble) uint64 { return r.kinds[t].Load() }
