// Command minimal is the smallest useful server: what a program weighs, and how
// long it takes to start, is measured with it.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

func main() {
	io := socketio.NewServer(nil)
	socketio.On(io, "hello", func(_ context.Context, s *socketio.Socket, name string) error {
		return s.Emit("hello", "Hello, "+name)
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	srv := &http.Server{Addr: "127.0.0.1:3000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := srv.ListenAndServe(); err != nil {
		slog.Error("minimal: stopped", "err", err)
		os.Exit(1)
	}
}
