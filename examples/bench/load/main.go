package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// errFailed is the outcome of a run in which the first server has failed.
var errFailed = errors.New("at least one measurement has failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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

// everybody names the servers in the order of the table.
const everybody = "tandem,node,bun,zishang,plain"

// options are the flags of the command.
type options struct {
	run      string
	servers  string
	rounds   int
	short    bool
	storm    bool
	plots    string
	figures  string
	profiles string
	settle   time.Duration
	timeout  time.Duration
}

// parse reads the command line.
func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", "all", "the scenarios to run, by name or by the part of it before a slash:\n"+names())
	flags.StringVar(&o.servers, "servers", "", "the servers to measure (default "+everybody+"; with -storm or -profiles, tandem)")
	flags.IntVar(&o.rounds, "n", 0, "rounds, of which the medians are printed (default 5; with -short or -profiles, 1)")
	flags.BoolVar(&o.short, "short", false, "do less work, for a quick look")
	flags.BoolVar(&o.storm, "storm", false, "only connect clients in storms, and fail unless all of them get in")
	flags.StringVar(&o.plots, "plots", "", "the `folder` for the plots of the growth scenarios (default examples/bench/plots;\nwith -short or -profiles, none are drawn unless it is given)")
	flags.StringVar(&o.figures, "figures", "", "the `file` for the table of all figures, beside which the main ones are printed (default, for everything\nof all servers without -short and -profiles: examples/bench/FIGURES.md)")
	flags.StringVar(&o.profiles, "profiles", "", "the `folder` for CPU, allocation, mutex and block profiles of each step, which are taken if it is given")
	flags.DurationVar(&o.settle, "settle", 0, "how long clients are idle before the memory is read (default 5s; with -short, 3s)")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "how long one step may take")
	if err := flags.Parse(args); err != nil {
		return o, err //nolint:wrapcheck // The flag package has printed it already.
	}
	if o.servers == "" {
		o.servers = everybody
		if o.storm || o.profiles != "" {
			o.servers = "tandem"
		}
	}
	if o.rounds <= 0 {
		o.rounds = 5
		if o.short || o.profiles != "" {
			o.rounds = 1
		}
	}
	return o, nil
}

// names lists the scenarios for the help text.
func names() string {
	var list strings.Builder
	list.WriteString("all")
	for _, sc := range scenarios(fullSizes()) {
		list.WriteString(", " + sc.name)
	}
	for _, g := range growths(fullSizes()) {
		list.WriteString(", growth/" + g.name)
	}
	return list.String()
}

// lab returns what the scenarios work with.
func (o options) lab(dir string) *lab {
	l := &lab{sizes: fullSizes(), patience: 10 * time.Second, timeout: o.timeout, dir: dir, profiles: o.profiles}
	if o.short {
		l.sizes = shortSizes()
	}
	if o.profiles != "" && !o.short {
		l.sizes.span = 5 * time.Second // for enough samples
	}
	if o.settle > 0 {
		l.sizes.settle = o.settle
	}
	return l
}

// plotsFolder is where the plots go; empty if none are to be drawn.
func (o options) plotsFolder(root string) string {
	if o.plots != "" || o.short || o.profiles != "" || o.run != "all" && !strings.Contains(o.run, "growth") {
		return o.plots
	}
	return filepath.Join(root, "examples", "bench", "plots")
}

// figuresFile is where the table of all figures goes; empty if it is printed.
func (o options) figuresFile(root string) string {
	if o.figures != "" || o.short || o.profiles != "" || o.run != "all" || o.servers != everybody {
		return o.figures
	}
	return filepath.Join(root, "examples", "bench", "FIGURES.md")
}

// run measures what the command line asks for.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
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
	l := o.lab(dir)
	selected, err := selectScenarios(scenarios(l.sizes), o.run)
	if err != nil {
		return err
	}
	measured := selectGrowths(growths(l.sizes), o.run)
	if len(selected)+len(measured) == 0 {
		return fmt.Errorf("%w: %q", errUnknownScenario, o.run)
	}
	programs, err := selectServers(ctx, o.servers, root, dir)
	if err != nil {
		return err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return fmt.Errorf("making a folder for the profiles: %w", err)
		}
	}
	start := time.Now()
	r := &runner{lab: l, servers: programs, results: newResults(programs), report: progressf}
	if o.storm {
		return r.stormAll(ctx)
	}
	if err := r.table(ctx, o.rounds, selected, o.figuresFile(root)); err != nil {
		return err
	}
	if folder := o.plotsFolder(root); folder != "" {
		if err := r.grow(ctx, o.rounds, folder, measured); err != nil {
			return err
		}
	}
	r.report("all of it: %v", time.Since(start).Round(time.Second))
	return r.failure()
}

// table runs the scenarios and prints their figures: all of them or, if those go to
// a file, the main ones.
func (r *runner) table(ctx context.Context, rounds int, selected []scenario, file string) error {
	if len(selected) == 0 {
		return nil
	}
	if err := r.rounds(ctx, rounds, selected); err != nil {
		return err
	}
	machine := fmt.Sprintf("Medians of %d, %s/%s, %d CPUs.\n\n", rounds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Fprintf(os.Stdout, "%s%s", machine, r.results.table(selected, file != ""))
	if file == "" {
		return nil
	}
	page := "# All figures\n\nWritten by `go run ./examples/bench/load`; what the rows are is in the documentation of that command.\n" +
		machine + r.results.table(selected, false)
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}

// grow measures what is plotted, once for every five rounds of the table, draws
// it without the yardstick, and checks the model.
func (r *runner) grow(ctx context.Context, rounds int, folder string, measured []*growth) error {
	var all []scenario
	for _, g := range measured {
		all = append(all, g.scenarios...)
	}
	plotted := *r
	if plotted.servers = contenders(r.servers); len(plotted.servers) == 0 {
		return nil
	}
	if err := plotted.rounds(ctx, max(1, rounds/5), all); err != nil {
		return err
	}
	first := plotted.servers[0]
	if predictions := r.results.model(r.lab.sizes, first); len(predictions) > 0 {
		fmt.Fprintf(os.Stdout, "\nThe model, for %s:\n\n%s", first.title, modelTable(predictions))
	}
	notes, err := r.results.plots(folder, measured)
	for i, note := range notes {
		if i == 0 {
			fmt.Fprintf(os.Stdout, "\nIn the plots:\n\n")
		}
		fmt.Fprintf(os.Stdout, "- %s\n", note)
	}
	return err
}

// failure returns the error of the first server, which has to complete everything.
func (r *runner) failure() error {
	for c, err := range r.results.failed {
		if c.server == r.servers[0].name {
			return fmt.Errorf("%w: %s: %w", errFailed, c.row, err)
		}
	}
	return nil
}

// progressf tells what is going on, beside the table.
func progressf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
