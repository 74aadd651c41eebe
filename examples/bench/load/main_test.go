package main

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseDefaults(t *testing.T) {
	const plots = "examples/bench/plots"
	tests := []struct {
		name    string
		args    []string
		servers string
		rounds  int
		idle    int
		plots   string
	}{
		{"full", nil, "tandem,node,zishang,plain", 5, 5000, plots},
		{"short", []string{"-short"}, "tandem,node,zishang,plain", 1, 1000, ""},
		{"short with plots", []string{"-short", "-plots", "x"}, "tandem,node,zishang,plain", 1, 1000, "x"},
		{"selected", []string{"-run", "ack"}, "tandem,node,zishang,plain", 5, 5000, ""},
		{"growth", []string{"-run", "ack,growth/rooms"}, "tandem,node,zishang,plain", 5, 5000, plots},
		{"storm", []string{"-storm"}, "tandem", 5, 5000, plots},
		{"profiles", []string{"-profiles", "p"}, "tandem", 1, 5000, ""},
		{"explicit", []string{"-short", "-storm", "-n", "7", "-servers", "node"}, "node", 7, 1000, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			l := o.lab("")
			if o.servers != tt.servers || o.rounds != tt.rounds || l.sizes.idle[0] != tt.idle || o.plotsFolder("") != tt.plots {
				t.Errorf("parse(%q) = %+v with %d idle clients and plots to %q", tt.args, o, l.sizes.idle[0], o.plotsFolder(""))
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
