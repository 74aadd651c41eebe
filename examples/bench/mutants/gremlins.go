package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"
	// A try may take so many times as long as the tests without a fault, and so long to build them.
	patience  = 3
	buildTime = 20 * time.Second // of a busy machine: one that is cut off would pass for one that hangs
	// enough is the share of the faults within reach of a package's tests that they must notice.
	enough = 0.85
)

// target is a package whose tests are quick.
type target struct {
	dir     string // below the module's root, with slashes
	flags   string // of go test
	exclude string // matches the files that are left alone
}

// targets are the packages that gremlins are put into.
var targets = []target{
	{dir: "socketio/internal/wheel"},
	{dir: "socketio/internal/flush"},
	{dir: "socketio/internal/packet"},
	{dir: "socketio/internal/wsframe"},
	{dir: "socketio/internal/idtable"},
	{dir: "socketio/internal/scalar"},
	{dir: "socketio/internal/exec"},
	{dir: "socketio/internal/budget"},
	{dir: "socketio/parser"},
	{dir: "socketio/siotest"},
	{dir: "adapter"},
	{dir: "adapter/wire"},
	// What needs no Redis. Its tests, with a client of Redis and a server, take far longer to build than to run: a third less like this.
	{dir: "redisadapter", flags: "-short -gcflags=-l -ldflags=-w", exclude: "^(classic|counter|delivery|factory|health|keeper|place|publisher|ready|subscriber)\\.go$"},
}

// tally is what has become of the faults in a package.
type tally struct {
	noticed, lived, hung, beyond int
	survivors                    []place
}

// share is the part of the faults that was noticed of those about which it is known.
func (t tally) share() float64 {
	if t.noticed+t.lived == 0 {
		return 1
	}
	return float64(t.noticed) / float64(t.noticed+t.lived)
}

// report is what gremlins writes.
type report struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
			Line   int    `json:"line"`
			Column int    `json:"column"`
		} `json:"mutations"`
	} `json:"files"`
}

var errGremlins = errors.New("running gremlins")

// unleash puts gremlins into a package. What they print goes to out.
func unleash(ctx context.Context, root string, t target, out io.Writer) (tally, error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return tally{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// A result from the cache would be there in no time, and time is what gremlins measures.
	// What only vet notices is not noticed.
	flags := strings.Join([]string{os.Getenv("GOFLAGS"), "-count=1", "-vet=off", t.flags}, " ")
	env := append(os.Environ(), "GOFLAGS="+strings.TrimSpace(flags), "TMPDIR="+dir)
	took, err := measure(ctx, root, t.dir, env)
	if err != nil {
		return tally{}, err
	}
	result := filepath.Join(dir, "result.json")
	args := []string{
		"run", gremlins, "unleash", "--workers", "1", "--timeout-coefficient", strconv.Itoa(coefficient(took)),
		"--exclude-files", "/", "--output", result, // packages below this one are not looked at
	}
	if t.exclude != "" {
		args = append(args, "--exclude-files", t.exclude)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+t.dir)...)
	cmd.Dir = root
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = env
	if err := cmd.Run(); err != nil {
		return tally{}, fmt.Errorf("%w in %s: %w", errGremlins, t.dir, err)
	}
	b, err := os.ReadFile(result)
	if err != nil {
		return tally{}, fmt.Errorf("%w in %s: %w", errGremlins, t.dir, err)
	}
	return count(root, t.dir, b)
}

// measure returns how long the tests take that gremlins run to see what is within reach: those of the
// packages below, too. It has them built before, which takes longer the first time.
func measure(ctx context.Context, root, dir string, env []string) (took time.Duration, err error) {
	for _, pattern := range []string{"^$", "."} {
		start := time.Now()
		cmd := exec.CommandContext(ctx, "go", "test", "-cover", "-run", pattern, "./"+dir+"/...")
		cmd.Dir, cmd.Env = root, env
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%w: %s: %w\n%s", errFailing, dir, err, out)
		}
		took = time.Since(start)
	}
	return took, nil
}

// coefficient is what gremlins multiply the time of the tests by, to give up on a try.
func coefficient(took time.Duration) int {
	return patience + int(buildTime/max(took, time.Millisecond))
}

// count reads the report about a package.
func count(root, dir string, result []byte) (t tally, err error) {
	var r report
	if err := json.Unmarshal(result, &r); err != nil {
		return t, fmt.Errorf("%w in %s: %w", errGremlins, dir, err)
	}
	for _, f := range r.Files {
		file := path.Join(dir, filepath.ToSlash(f.Name))
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return t, err
		}
		for _, m := range f.Mutations {
			switch m.Status {
			case "KILLED":
				t.noticed++
			case "TIMED OUT":
				t.hung++
			case "NOT COVERED":
				t.beyond++
			case "LIVED":
				t.lived++
				p, err := find(file, m.Type, source, m.Line, m.Column)
				if err != nil {
					return t, err
				}
				t.survivors = append(t.survivors, p)
			}
		}
	}
	slices.SortFunc(t.survivors, func(a, b place) int { return strings.Compare(a.String(), b.String()) })
	return t, nil
}
