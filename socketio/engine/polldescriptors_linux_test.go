package engine_test

import (
	"os"
	"syscall"
	"testing"
)

// A poll takes no descriptor: when there are none left, clients that are connected go
// on polling. The test must not be parallel.
func TestPollingWithoutFreeDescriptors(t *testing.T) {
	s := start(t, nil)
	clients, conns := make([]*pollingClient, 10), make([]*rawConn, 10)
	for i := range clients {
		clients[i], conns[i] = s.openPolling(t), s.open(t)
		clients[i].rounds(t, conns[i])
	}
	exhaustDescriptors(t)
	for i, c := range clients {
		c.rounds(t, conns[i])
	}
	for _, c := range clients {
		c.peer.expectOpen(t)
	}
}

// exhaustDescriptors lets the process open no more files until the test ends.
func exhaustDescriptors(t *testing.T) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 1
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Errorf("the limit of descriptors stays low: %v", err)
		}
	})
	if f, err := os.Open(os.DevNull); err == nil {
		f.Close()
		t.Fatal("files can still be opened")
	}
}
