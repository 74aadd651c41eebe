package adapter_test

import (
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
)

// TestMemory runs the suite that all adapters have to pass.
func TestMemory(t *testing.T) {
	adaptertest.Run(t, adaptertest.Options{
		Start: func(_ *testing.T, nodes int) []adapter.Factory {
			factories := make([]adapter.Factory, nodes)
			for i := range factories {
				factories[i] = adapter.InMemory
			}
			return factories
		},
	})
}
