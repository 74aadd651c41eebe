package redisadapter

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
)

// An event has a name, a text or a number; anything else would make a client close its
// connection.
func TestNamesOfEvents(t *testing.T) {
	for data, want := range map[string]bool{
		`["x"]`: true, `[""]`: true, `[0]`: true, `[9]`: true, `[12,1]`: true, `[-7]`: true, `[-0.5]`: true,
		``: false, `[`: false, `[]`: false, `[null]`: false, `[true]`: false, `[false]`: false, `[[]]`: false, `[{}]`: false, `{"0":1}`: false, `"x"`: false, `0`: false,
		`[/]`: false, `[:]`: false,
	} {
		p, err := newEvent("/", []byte(data), nil)
		if (err == nil) != want || want && string(p.Data) != data {
			t.Errorf("%s: %v, want an event: %t", data, err, want)
		}
	}
}

// A broadcast that wants answers and cannot be published has the error at once, and the
// answers of the local sockets.
func TestCollectThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", &Options{MaxQueued: 1})
		b.confirm()
		b.Connect().AnswerWith(func(d *adaptertest.Delivery) { d.Answer(answerOne) })
		if err := b.c.Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, _, err := collected(&mixed{host: b.Host}, t.Context(), event("/", `["ask"]`), adapter.Target{})
		if !slices.Equal(got, []string{`[1]`}) || !errors.Is(err, ErrQueueFull) || time.Since(start) > 0 {
			t.Errorf("after %v: got %q, %v", time.Since(start), got, err)
		}
	})
}

// The error of a collection that ends early says how many nodes have said nothing.
func TestSilentNodes(t *testing.T) {
	b := newBare(t, "/", nil)
	for _, tt := range []struct{ nodes, heard, want int }{{4, 1, 2}, {4, 3, 0}, {2, 0, 1}, {1, 0, 0}, {0, 0, 0}, {0, 2, 0}, {3, 4, 0}} {
		col := collection{c: b.c, nodes: tt.nodes, heard: tt.heard, got: 5, want: 7}
		if e := col.timeout(); e.Silent != tt.want || e.Got != 5 || e.Want != 7 {
			t.Errorf("%d of %d other nodes have answered: %+v, want %d silent", tt.heard, tt.nodes-1, e, tt.want)
		}
	}
}
