package main

import (
	"errors"
	"testing"
	"time"
)

func TestBurst(t *testing.T) {
	tests := []struct {
		name   string
		server *contract
		want   error
	}{
		{"in order", &contract{}, nil},
		{"in fragments", &contract{fragmented: true}, nil},
		{"cut off", &contract{brief: true}, errStalled},
		{"out of order", &contract{shuffled: true}, errWrongEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, addr := swarmOn(t, tt.server)
			if err := s.connect(t.Context(), addr, 1); err != nil {
				t.Fatal(err)
			}
			if tt.want != nil {
				s.patience = 200 * time.Millisecond
			}
			for range 2 {
				took, err := s.burst(t.Context(), 1000)
				if !errors.Is(err, tt.want) || err == nil && took <= 0 {
					t.Fatalf("burst = %v, %v; want %v", took, err, tt.want)
				}
			}
		})
	}
}
