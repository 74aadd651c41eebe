package main

import (
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	o := outcome{
		Cluster: "mixed",
		Flows: []flow{
			{From: golang, To: nodejs, Sent: 40, Lost: 3, Worst: 2, Untold: 1, Reordered: 4, Recovered: 1500},
			{From: golang, To: ownClient, Sent: 40},
			{From: nodejs, To: golang, Sent: 10, Duplicated: 5, Recovered: -1},
		},
		Errors: map[string]map[string]int{golang: {"UnavailableError": 2}, nodejs: {"error event: b": 1, "error event: a": 2}},
		Probes: []probe{{At: 2, Op: "ServerCount", N: 1, Err: "TimeoutError", Took: 7}, {At: 1, Op: "ServerCount", N: 4, Took: 3}},
		Lines:  []string{"n=1", "n=2", "an outage of 1s", "an outage of 2s"},
	}
	var b strings.Builder
	markdown(&b, &scenario{name: "x", what: "y"}, []outcome{o})
	for _, want := range []string{
		"### x: y\n",
		"| mixed | Go → Node | 3 of 40 | 2 | 0 | 4 | UnavailableError ×2; 1 of the lost without an error | 4 | 1.5 s |\n",
		"| mixed | Node → Go | 0 of 10 | 0 | 5 | 0 | 3 events | - | never |\n",
		"error event: a ×2, error event: b ×1\n",
		"ServerCount 4 ×1 (3 ms), 1 TimeoutError ×1 (7 ms)",
		"`n=1`\n  - `an outage of 1s`\n  - `an outage of 2s`\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), ownClient) {
		t.Errorf("has a line for own clients that have lost nothing:\n%s", &b)
	}
}
