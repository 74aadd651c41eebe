// Command plain is what a Go program without a Socket.IO library would do: it
// hijacks WebSocket connections, reads each with a goroutine, and makes one write
// call for each message to each member of a room; a poll is a handler that waits.
// examples/bench/load measures how far the library is from that.
//
// It speaks just enough of the protocol for the events of the measuring contract
// with text payloads, to clients that are known to send whole frames without
// escapes in the names of rooms: it has no heartbeats, no limits and no protection
// from slow clients.
package main

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", newHub())
	srv := &http.Server{
		Addr:              net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "3000")),
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
	}
	if err := srv.ListenAndServe(); err != nil {
		slog.Error("plain: stopped", "err", err)
		os.Exit(1)
	}
}
