package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

var (
	errSurvived = errors.New("faults have not been noticed")
	errNothing  = errors.New("no file and no package matches")
)

// command is what the arguments ask for.
type command struct {
	root    string
	verbose bool
	only    *regexp.Regexp
	out     io.Writer

	faults    []*fault
	survivors []survivor
	failed    int // how much has survived that must not
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fl := flag.NewFlagSet("mutants", flag.ContinueOnError)
	fl.SetOutput(out)
	root := fl.String("root", ".", "`folder` of the module")
	pattern := fl.String("run", "", "only the files and packages that match the `pattern`")
	check := fl.Bool("check", false, "only check that the lists fit the code")
	own := fl.Bool("own", true, "try the faults of our own")
	rule := fl.Bool("gremlins", true, "try those of gremlins")
	verbose := fl.Bool("v", false, "print what gremlins print")
	if err := fl.Parse(args); err != nil {
		return err
	}
	only, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	c := &command{root: *root, verbose: *verbose, only: only, out: out}
	if err := c.read(); err != nil || *check {
		return err
	}
	tried := 0
	if *own {
		n, err := c.tryFaults(ctx)
		if err != nil {
			return err
		}
		tried += n
	}
	if *rule {
		n, err := c.tryGremlins(ctx)
		if err != nil {
			return err
		}
		tried += n
	}
	switch {
	case tried == 0:
		return errNothing
	case c.failed > 0:
		return fmt.Errorf("%w: %d", errSurvived, c.failed)
	}
	return nil
}

// read reads the lists and checks that all of their lines are in the code.
func (c *command) read() (err error) {
	lists := filepath.Join(c.root, "examples", "bench", "mutants")
	if c.faults, err = readFaults(filepath.Join(lists, "faults")); err != nil {
		return err
	}
	if c.survivors, err = readSurvivors(filepath.Join(lists, "survivors.txt")); err != nil {
		return err
	}
	var problems []error
	for _, f := range c.faults {
		source, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(f.file)))
		if err == nil {
			_, err = f.apply(string(source))
		}
		problems = append(problems, err)
	}
	for _, s := range c.survivors {
		problems = append(problems, s.check(c.root))
	}
	return errors.Join(problems...)
}

// tryFaults tries those of our own, and returns how many there were.
func (c *command) tryFaults(ctx context.Context) (tried int, err error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t := &trier{root: c.root, dir: dir, base: make(map[string]time.Duration)}
	for _, f := range c.faults {
		if !c.only.MatchString(f.file) {
			continue
		}
		tried++
		result, err := t.try(ctx, f)
		switch {
		case ctx.Err() != nil:
			return tried, ctx.Err()
		case err != nil:
			c.failed++
			fmt.Fprintln(c.out, err)
			continue
		case result == unnoticed:
			c.failed++
		}
		fmt.Fprintf(c.out, "%s: %s (%s, %s)\n", result, f.what, f.file, f.at)
	}
	return tried, nil
}

// tryGremlins tries those that are made by a rule, and returns in how many packages.
func (c *command) tryGremlins(ctx context.Context) (tried int, err error) {
	for _, t := range targets {
		if !c.only.MatchString(t.dir) {
			continue
		}
		tried++
		out := io.Discard
		if c.verbose {
			out = c.out
		}
		result, err := unleash(ctx, c.root, t, out)
		if err != nil {
			return tried, err
		}
		c.judge(t, result)
	}
	return tried, nil
}

// judge prints what has become of the faults in a package, and counts what must not have survived.
func (c *command) judge(t target, result tally) {
	fmt.Fprintf(c.out, "%s: %d within reach, %d noticed, %d survived, %d hung; %d beyond reach: %.1f %%\n",
		t.dir, result.noticed+result.lived+result.hung, result.noticed, result.lived, result.hung, result.beyond, 100*result.share())
	if result.share() < enough {
		c.failed++
		fmt.Fprintf(c.out, "%s: fewer than %.0f %% are noticed\n", t.dir, 100*enough)
	}
	known := make(map[place]bool)
	for _, s := range c.survivors {
		known[s.place] = true
	}
	for _, p := range result.survivors {
		if !known[p] {
			c.failed++
			fmt.Fprintf(c.out, "survived without a reason in survivors.txt:\n%s\n", p)
		}
	}
}
