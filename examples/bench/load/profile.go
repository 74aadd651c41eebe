package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNoProfile is returned when the server does not give a profile away.
var errNoProfile = errors.New("no profile")

// profile starts to profile the first instance, if profiles are asked for and it
// offers them. The function that it returns writes them to files that are named
// after the step.
func (r *rig) profile(ctx context.Context) (stop func() error, err error) {
	if r.profiles == "" || len(r.instances) == 0 || r.instances[0].pprof == "" {
		return func() error { return nil }, nil
	}
	base := "http://" + r.instances[0].pprof + "/debug/"
	for _, kind := range cumulative() {
		if err := fetch(ctx, base+"pprof/"+kind, r.profileFile(kind+".before")); err != nil {
			return nil, err
		}
	}
	if err := fetch(ctx, base+"cpu/start", os.DevNull); err != nil {
		return nil, err
	}
	return func() error {
		if err := fetch(ctx, base+"cpu/stop", r.profileFile("cpu")); err != nil {
			return err
		}
		for _, kind := range append(cumulative(), "heap", "goroutine") {
			if err := fetch(ctx, base+"pprof/"+kind, r.profileFile(kind)); err != nil {
				return err
			}
		}
		return r.summarize(ctx)
	}, nil
}

// snapshot writes what the memory of the first instance is used for, if profiles
// are asked for and it offers them.
func (r *rig) snapshot(ctx context.Context) error {
	if r.profiles == "" || r.instances[0].pprof == "" {
		return nil
	}
	for _, kind := range []string{"heap", "goroutine"} {
		if err := fetch(ctx, "http://"+r.instances[0].pprof+"/debug/pprof/"+kind, r.profileFile(kind)); err != nil {
			return err
		}
	}
	return nil
}

// cumulative are the profiles that grow from the start of the process.
func cumulative() []string { return []string{"allocs", "mutex", "block"} }

// profileFile is where a profile of the current step goes.
func (r *rig) profileFile(kind string) string {
	return filepath.Join(r.profiles, strings.ReplaceAll(r.name, "/", "-")+"."+kind+".pprof")
}

// fetch writes what a URL answers to a file.
func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s: %s", errNoProfile, url, resp.Status)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	return nil
}

// summarize writes the functions that lead each profile of the current step to a
// text file.
func (r *rig) summarize(ctx context.Context) error {
	views := [][]string{
		{r.profileFile("cpu")},
		{"-sample_index=alloc_objects", "-base=" + r.profileFile("allocs.before"), r.profileFile("allocs")},
		{"-sample_index=inuse_space", r.profileFile("heap")},
		{"-base=" + r.profileFile("mutex.before"), r.profileFile("mutex")},
		{"-base=" + r.profileFile("block.before"), r.profileFile("block")},
	}
	var summary []byte
	for _, view := range views {
		args := append([]string{"tool", "pprof", "-top", "-nodecount=30"}, view...)
		out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("summarizing a profile: %w\n%s", err, out)
		}
		summary = fmt.Appendf(summary, "== %s\n%s\n", filepath.Base(view[len(view)-1]), out)
	}
	file := strings.TrimSuffix(r.profileFile("top"), ".pprof") + ".txt"
	if err := os.WriteFile(file, summary, 0o600); err != nil {
		return fmt.Errorf("summarizing a profile: %w", err)
	}
	return nil
}
