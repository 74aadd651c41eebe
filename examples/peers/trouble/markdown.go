package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sampleLines is how many log lines are shown in full.
const sampleLines = 8

// markdown writes what became of the messages of a scenario.
func markdown(w io.Writer, sc *scenario, all []outcome) {
	fmt.Fprintf(w, "### %s: %s\n\n", sc.name, sc.what)
	fmt.Fprintln(w, "| cluster | from → to | lost, of sent | worst pair | duplicated | reordered | told to callers | log lines | recovery |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---|---:|---:|")
	for i := range all {
		o := &all[i]
		for j := range o.Flows {
			f := &o.Flows[j]
			if f.To == ownClient && f.Lost+f.Duplicated+f.Reordered == 0 {
				continue
			}
			fmt.Fprintf(w, "| %s | %s → %s | %d of %d | %d | %d | %d | %s | %s | %s |\n", o.Cluster, f.From, f.To, f.Lost, f.Sent, f.Worst,
				f.Duplicated, f.Reordered, f.told(o), o.lines(f.From), recovery(f.Recovered))
		}
	}
	fmt.Fprintln(w)
	for i := range all {
		all[i].details(w)
	}
	for _, wrong := range verdict(all) {
		fmt.Fprintln(w, "- WRONG:", wrong)
	}
	fmt.Fprintln(w)
}

// told says what the senders' callers were told, and how many of the lost nobody was told of.
func (f *flow) told(o *outcome) string {
	if f.From == nodejs {
		sum := 0
		for _, n := range o.Errors[nodejs] {
			sum += n
		}
		return fmt.Sprintf("%d events", sum)
	}
	text := counted(o.Errors[golang])
	if f.Lost > 0 {
		text += fmt.Sprintf("; %d of the lost without an error", f.Untold)
		if f.To == golang {
			text += fmt.Sprintf(", %d of these not while the receiver was deaf", f.Silent)
		}
	}
	return text
}

func (o *outcome) lines(language string) string {
	if language == nodejs {
		return "-"
	}
	return strconv.Itoa(len(o.Lines))
}

func recovery(ms int64) string {
	if ms < 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f s", time.Duration(ms*int64(time.Millisecond)).Seconds())
}

// details writes what does not fit a table.
func (o *outcome) details(w io.Writer) {
	if text := o.losers(); text != "" {
		fmt.Fprintf(w, "- %s, lost: %s\n", o.Cluster, text)
	}
	if len(o.Errors[nodejs]) > 0 {
		fmt.Fprintf(w, "- %s, what Node.js applications were told: %s\n", o.Cluster, counted(o.Errors[nodejs]))
	}
	if len(o.Probes) > 0 {
		fmt.Fprintf(w, "- %s, Go: %s; an Emit took %d ms at most\n", o.Cluster, o.probes(), o.Slowest)
	}
	for i := range o.Outages {
		out := &o.Outages[i]
		fmt.Fprintf(w, "  - %s: %+d ms, outage of %d ms, deaf %d ms, lost %+v, %s\n",
			out.Node, out.Began-o.Trouble[0], out.Lasted, out.Deaf, out.Losses, out.Err)
	}
	shown := make(map[string]bool)
	for _, line := range o.Lines {
		key := digits.ReplaceAllString(line, "0")
		important := strings.Contains(line, "outage") || strings.Contains(line, "is back")
		if important || !shown[key] && len(shown) < sampleLines {
			fmt.Fprintf(w, "  - `%s`\n", strings.ReplaceAll(line, "`", "'"))
		}
		shown[key] = true
	}
}

// losers lists the pairs that have lost messages.
func (o *outcome) losers() string {
	var parts []string
	for _, pair := range slices.Sorted(maps.Keys(o.Pairs)) {
		if n := len(o.Pairs[pair].Lost); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", pair, n))
		}
	}
	return strings.Join(parts, ", ")
}

var digits = regexp.MustCompile(`\d+`)

// probes tells the answers to the questions that were asked while the trouble lasted and afterwards, in runs of equal ones.
func (o *outcome) probes() string {
	parts := make([]string, 0, 2)
	for _, op := range []string{"ServerCount", "FetchSockets"} {
		var all []probe
		for _, p := range o.Probes {
			if p.Op == op {
				all = append(all, p)
			}
		}
		slices.SortFunc(all, func(a, b probe) int { return int(a.At - b.At) })
		parts = append(parts, op+" "+runs(all))
	}
	return strings.Join(parts, "; ")
}

func runs(all []probe) string {
	var parts []string
	for i := 0; i < len(all); {
		j, slowest := i, int64(0)
		for ; j < len(all) && all[j].N == all[i].N && all[j].Err == all[i].Err; j++ {
			slowest = max(slowest, all[j].Took)
		}
		text := strconv.Itoa(all[i].N)
		if all[i].Err != "" {
			text += " " + all[i].Err
		}
		parts = append(parts, fmt.Sprintf("%s ×%d (%d ms)", text, j-i, slowest))
		i = j
	}
	return strings.Join(parts, ", ")
}

// counted lists texts with how often each has come.
func counted(texts map[string]int) string {
	if len(texts) == 0 {
		return "none"
	}
	var parts []string
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		parts = append(parts, fmt.Sprintf("%s ×%d", text, texts[text]))
	}
	return strings.Join(parts, ", ")
}
