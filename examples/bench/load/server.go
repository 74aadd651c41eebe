package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var (
	errUnknownServer = errors.New("unknown server")
	errNotInstalled  = errors.New("not installed")
)

// server is a program to measure.
type server struct {
	name      string // as in the -servers flag
	title     string // as in the table
	clustered bool   // whether it can share rooms through Redis
	flaws     *flaws // counts what is tolerated, if anything is
	argv      []string
	// prepare builds or finds the program in the module at root and returns its
	// command line. It may put files in dir.
	prepare func(ctx context.Context, root, dir string) (argv []string, err error)
}

// servers lists the programs in the order of the table's columns.
func servers() []*server {
	return []*server{
		{name: "tandem", title: "Tandem", clustered: true, prepare: prepareTandem},
		{name: "node", title: "Node socket.io", clustered: true, prepare: prepareNode},
		{name: "zishang", title: "Go peer (zishang520 v2)", flaws: &flaws{}, prepare: prepareZishang},
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
			argv, err := s.prepare(ctx, root, dir)
			if err != nil {
				return nil, fmt.Errorf("preparing %s: %w", name, err)
			}
			s.argv, found = argv, true
			selected = append(selected, s)
		}
		if !found {
			return nil, fmt.Errorf("%w: %q", errUnknownServer, name)
		}
	}
	return selected, nil
}

// start starts one instance of the server.
func (s *server) start(ctx context.Context, env ...string) (*instance, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	return startInstance(ctx, addr, s.argv, append(env, "PORT="+strconv.Itoa(int(addr.Port())))...)
}

// startRedis starts a redis-server that keeps nothing on disk and returns it with
// its URL.
func startRedis(ctx context.Context, dir string) (*instance, string, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", fmt.Errorf("redis-server: %w; run `make deps`", errNotInstalled)
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	in, err := startInstance(ctx, addr, []string{
		program, "--bind", "127.0.0.1", "--port", strconv.Itoa(int(addr.Port())),
		"--save", "", "--appendonly", "no", "--dir", dir,
	})
	return in, "redis://" + addr.String() + "/0", err
}

func prepareTandem(ctx context.Context, root, dir string) ([]string, error) {
	return build(ctx, root, "./examples/bench", filepath.Join(dir, "tandem"))
}

func prepareZishang(ctx context.Context, root, dir string) ([]string, error) {
	return build(ctx, filepath.Join(root, "examples", "peers", "zishang"), ".", filepath.Join(dir, "zishang"))
}

func prepareNode(_ context.Context, root, _ string) ([]string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("node: %w", errNotInstalled)
	}
	folder := filepath.Join(root, "examples", "peers", "node")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "socket.io")); err != nil {
		return nil, fmt.Errorf("socket.io in %s: %w; run `make deps`", folder, errNotInstalled)
	}
	return []string{node, filepath.Join(folder, "bench.mjs")}, nil
}

// build builds the main package in the module folder and returns the command
// line that runs it.
func build(ctx context.Context, folder, pkg, binary string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, pkg)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return []string{binary}, nil
}

// moduleRoot returns the folder of the module that the command is run in.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tandem-go/tandem").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module (run the command inside its folder): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
