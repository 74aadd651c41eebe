package peers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// testAcks asks clients of all servers, from each server.
func testAcks(t *testing.T, c *cluster, nsp string) {
	for _, sender := range c.instances() {
		t.Run("from "+sender.name(), func(t *testing.T) {
			for _, row := range selections() {
				if row.from || row.local && sender.name() == "node" || row.senders != "" && !slices.Contains(strings.Fields(row.senders), sender.name()) {
					continue // a server asks, not a socket; and the reference waits for the other servers even if it has not asked them
				}
				t.Run(row.name, func(t *testing.T) {
					args := []any{row.name, nil, map[string]any{"x": []any{1.5}}}
					var want []any
					for _, client := range c.recipients(row, sender) {
						want = append(want, map[string]any{"from": client, "got": args})
					}
					checkAnswers(t, sender, c.target(t, row, sender, nsp), want, "ask", args...)
				})
			}
			all := selection{Nsp: nsp}
			t.Run("binary", func(t *testing.T) {
				var want []any
				for _, client := range everyone {
					want = append(want, map[string]any{"from": client, "bytes": []any{[]byte(client), []byte{0, 255}, map[string]any{"b": []byte{}}}})
				}
				checkAnswers(t, sender, all, want, "ask binary", []byte{0, 255}, map[string]any{"b": []byte{}})
			})
			t.Run("no value", func(t *testing.T) { checkAnswers(t, sender, all, make([]any, 6), "ask nothing") })
			t.Run("null", func(t *testing.T) { checkAnswers(t, sender, all, make([]any, 6), "ask null") })
			c.received(t, sender)
		})
	}
}

// checkAnswers asks and compares the answers, which must be complete.
func checkAnswers(t *testing.T, sender instance, to selection, want []any, event string, args ...any) {
	t.Helper()
	got, err := sender.ask(to, patience, event, args...)
	if err != nil {
		t.Fatal(err)
	}
	if got.Error != "" {
		t.Error(got.Error)
	}
	sameSet(t, "the answers", got.Answers, want)
}

// testPartialAnswers asks while one client does not answer. All the servers do at the same time, as each waits for its timeout.
func testPartialAnswers(t *testing.T, c *cluster) {
	type result struct {
		sender, silent string
		got            replies
		err            error
	}
	results := make(chan result, 9)
	var asking sync.WaitGroup
	for _, sender := range c.instances() {
		for _, silent := range []string{"n.p", "a.w", "b.p"} {
			asking.Go(func() {
				r := result{sender: sender.name(), silent: silent}
				// Again, with more time, as long as an answer is missing: the machine may stall.
				for limit := 2 * time.Second; limit < 2*patience && len(r.got.Answers) < len(everyone)-1 && r.err == nil; limit *= 3 {
					r.got, r.err = sender.ask(selection{Nsp: "/"}, limit, "ask some", silent)
				}
				results <- r
			})
		}
	}
	asking.Wait()
	close(results)
	for r := range results {
		t.Run(fmt.Sprintf("from %s, %s silent", r.sender, r.silent), func(t *testing.T) {
			if r.err != nil {
				t.Fatal(r.err)
			}
			if r.got.Error == "" {
				t.Error("there is no error")
			}
			if r.sender == "node" && r.got.Error != "operation has timed out" {
				t.Errorf("the error is %q", r.got.Error)
			}
			want := anyOf(everyone)
			sameSet(t, "the answers", r.got.Answers, slices.DeleteFunc(want, func(v any) bool { return v == r.silent }))
		})
	}
	c.received(t, c.a)
}

func anyOf(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}

// testAskAndGo asks while a client leaves in place of an answer. Nobody waits for it.
func testAskAndGo(t *testing.T, c *cluster) {
	for _, row := range []struct {
		sender instance
		goes   string
		want   []any // what comes in place of the answer
	}{
		{c.reference, "a.p", []any{nil}}, // it could not be told otherwise
		{c.reference, "b.w", []any{nil}},
		{c.a, "a.w", nil},
		{c.a, "b.w", nil},
		{c.b, "a.p", nil},
	} {
		t.Run(row.sender.name()+" asks "+row.goes, func(t *testing.T) {
			gone := row.goes + " goes"
			c.extra(t, "none", gone)
			checkAnswers(t, row.sender, selection{Nsp: "/"}, append(anyOf(everyone), row.want...), "ask and go", gone)
			eventually(t, "the others to be alone", func() bool { return len(row.sender.fetch(t, selection{Nsp: "/"})) == len(everyone) })
			c.eval(t, nil, `c.drop(args[0])`, []string{gone})
			c.received(t, row.sender)
		})
	}
}

