// Package adapter is the contract between a namespace and whatever carries its
// rooms, broadcasts and cluster-wide operations.
//
// A namespace owns exactly one [Adapter]. It tells the adapter which rooms its
// sockets are in ([Adapter.Join], [Adapter.Leave]) and asks it to reach them:
// [Adapter.Broadcast], [Adapter.Collect] for broadcasts that want answers,
// [Adapter.Fetch] and the other operations on many sockets at once. The
// adapter, in turn, reaches back through the [Host] it was made with: it never
// sees a connection, only [Peer] values and encoded [Packet] values.
//
// [Memory] is the adapter of a single node. An adapter that spans several
// nodes embeds a Memory as its index of the local sockets and adds the
// transport between the nodes; package redisadapter is one. Package
// adaptertest holds the suite that every adapter must pass.
//
// The interfaces here are meant to be implemented by third parties. They are
// stable: a capability that only some adapters have is a further, optional
// interface and not a new method on [Adapter].
package adapter
