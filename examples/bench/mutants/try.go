package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// outcome is what has become of a fault.
type outcome string

const (
	noticed   outcome = "noticed"
	unnoticed outcome = "NOT NOTICED"
	hung      outcome = "noticed by a test that hung"
)

var (
	errBroken  = errors.New("the code does not compile with the fault")
	errFailing = errors.New("the tests fail without the fault")
)

// trier runs tests with faults in the code.
type trier struct {
	root string
	dir  string // for temporary files
	base map[string]time.Duration
}

// try runs the tests of a fault.
func (t *trier) try(ctx context.Context, f *fault) (outcome, error) {
	path := filepath.Join(t.root, filepath.FromSlash(f.file))
	source, err := os.ReadFile(path)
	if err != nil {
		return "", f.errorf("%w", err)
	}
	changed, err := f.apply(string(source))
	if err != nil {
		return "", err
	}
	limit, err := t.limit(ctx, f.test)
	if err != nil {
		return "", f.errorf("%w", err)
	}
	overlay, err := t.overlay(path, changed)
	if err != nil {
		return "", f.errorf("%w", err)
	}
	out, err := t.run(ctx, limit, append([]string{"-overlay", overlay}, f.test...))
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return unnoticed, nil
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return "", f.errorf("%w:\n%s", errBroken, out)
	case bytes.Contains(out, []byte("panic: test timed out")):
		return hung, nil
	default:
		return noticed, nil
	}
}

// limit runs the tests without a fault, once, and returns how long they may take with one.
func (t *trier) limit(ctx context.Context, test []string) (time.Duration, error) {
	key := strings.Join(test, " ")
	took, known := t.base[key]
	if !known {
		start := time.Now()
		if out, err := t.run(ctx, 10*time.Minute, slices.Clone(test)); err != nil {
			return 0, fmt.Errorf("%w: go test %s: %w\n%s", errFailing, key, err, out)
		}
		took = time.Since(start)
		t.base[key] = took
	}
	return 20*time.Second + 3*took, nil
}

func (t *trier) run(ctx context.Context, limit time.Duration, args []string) ([]byte, error) {
	args = append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", limit.String()}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.root
	return cmd.CombinedOutput()
}

// overlay writes what go test wants to know to take a text in place of a file.
func (t *trier) overlay(path, text string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	instead := filepath.Join(t.dir, "fault.go")
	if err := os.WriteFile(instead, []byte(text), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{path: instead}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(t.dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}
