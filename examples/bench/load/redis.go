package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

var errRedisReply = errors.New("unexpected reply of Redis")

// startRedis starts a redis-server that keeps nothing on disk.
func startRedis(ctx context.Context, dir string) (*instance, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w; run `make deps`", errNotInstalled)
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	return startInstance(ctx, addr, []string{
		program, "--bind", "127.0.0.1", "--port", strconv.Itoa(int(addr.Port())),
		"--save", "", "--appendonly", "no", "--dir", dir,
	})
}

// traffic is what a Redis server has counted since it started.
type traffic struct {
	commands int
	in, out  int // bytes
}

// minus returns what has been added since t0.
func (t traffic) minus(t0 traffic) traffic {
	return traffic{commands: t.commands - t0.commands, in: t.in - t0.in, out: t.out - t0.out}
}

// redisTraffic asks a Redis server for its counters.
func redisTraffic(ctx context.Context, addr netip.AddrPort) (traffic, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return traffic{}, fmt.Errorf("asking Redis: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return traffic{}, fmt.Errorf("asking Redis: %w", err)
	}
	if _, err := io.WriteString(conn, "INFO stats\r\n"); err != nil {
		return traffic{}, fmt.Errorf("asking Redis: %w", err)
	}
	r := bufio.NewReader(conn)
	header, err := r.ReadString('\n')
	if err != nil {
		return traffic{}, fmt.Errorf("asking Redis: %w", err)
	}
	size, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(header, "$")))
	if err != nil || size < 0 || size > maxPayload {
		return traffic{}, fmt.Errorf("%w: %q", errRedisReply, header)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return traffic{}, fmt.Errorf("asking Redis: %w", err)
	}
	return parseTraffic(string(body))
}

// parseTraffic reads the counters out of the answer to INFO.
func parseTraffic(info string) (traffic, error) {
	var t traffic
	wanted := map[string]*int{
		"total_commands_processed": &t.commands,
		"total_net_input_bytes":    &t.in,
		"total_net_output_bytes":   &t.out,
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		counter := wanted[name]
		if counter == nil {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return traffic{}, fmt.Errorf("%w: %q", errRedisReply, line)
		}
		*counter = n
		delete(wanted, name)
	}
	if len(wanted) > 0 {
		return traffic{}, fmt.Errorf("%w: counters are missing", errRedisReply)
	}
	return t, nil
}
