package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	runtimepprof "runtime/pprof"
	"time"
)

// While profiles are served, one of so many contentions of mutexes is sampled, and
// one blocking for each so many nanoseconds spent in it.
const (
	mutexFraction    = 10
	blockNanoseconds = 10_000
)

// serveProfiles serves the profiles of the process on listener until ctx ends. Besides those
// of net/http/pprof, /debug/cpu/start begins a CPU profile and /debug/cpu/stop
// answers with it.
func serveProfiles(ctx context.Context, listener net.Listener) {
	runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(blockNanoseconds)
	var cpu bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/cpu/start", func(w http.ResponseWriter, _ *http.Request) {
		cpu.Reset()
		if err := runtimepprof.StartCPUProfile(&cpu); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("/debug/cpu/stop", func(w http.ResponseWriter, _ *http.Request) {
		runtimepprof.StopCPUProfile()
		_, _ = w.Write(cpu.Bytes())
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		slog.Warn("bench: no profiles", "err", err)
	}
}
