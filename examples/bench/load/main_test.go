package main

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseDefaults(t *testing.T) {
	const plots, figures = "examples/bench/plots", "examples/bench/FIGURES.md"
	tests := []struct {
		name    string
		args    []string
		servers string
		rounds  int
		idle    int
		plots   string
		figures string
	}{
		{"full", nil, everybody, 5, 5000, plots, figures},
		{"short", []string{"-short"}, everybody, 1, 1000, "", ""},
		{"short with plots", []string{"-short", "-plots", "x"}, everybody, 1, 1000, "x", ""},
		{"selected", []string{"-run", "ack"}, everybody, 5, 5000, "", ""},
		{"one server", []string{"-servers", "tandem"}, "tandem", 5, 5000, plots, ""},
		{"figures", []string{"-short", "-figures", "x"}, everybody, 1, 1000, "", "x"},
		{"growth", []string{"-run", "ack,growth/rooms"}, everybody, 5, 5000, plots, ""},
		{"storm", []string{"-storm"}, "tandem", 5, 5000, plots, ""},
		{"profiles", []string{"-profiles", "p"}, "tandem", 1, 5000, "", ""},
		{"explicit", []string{"-short", "-storm", "-n", "7", "-servers", "node"}, "node", 7, 1000, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			l := o.lab("")
			if o.servers != tt.servers || o.rounds != tt.rounds || l.sizes.idle[0] != tt.idle || o.plotsFolder("") != tt.plots || o.figuresFile("") != tt.figures {
				t.Errorf("parse(%q) = %+v with %d idle clients, plots to %q, figures to %q", tt.args, o, l.sizes.idle[0], o.plotsFolder(""), o.figuresFile(""))
			}
		})
	}
}

func TestSettleOverrides(t *testing.T) {
	o, err := parse([]string{"-short", "-settle", "20s"})
	if err != nil || o.lab("").sizes.settle != 20*time.Second {
		t.Errorf("settling for %v, %v", o.lab("").sizes.settle, err)
	}
}
