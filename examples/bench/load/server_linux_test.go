package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Every server that is measured keeps to the measuring contract.
func TestServersKeepTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts all servers")
	}
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			if err := s.prepare(t.Context(), s, root, t.TempDir()); err != nil {
				t.Fatal(err)
			}
			z := sizes{span: 10 * time.Millisecond, waiting: 20, wait: 10 * time.Millisecond, ackClients: 10, spins: 1000, spin: 10 * time.Microsecond, burst: 500}
			l := &lab{sizes: z, patience: 10 * time.Second, dir: t.TempDir()}
			audience := scenario{
				setup: func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, 5) },
				steps: []step{{measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, 4) }}},
			}
			for _, sc := range []scenario{audience, waitScenario(z), spinScenario(z), burstScenario(z)} {
				r, err := setUp(t.Context(), l, sc, s)
				if err != nil {
					t.Fatal(err)
				}
				figures, err := sc.steps[0].measure(t.Context(), r)
				if err := errors.Join(r.explain(err), r.close()); err != nil || len(figures) == 0 {
					t.Errorf("%s: %v, %v", sc.name, figures, err)
				}
			}
		})
	}
}
