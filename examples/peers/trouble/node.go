package main

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// The names of what the processes are written in.
const (
	golang = "Go"
	nodejs = "Node"
)

// A node is a process of a cluster: a Socket.IO server, a client of it, and a sender.
type node interface {
	name() string
	language() string
	// listen starts the server, which says hello to everybody until it is told to send.
	listen(l Link) error
	// heard returns how many messages have arrived, and from which servers anything has.
	heard() (int, []string, error)
	// send emits a message to everybody each time the interval is over.
	send(interval time.Duration) error
	// burst emits that many messages at once, with so many bytes each.
	burst(messages, size int) error
	// halt ends what send has begun.
	halt() error
	// report returns what the client has received and the server has met.
	report() (report, error)

	pause(tb testing.TB)
	resume(tb testing.TB)
	kill()
}

// A report is what one process has to tell.
type report struct {
	Sent int
	Got  []arrival
	// At is when each message was sent, in milliseconds of the wall clock.
	At []int64
	// Refused are the messages whose Emit returned an error, in Go.
	Refused []int
	// Errors are the errors that callers and handlers of errors were given, by text.
	Errors map[string]int
	// Slowest is how long an Emit has taken at most, in milliseconds.
	Slowest int64
	Probes  []probe
	// Outages are those that the observers of a Go process were told of.
	Outages []outage
	// Lines are what it has written to its log.
	Lines []string
}

// An outage is trouble with Redis that is over. The times are in milliseconds.
type outage struct {
	Node          string
	Began, Lasted int64
	Deaf          int64
	Losses        adapter.Losses
	Err           string
}

// covers tells that the outage accounts for what was sent then and has not been received.
func (o *outage) covers(sent int64) bool {
	return o.Deaf > 0 && sent >= o.Began-outageSlack && sent <= o.Began+o.Lasted+outageSlack
}

// outageSlack is how much later than in truth an outage may be noticed to begin and end, in milliseconds.
const outageSlack = 500

// A probe is one question about the other servers that was asked during the trouble.
type probe struct {
	At   int64 // when it was asked, in milliseconds of the wall clock
	Op   string
	N    int
	Err  string
	Took int64 // in milliseconds
}