// testServerEvents sends events from each server to the others.
func testServerEvents(t *testing.T, c *cluster, nsp string) {
	args := [][]any{
		{"no arguments"},
		{"values", 1, -1.5, "é😀", nil, true, []any{}, map[string]any{"a": []any{map[string]any{"b": 1}}}},
		{"binary", []byte{0, 255}, map[string]any{"list": []any{[]byte{}, []byte("x")}}},
		{"long", strings.Repeat("ä", 10_000)},
	}
	want := make(map[string][]any)
	for _, from := range c.senders() {
		for _, list := range args {
			list = append([]any{from.name() + " " + nsp}, list...)
			from.serverEmit(t, nsp, "note", list...)
			if list[1] == "binary" && (from.name() == "node" || from.name() == "emitter") {
				// They know only JSON for it, as each other may tell.
				list = []any{list[0], "binary", buffer(0, 255), map[string]any{"list": []any{buffer(), buffer('x')}}}
			}
			for _, by := range c.instances() {
				if by.name() != from.name() {
					want[by.name()] = append(want[by.name()], append([]any{nsp}, list...))
				}
			}
		}
	}
	for _, by := range c.instances() {
		t.Run("to "+by.name(), func(t *testing.T) {
			var got []any
			eventually(t, "the events", func() bool {
				got = nil
				for _, note := range by.notes(t) {
					if note[0] == nsp {
						got = append(got, note)
					}
				}
				return len(got) >= len(want[by.name()])
			})
			sameSet(t, "the events", got, want[by.name()])
		})
	}
}

// buffer is what a Buffer in JavaScript becomes in JSON.
func buffer(b ...int) map[string]any {
	return map[string]any{"type": "Buffer", "data": append([]int{}, b...)}
}

// testServerAnswers asks the other servers.
func testServerAnswers(t *testing.T, c *cluster, nsp string) {
	for _, from := range c.instances() {
		t.Run("from "+from.name(), func(t *testing.T) {
			others := slices.DeleteFunc([]any{"node", "a", "b"}, func(v any) bool { return v == from.name() })
			args := []any{1, "é", nil, map[string]any{"x": []any{}}}
			var want []any
			for _, other := range others {
				want = append(want, map[string]any{"from": other, "got": args})
			}
			for event, row := range map[string]struct{ args, want []any }{
				"ask":         {args, want},
				"ask nothing": {nil, []any{nil, nil}},
				"ask some":    {[]any{"nobody"}, others},
			} {
				got, err := from.serverAsk(nsp, event, row.args...)
				if err != nil || got.Error != "" {
					t.Errorf("%s: %v, %s", event, err, got.Error)
				}
				sameSet(t, event, got.Answers, row.want)
			}
		})
	}
}

// testSilentServers asks the other servers while one of them does not answer. The function that it returns waits for the end of that,
// which takes as long as the reference server's timeout.
func testSilentServers(t *testing.T, c *cluster) (wait func(t *testing.T)) {
	t.Helper()
	type result struct {
		from, answer string
		got          replies
		err          error
	}
	results := make(chan result, 3)
	for _, row := range []struct {
		from           instance
		silent, answer string
	}{{c.reference, "a", "b"}, {c.a, "b", "node"}, {c.b, "node", "a"}} {
		go func() {
			got, err := row.from.serverAsk("/", "ask some", row.silent)
			results <- result{row.from.name(), row.answer, got, err}
		}()
	}
	return func(t *testing.T) {
		for range 3 {
			r := <-results
			t.Run("from "+r.from, func(t *testing.T) {
				if r.err != nil {
					t.Fatal(r.err)
				}
				const want = "timeout reached: only 1 responses received out of 2"
				if r.from == "node" && r.got.Error != want || !strings.Contains(r.got.Error, "1 ") {
					t.Errorf("the error is %q, want %q", r.got.Error, want)
				}
				same(t, "the answers", r.got.Answers, []any{r.answer})
			})
		}
	}
}
