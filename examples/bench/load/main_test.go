package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseDefaults(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		servers string
		rounds  int
		idle    int
	}{
		{"full", nil, "tandem,node,zishang", 3, 5000},
		{"short", []string{"-short"}, "tandem,node,zishang", 1, 1000},
		{"storm", []string{"-storm"}, "tandem", 3, 5000},
		{"explicit", []string{"-short", "-storm", "-n", "7", "-servers", "node", "-clients", "12"}, "node", 7, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			if o.servers != tt.servers || o.rounds != tt.rounds || o.lab("").sizes.idleClients != tt.idle {
				t.Errorf("parse(%q) = %+v with %d idle clients", tt.args, o, o.lab("").sizes.idleClients)
			}
		})
	}
}
