package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// iterations is how often each benchmark does what it does. What is allocated once only
	// is lost in the division.
	iterations = "200x"
	// notGuarded matches the benchmarks that need other processes, or whose own
	// work is not the same each time.
	notGuarded = "^BenchmarkPublish$"
)

var errBenchmarks = errors.New("running the benchmarks")

// benchmark is a benchmark's result.
type benchmark struct {
	pkg  string // import path
	name string // without the word Benchmark
	f    figures
}

// label is the name of the benchmark in the record.
func (b benchmark) label() string { return path.Base(b.pkg) + "." + b.name }

// packagesWithBenchmarks returns the folders below root, as go test wants them, whose tests have
// benchmarks. Nested modules and examples are left out.
func packagesWithBenchmarks(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "examples") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte("\nfunc Benchmark")) {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if dir := "./" + filepath.ToSlash(rel); err == nil && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
		return err
	})
	return found, err
}

// runBenchmarks runs the benchmarks that match pattern in packages of the module in root.
func runBenchmarks(ctx context.Context, root, pattern string, packages ...string) ([]benchmark, error) {
	argv := append([]string{
		"test", "-run", "^$", "-bench", pattern, "-skip", notGuarded,
		"-benchmem", "-benchtime", iterations, "-cpu", "2", "-timeout", "2m", "-exec", "env GOGC=off",
	}, packages...)
	cmd := exec.CommandContext(ctx, "go", argv...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %w\n%s", errBenchmarks, err, complaints(out))
	}
	return parseBenchmarks(out)
}

// complaints returns what go test has printed besides results.
func complaints(out []byte) string {
	var b strings.Builder
	for text := range strings.Lines(string(out)) {
		if !result.MatchString(text) {
			b.WriteString(text)
		}
	}
	return b.String()
}

var result = regexp.MustCompile(`^(Benchmark\S+\s+\d+\s|goos: |goarch: |pkg: |cpu: |PASS|ok )`)

// benchmarkLine is what go test prints for a benchmark. The number behind the name is that
// of the processors.
var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s.*\s(\d+) allocs/op`)

// parseBenchmarks parses the output of go test.
func parseBenchmarks(out []byte) ([]benchmark, error) {
	var found []benchmark
	pkg := ""
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		if p, ok := strings.CutPrefix(sc.Text(), "pkg: "); ok {
			pkg = p
			continue
		}
		match := benchmarkLine.FindStringSubmatch(sc.Text())
		if match == nil {
			continue
		}
		allocs, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", errBenchmarks, sc.Text(), err)
		}
		found = append(found, benchmark{pkg: pkg, name: match[1], f: figures{"allocs": allocs}})
	}
	return found, nil
}
