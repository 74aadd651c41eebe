package main

import (
	"maps"
	"slices"
	"testing"
)

// ownClient is the receiver of what a process sends to its own clients.
const ownClient = "own client"

// An outcome is what became of the messages of one cluster.
type outcome struct {
	Cluster string
	Flows   []flow
	// Pairs are all the pairs of a sender and a receiver, by "sender > receiver".
	Pairs map[string]stream
	// Errors are what callers and handlers of errors were given, by language and text.
	Errors map[string]map[string]int
	// Slowest is how long an Emit took at most, in milliseconds.
	Slowest int64
	Probes  []probe
	Outages []outage
	// Lines are the log lines of the Go nodes, and Trouble is when the trouble began and ended.
	Lines   []string
	Trouble [2]int64
}

// A flow is what became of the messages from one kind of process to another.
type flow struct {
	From, To string
	// Sent and Lost count a message once for each receiver.
	Sent, Lost int
	// Worst is how many were lost between the two that lost most.
	Worst int
	// Node is how many were lost for each pair of the process that lost most, be it as their sender or as their receiver: of a Go process if
	// the other is a Node.js one.
	Node int
	// Untold are those of the lost whose Emit has returned no error. Silent are those of the untold that no outage accounts for in which
	// their receiver, a Go process, was deaf.
	Untold, Silent        int
	Duplicated, Reordered int
	// Recovered is that of the pair that took longest, -1 if one never did.
	Recovered int64

	lost map[string][]int // of each pair, by "from " and a sender, and by "to " and a receiver
}

// outcome asks all nodes.
func (r *rig) outcome(tb testing.TB) outcome {
	tb.Helper()
	reports := r.reports(tb)
	o := outcome{
		Cluster: r.name, Pairs: make(map[string]stream), Errors: map[string]map[string]int{golang: {}, nodejs: {}},
		Trouble: [2]int64{r.begun, r.ended},
	}
	flows := make(map[[2]string]*flow)
	for _, sender := range r.nodes {
		for _, receiver := range r.alive() {
			r.compare(&o, flows, reports, sender, receiver)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(flows), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		flows[key].sum()
		o.Flows = append(o.Flows, *flows[key])
	}
	o.collect(r.alive(), reports)
	return o
}

// collect adds what the nodes have told besides.
func (o *outcome) collect(nodes []node, reports map[string]report) {
	for _, n := range nodes {
		told := reports[n.name()]
		for text, count := range told.Errors {
			o.Errors[n.language()][text] += count
		}
		o.Slowest = max(o.Slowest, told.Slowest)
		o.Probes = append(o.Probes, told.Probes...)
		o.Outages = append(o.Outages, told.Outages...)
		o.Lines = append(o.Lines, told.Lines...)
	}
}

// compare adds what became of the messages of one sender at one receiver.
func (r *rig) compare(o *outcome, flows map[[2]string]*flow, reports map[string]report, sender, receiver node) {
	told, ok := reports[sender.name()]
	sent := told.Sent
	if !ok {
		sent = highest(reports, sender.name())
	}
	s := follow(from(reports[receiver.name()].Got, sender.name()), sent, r.ended)
	o.Pairs[sender.name()+" > "+receiver.name()] = s
	key := [2]string{sender.language(), receiver.language()}
	if sender == receiver {
		key[1] = ownClient
	}
	f := flows[key]
	if f == nil {
		f = &flow{From: key[0], To: key[1], lost: make(map[string][]int)}
		flows[key] = f
	}
	f.charge(sender, receiver, len(s.Lost))
	f.add(s, sent, told, reports[receiver.name()].Outages, r.killed[sender])
}

// add counts a pair. A sender that was killed does not recover.
func (f *flow) add(s stream, sent int, sender report, outages []outage, killed bool) {
	f.Sent += sent
	f.Lost += len(s.Lost)
	f.Worst = max(f.Worst, len(s.Lost))
	f.Duplicated += s.Duplicated
	f.Reordered += s.Reordered
	f.blame(s.Lost, sender, outages)
	switch {
	case killed || f.Recovered < 0:
	case s.Recovered < 0:
		f.Recovered = -1
	default:
		f.Recovered = max(f.Recovered, s.Recovered)
	}
}

// charge books what was lost with both, or with the Go process alone if the other is a Node.js one.
func (f *flow) charge(sender, receiver node, lost int) {
	mixed := sender.language() != receiver.language()
	for end, n := range map[string]node{"from " + sender.name(): sender, "to " + receiver.name(): receiver} {
		if !mixed || n.language() == golang {
			f.lost[end] = append(f.lost[end], lost)
		}
	}
}

// sum finds the process that has lost most.
func (f *flow) sum() {
	for _, lost := range f.lost {
		sum := 0
		for _, n := range lost {
			sum += n
		}
		f.Node = max(f.Node, sum/len(lost))
	}
}

// blame counts the lost that callers were told nothing of.
func (f *flow) blame(lost []int, sender report, outages []outage) {
	told := make(map[int]bool, len(sender.Refused))
	for _, seq := range sender.Refused {
		told[seq] = true
	}
	for _, seq := range lost {
		if told[seq] {
			continue
		}
		f.Untold++
		if seq >= len(sender.At) || !slices.ContainsFunc(outages, func(o outage) bool { return o.covers(sender.At[seq]) }) {
			f.Silent++
		}
	}
}
