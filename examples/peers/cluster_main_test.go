package peers_test

import "testing"

// TestCluster does everything that the adapter's protocol can do in a cluster of the reference server and two of ours, from each of
// them, for clients of all of them.
func TestCluster(t *testing.T) {
	c := startCluster(t, startBase(t), "socket.io", clusterOptions{})
	silent := testSilentServers(t, c)
	for _, nsp := range []string{"/", "/custom"} {
		t.Run("broadcasts in "+nsp, func(t *testing.T) { testBroadcasts(t, c, nsp, selections()) })
		t.Run("server events in "+nsp, func(t *testing.T) { testServerEvents(t, c, nsp) })
		t.Run("server answers in "+nsp, func(t *testing.T) { testServerAnswers(t, c, nsp) })
		t.Run("acknowledgements in "+nsp, func(t *testing.T) { testAcks(t, c, nsp) })
		t.Run("fetching in "+nsp, func(t *testing.T) { testFetch(t, c, nsp) })
		t.Run("remote sockets in "+nsp, func(t *testing.T) { testRemoteSockets(t, c, nsp) })
		t.Run("membership in "+nsp, func(t *testing.T) { testMembership(t, c, nsp) })
	}
	t.Run("values", func(t *testing.T) { testBroadcasts(t, c, "/", values()) })
	t.Run("own types", func(t *testing.T) { testOwnTypes(t, c) })
	t.Run("volatile", func(t *testing.T) { testVolatile(t, c) })
	t.Run("partial answers", func(t *testing.T) { testPartialAnswers(t, c) })
	t.Run("leaving without an answer", func(t *testing.T) { testAskAndGo(t, c) })
	t.Run("disconnecting", func(t *testing.T) { testDisconnect(t, c) })
	t.Run("silent servers", silent)
}
