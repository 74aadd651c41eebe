package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	served, err := runAsServer()
	if !served {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, os.Args[1:], os.Stdout)
		stop()
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1)
	}
}

// errRisen says that something costs more than recorded.
var errRisen = errors.New("something costs more than recorded; if it has to, run this with -update")

// run compares, or records, what the arguments ask for.
func run(ctx context.Context, args []string, out io.Writer) error {
	fl := flag.NewFlagSet("guard", flag.ContinueOnError)
	root := fl.String("root", ".", "`folder` of the module")
	file := fl.String("record", "examples/bench/guard/testdata/costs.txt", "`file` of the recorded costs")
	update := fl.Bool("update", false, "record what is measured instead of comparing it")
	verbose := fl.Bool("v", false, "print everything that is measured")
	pattern := fl.String("run", "", "only the operations and benchmarks that match the `pattern`")
	if err := fl.Parse(args); err != nil {
		return err
	}
	only, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	r, err := readRecord(*file)
	if err != nil {
		return err
	}
	g := &guard{root: *root, record: r, out: out, verbose: *verbose, only: only, update: *update, traced: canTrace()}
	if !g.traced {
		fmt.Fprintln(out, "guard: system calls are not counted, since strace is not there or may not trace")
	}
	if err := g.operations(ctx); err != nil {
		return err
	}
	if err := g.benchmarks(ctx); err != nil {
		g.print()
		return err
	}
	if !g.update {
		return g.report()
	}
	r.keep(func(name string) bool { return !only.MatchString(name) || g.measured[name] })
	r.stamp()
	return os.WriteFile(*file, []byte(r.String()), 0o644)
}
