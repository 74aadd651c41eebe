package main

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// outcomes returns a mixed cluster and one of Node.js only where nothing was lost.
func outcomes() (mixed, nodeOnly outcome) {
	mixed.Flows = []flow{
		{From: golang, To: golang, Sent: 2000},
		{From: golang, To: nodejs, Sent: 4000},
		{From: golang, To: ownClient, Sent: 2000},
		{From: nodejs, To: golang, Sent: 4000},
		{From: nodejs, To: nodejs, Sent: 2000},
	}
	nodeOnly.Flows = []flow{{From: nodejs, To: nodejs, Sent: 12000}}
	return mixed, nodeOnly
}

func TestJudge(t *testing.T) {
	numbers := []outage{{Losses: adapter.Losses{Expired: 1, Unknown: 3}}}
	for _, c := range []struct {
		name   string
		happen func(mixed, nodeOnly *outcome)
		want   string // what is wrong, "" if nothing is
	}{
		{"nothing", func(*outcome, *outcome) {}, ""},
		{"Node.js loses", func(m, n *outcome) { m.Flows[4].Node, n.Flows[0].Node, m.Flows[4].Reordered = 500, 500, 7 }, ""},
		{"within a second", func(m, _ *outcome) { m.Flows[3].Node = slack }, ""},
		{"more than a second", func(m, _ *outcome) { m.Flows[3].Node = slack + 1 }, "a process has lost 51 for each other, where a Node.js one has lost 0"},
		{"no more than Node.js", func(m, n *outcome) { m.Flows[1].Node, n.Flows[0].Node = slack+1, 1 }, ""},
		{"late receivers", func(m, _ *outcome) { m.Flows[1].Node, m.Flows[4].Node = 100, 90 }, ""},
		{"it is not for their senders", func(m, _ *outcome) { m.Flows[3].Node, m.Flows[4].Node = 100, 90 }, "Node → Go: a process has lost 100"},
		{"no line", func(m, _ *outcome) { m.Flows[3].Lost = 1 }, "no line"},
		{"no error", func(m, _ *outcome) {
			m.Flows[0].Lost, m.Flows[0].Silent, m.Lines, m.Outages = 10, 5, []string{"x"}, numbers
		}, "5 lost between Go nodes without an error or a deaf receiver, while observers have numbers of 4"},
		{"numbers", func(m, _ *outcome) {
			m.Flows[0].Lost, m.Flows[0].Silent, m.Lines, m.Outages = 10, 4, []string{"x"}, numbers
		}, ""},
		{"own client", func(m, _ *outcome) { m.Flows[2].Lost, m.Lines = 1, []string{"x"} }, "own client: 1 lost"},
		{"twice", func(m, _ *outcome) { m.Flows[0].Duplicated = 1 }, "1 duplicated"},
		{"never", func(m, _ *outcome) { m.Flows[0].Recovered = -1 }, "has not recovered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mixed, nodeOnly := outcomes()
			c.happen(&mixed, &nodeOnly)
			wrong := strings.Join(verdict([]outcome{mixed, nodeOnly}), "; ")
			if c.want == "" && wrong != "" || !strings.Contains(wrong, c.want) {
				t.Errorf("wrong: %q, want %q", wrong, c.want)
			}
		})
	}
	if wrong := verdict(make([]outcome, 1)); wrong != nil {
		t.Errorf("one cluster: %v", wrong)
	}
}
