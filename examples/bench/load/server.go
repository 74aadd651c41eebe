package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

var (
	errUnknownServer = errors.New("unknown server")
	errNotInstalled  = errors.New("not installed")
)

// server is a program to measure.
type server struct {
	name     string // as in the -servers flag
	title    string // as in the table
	features feature
	profiles bool // whether it can be profiled
	// yardstick tells that it is a figure to compare with, but no Socket.IO server:
	// it is in the table and not in the plots.
	yardstick bool
	argv      []string
	minimal   string // the binary of a minimal server, if there is such a thing
	// prepare builds or finds the program in the module at root. It may put files
	// in dir.
	prepare func(ctx context.Context, s *server, root, dir string) error
}

// servers lists the programs in the order of the table's columns.
func servers() []*server {
	return []*server{
		{
			name: "tandem", title: "Tandem", prepare: prepareTandem, profiles: true,
			features: clusters | polls | attaches | goroutines | heartbeats | isolates,
		},
		{name: "node", title: "Node.js", prepare: prepareNode, features: clusters | polls | attaches | heartbeats | isolates},
		{name: "bun", title: "Bun", prepare: prepareBun, features: clusters | polls | attaches | heartbeats | isolates},
		{name: "zishang", title: "Go peer", prepare: prepareZishang, features: polls | attaches | heartbeats | isolates},
		{name: "plain", title: "plain Go", prepare: preparePlain, features: polls, yardstick: true},
	}
}

// selectServers returns the servers with the given names, prepared.
func selectServers(ctx context.Context, names, root, dir string) ([]*server, error) {
	var selected []*server
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, s := range servers() {
			if s.name != name {
				continue
			}
			if err := s.prepare(ctx, s, root, dir); err != nil {
				return nil, fmt.Errorf("preparing %s: %w", name, err)
			}
			found = true
			selected = append(selected, s)
		}
		if !found {
			return nil, fmt.Errorf("%w: %q", errUnknownServer, name)
		}
	}
	return selected, nil
}

// start starts one instance of the server.
func (s *server) start(ctx context.Context, profiled bool, env ...string) (*instance, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	env = append(env, "PORT="+strconv.Itoa(int(addr.Port())))
	pprof := ""
	if profiled && s.profiles {
		// The next port that is free then.
		free, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		pprof = free.String()
		env = append(env, "BENCH_PPROF="+pprof)
	}
	in, err := startInstance(ctx, addr, s.argv, env...)
	if err != nil {
		return nil, err
	}
	in.pprof = pprof
	return in, nil
}

func prepareTandem(ctx context.Context, s *server, root, dir string) error {
	s.argv, s.minimal = []string{filepath.Join(dir, "tandem")}, filepath.Join(dir, "minimal")
	if err := build(ctx, root, "./examples/bench/minimal", s.minimal); err != nil {
		return err
	}
	return build(ctx, root, "./examples/bench", s.argv[0])
}

func prepareZishang(ctx context.Context, s *server, root, dir string) error {
	s.argv, s.minimal = []string{filepath.Join(dir, "zishang")}, filepath.Join(dir, "zishang")
	return build(ctx, filepath.Join(root, "examples", "peers", "zishang3"), ".", s.argv[0])
}

func preparePlain(ctx context.Context, s *server, root, dir string) error {
	s.argv = []string{filepath.Join(dir, "plain")}
	return build(ctx, root, "./examples/bench/plain", s.argv[0])
}

func prepareNode(_ context.Context, s *server, root, _ string) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("node: %w", errNotInstalled)
	}
	folder := nodeFolder(root)
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "socket.io")); err != nil {
		return fmt.Errorf("socket.io in %s: %w; run `make deps`", folder, errNotInstalled)
	}
	s.argv = []string{node, filepath.Join(folder, "bench.mjs")}
	return nil
}

// prepareBun finds the program where npm has unpacked it or, if the package's script
// has been run, where that has moved it. A script that was skipped leaves a
// placeholder there.
func prepareBun(_ context.Context, s *server, root, _ string) error {
	folder := nodeFolder(root)
	arch := map[string]string{"amd64": "x64", "arm64": "aarch64"}[runtime.GOARCH]
	for _, pattern := range []string{
		filepath.Join(folder, "node_modules", "@oven", "bun-"+runtime.GOOS+"-"+arch+"*", "bin", "bun"),
		filepath.Join(folder, "node_modules", "bun", "bin", "bun.exe"),
	} {
		programs, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("looking for bun: %w", err)
		}
		if len(programs) > 0 {
			s.argv = []string{programs[0], filepath.Join(folder, "bench-bun.mjs")}
			return nil
		}
	}
	return fmt.Errorf("bun in %s: %w; run `make deps`", folder, errNotInstalled)
}

// nodeFolder is where the programs for Node.js and Bun are.
func nodeFolder(root string) string { return filepath.Join(root, "examples", "peers", "node") }

// build builds the main package in the module folder, as `go build` does by
// default.
func build(ctx context.Context, folder, pkg, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, pkg)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// moduleRoot returns the folder of the module that the command is run in.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tandem-go/tandem").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module (run the command inside its folder): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
