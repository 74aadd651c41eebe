package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// errFailed is the outcome of a run in which the first server has failed.
var errFailed = errors.New("at least one measurement has failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// options are the flags of the command.
type options struct {
	run     string
	servers string
	rounds  int
	short   bool
	storm   bool
	clients int
	settle  time.Duration
	timeout time.Duration
}

// parse reads the command line.
func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", "idle,connect,ack,room,redis,stuck", "the scenarios to run: idle, connect, ack, ack16, room, redis, stuck")
	flags.StringVar(&o.servers, "servers", "", "the servers to measure (default tandem,node,zishang; with -storm, tandem)")
	flags.IntVar(&o.rounds, "n", 0, "rounds, of which the medians are printed (default 3; with -short, 1)")
	flags.BoolVar(&o.short, "short", false, "do less work, for a quick look")
	flags.BoolVar(&o.storm, "storm", false, "only connect clients in storms, and fail unless all of them get in")
	flags.IntVar(&o.clients, "clients", 0, "idle clients (default 5000; with -short, 1000)")
	flags.DurationVar(&o.settle, "settle", 10*time.Second, "how long clients are idle before the memory is read")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long one measurement may take")
	if err := flags.Parse(args); err != nil {
		return o, err //nolint:wrapcheck // The flag package has printed it already.
	}
	if o.servers == "" {
		o.servers = "tandem,node,zishang"
		if o.storm {
			o.servers = "tandem"
		}
	}
	if o.rounds <= 0 {
		o.rounds = 3
		if o.short {
			o.rounds = 1
		}
	}
	return o, nil
}

// lab returns what the scenarios work with.
func (o options) lab(dir string) *lab {
	l := &lab{sizes: fullSizes(), settle: o.settle, patience: 10 * time.Second, dir: dir}
	if o.short {
		l.sizes = shortSizes()
	}
	if o.clients > 0 {
		l.sizes.idleClients = o.clients
	}
	return l
}

// run measures what the command line asks for.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	selected, err := selectScenarios(o.run)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tandem-load-")
	if err != nil {
		return fmt.Errorf("making a folder for the programs: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // A folder of temporary files.
	programs, err := selectServers(ctx, o.servers, root, dir)
	if err != nil {
		return err
	}
	if o.storm {
		return stormAll(ctx, o, o.lab(dir), programs)
	}
	return measureAll(ctx, o, o.lab(dir), programs, selected)
}

// stormAll runs the storms against each of the servers.
func stormAll(ctx context.Context, o options, l *lab, programs []*server) error {
	var errs []error
	for _, s := range programs {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		if err := storm(ctx, l, s, progressf); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.title, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// measureAll runs the scenarios and prints the table. A server that has failed
// in a scenario is not tried in it again.
func measureAll(ctx context.Context, o options, l *lab, programs []*server, selected []scenario) error {
	r := newResults(programs)
	for round := range o.rounds {
		for _, sc := range selected {
			for _, s := range programs {
				if sc.cluster && !s.clustered || r.hasFailed(sc, s) {
					continue
				}
				start := time.Now()
				figures, err := measureOne(ctx, o, l, sc, s)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil {
					progressf("round %d, %s, %s: failed: %v", round+1, sc.name, s.name, err)
					r.fail(sc, s, err)
					continue
				}
				progressf("round %d, %s, %s: %.2f (%v)", round+1, sc.name, s.name, figures, time.Since(start).Round(10*time.Millisecond))
				r.add(sc, s, figures)
			}
		}
	}
	fmt.Fprintf(os.Stdout, "Medians of %d, %s/%s, %d CPUs.\n\n", o.rounds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := r.write(os.Stdout, selected); err != nil {
		return err
	}
	for _, sc := range selected {
		if r.hasFailed(sc, programs[0]) {
			return errFailed
		}
	}
	return nil
}

// measureOne runs one scenario against one server, within the timeout.
func measureOne(ctx context.Context, o options, l *lab, sc scenario, s *server) ([]float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%w: not finished after %v", errStalled, o.timeout))
	defer cancel()
	return sc.measure(ctx, l, s)
}

// progressf tells what is going on, beside the table.
func progressf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
