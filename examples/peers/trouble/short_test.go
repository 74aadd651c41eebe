package main

import (
	"bytes"
	"testing"
	"time"
)

// TestRestart is the short form of the scenarios: Redis is away for two seconds.
func TestRestart(t *testing.T) {
	sc := restart("restart", 2*time.Second)
	sc.lead, sc.tail = 500*time.Millisecond, 4*time.Second
	all := suffer(t, &sc, true)
	var text bytes.Buffer
	markdown(&text, &sc, all)
	t.Logf("\n%s", &text)
	for _, wrong := range verdict(all) {
		t.Error(wrong)
	}
	// What waits is held back until the nodes that were there before are there again.
	for _, f := range all[0].Flows {
		if f.From == golang && f.To == golang && f.Node > slack/2 {
			t.Errorf("a Go process has lost %d of the other, which was away for as long", f.Node)
		}
	}
}
