package socketio_test

import (
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// healthy is an adapter that says how it is doing.
type healthy struct{ *adapter.Memory }

func (healthy) Health() adapter.Health { return adapter.Health{Reached: true, Nodes: 3} }

func TestAdapterHealthIsThatOfTheAdapter(t *testing.T) {
	_, alone := siotest.New(t, nil).AdapterHealth()
	if alone {
		t.Error("the adapter of a single server has something to say")
	}
	io := siotest.New(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter { return healthy{adapter.NewMemory(h)} }})
	for _, n := range []*socketio.Namespace{io.Of("/"), io.Of("/other")} {
		if h, ok := n.AdapterHealth(); !ok || h.Nodes != 3 || !h.Reached {
			t.Errorf("%+v, %t", h, ok)
		}
	}
}
