package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// measure returns what an operation costs. detail says which system calls are behind the
// figures; it is empty if they were not counted.
func measure(ctx context.Context, op operation, traced bool) (f figures, detail string, err error) {
	f = make(figures)
	err = withServer(ctx, op, "", func(p *process, b *bench) error {
		before, after, err := count(ctx, op, p, b)
		if err != nil {
			return err
		}
		// What reading the counters costs is found by doing it once more.
		again, err := p.counters()
		own := int64(after.number-before.number) * (again.allocs - after.allocs)
		f["allocs"] = max(0, float64(after.allocs-before.allocs-own)/float64(op.n))
		return err
	})
	if err != nil || !traced {
		return f, "", err
	}
	calls, err := traceCalls(ctx, op)
	if err != nil {
		return f, "", err
	}
	maps.Copy(f, byKind(calls, op.n))
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(calls), func(a, b string) int { return cmp.Compare(calls[b], calls[a]) }) {
		parts = append(parts, name+" "+number(float64(calls[name])/float64(op.n)))
	}
	return f, strings.Join(parts, ", "), nil
}

// traceCalls returns the system calls that an operation needs, by name, as
// strace sees them.
func traceCalls(ctx context.Context, op operation) (calls map[string]int, err error) {
	dir, err := os.MkdirTemp("", "guard")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "trace")
	var from, to string
	err = withServer(ctx, op, file, func(p *process, b *bench) error {
		before, after, err := count(ctx, op, p, b)
		from, to = before.mark, after.mark
		return err
	})
	if err != nil {
		return nil, err
	}
	trace, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer trace.Close()
	return countCalls(trace, from, to)
}

// count does the operation, and returns the counters of the server before and after.
func count(ctx context.Context, op operation, p *process, b *bench) (before, after counters, err error) {
	if op.prepare != nil {
		if err := op.prepare(ctx, b); err != nil {
			return before, after, fmt.Errorf("%s: preparing: %w", op.name, err)
		}
	}
	if err := op.run(ctx, b, op.warmUp()); err != nil {
		return before, after, fmt.Errorf("%s: %w", op.name, err)
	}
	if err := p.settle(ctx); err != nil {
		return before, after, err
	}
	if before, err = p.counters(); err != nil {
		return before, after, err
	}
	if err := op.run(ctx, b, op.n); err != nil {
		return before, after, fmt.Errorf("%s: %w", op.name, err)
	}
	if err := p.settle(ctx); err != nil {
		return before, after, err
	}
	after, err = p.counters()
	return before, after, err
}

// withServer calls fn with a server that has just started and the clients that the operation
// wants to be there before.
func withServer(ctx context.Context, op operation, trace string, fn func(*process, *bench) error) (err error) {
	p, err := start(ctx, op.settings, trace)
	if err != nil {
		return err
	}
	b := &bench{addr: p.addr}
	defer func() {
		b.close()
		err = errors.Join(err, p.stop())
	}()
	for range op.clients {
		c, err := dial(ctx, p.addr)
		if err != nil {
			return err
		}
		b.clients = append(b.clients, c)
	}
	for range op.pollers {
		c, err := dialPoller(ctx, p.addr)
		if err != nil {
			return err
		}
		b.pollers = append(b.pollers, c)
	}
	return fn(p, b)
}

// close closes the connections of all clients.
func (b *bench) close() {
	for _, c := range b.clients {
		c.conn.Close()
	}
	for _, p := range b.pollers {
		p.close()
	}
}
