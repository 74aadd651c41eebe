package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func main() {
	if os.Getenv(nodeEnv) != "" {
		serveNode()
		return
	}
	names := flag.String("scenario", "", "the scenarios to run, separated by commas; all of them if empty")
	list := flag.Bool("list", false, "list the scenarios")
	nodeOnly := flag.Bool("node-only", false, "without the mixed cluster")
	asJSON := flag.Bool("json", false, "write JSON")
	flag.Parse()
	testing.Init() // package peers asks whether tests are to be short
	chosen, err := choose(*names)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if *list {
		for i := range chosen {
			fmt.Printf("%-15s %s\n", chosen[i].name, chosen[i].what)
		}
		return
	}
	if !runAll(chosen, !*nodeOnly, *asJSON) {
		os.Exit(1)
	}
}

// choose returns the scenarios with those names.
func choose(names string) ([]scenario, error) {
	all := scenarios()
	if names == "" {
		return all, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(sc scenario) bool { return sc.name == name })
		if i < 0 {
			return nil, fmt.Errorf("trouble: there is no scenario %s; -list names them", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// A result is what -json writes of a scenario.
type result struct {
	Scenario, What, Markdown string
	Clusters                 []outcome
	Wrong                    []string
}

// runAll reports false if a scenario could not be run, or if something is wrong with what became of the messages.
func runAll(chosen []scenario, mixed, asJSON bool) bool {
	ok := true
	for i := range chosen {
		sc := &chosen[i]
		ok = hosted(func(tb testing.TB) {
			all := suffer(tb, sc, mixed)
			ok = ok && len(verdict(all)) == 0
			var text bytes.Buffer
			markdown(&text, sc, all)
			if !asJSON {
				_, _ = text.WriteTo(os.Stdout) // nobody reads it, if that fails
				return
			}
			if err := json.NewEncoder(os.Stdout).Encode(result{sc.name, sc.what, text.String(), all, verdict(all)}); err != nil { //nolint:musttag // the names are the fields'
				tb.Fatal(err)
			}
		}) && ok
	}
	return ok
}

// suffer runs a scenario with a cluster of Node.js only, and with a mixed one beside it.
func suffer(tb testing.TB, sc *scenario, mixed bool) []outcome {
	tb.Helper()
	var rigs []*rig
	if mixed {
		rigs = append(rigs, newRig(tb, sc, true))
	}
	return run(tb, sc, append(rigs, newRig(tb, sc, false)))
}
