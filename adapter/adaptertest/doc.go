// Package adaptertest holds the suite that every implementation of
// [adapter.Adapter] must pass, and the stand-ins it is made of.
//
// [Run] tests an adapter on as many nodes as it spans:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Run(t, adaptertest.Options{
//			Nodes: 3,
//			Start: func(t *testing.T, nodes int) []adapter.Factory { ... },
//		})
//	}
//
// A [Host] stands in for a namespace of one node and a [Peer] for a socket in
// it. They serve for further tests of an adapter, too: nothing needs a server or
// a client.
package adaptertest
