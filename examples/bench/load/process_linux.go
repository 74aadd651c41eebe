package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errNoResidentSize = errors.New("no VmRSS in the status of the process")
	errNoConnection   = errors.New("the connection has been closed")
)

// cpuTime returns the CPU time, user and system, that all threads of the process
// have used. It reads the clock of the process, which counts in nanoseconds what
// /proc/<pid>/stat counts in hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3): the complement of the pid, and 2 for the scheduler's clock.
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// unsent returns how many bytes the kernel keeps for the connection from port
// from to port to because the other end has no room for them.
func unsent(from, to uint16) (int64, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, fmt.Errorf("reading the table of connections: %w", err)
	}
	local, remote := fmt.Appendf(nil, ":%04X", from), fmt.Appendf(nil, ":%04X", to)
	for line := range bytes.Lines(table) {
		// Number, local address, remote address, state, sending:receiving queue.
		fields := bytes.Fields(line)
		if len(fields) < 5 || !bytes.HasSuffix(fields[1], local) || !bytes.HasSuffix(fields[2], remote) {
			continue
		}
		queue, _, _ := bytes.Cut(fields[4], []byte(":"))
		n, err := strconv.ParseInt(string(queue), 16, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the table of connections: %w", err)
		}
		return n, nil
	}
	return 0, errNoConnection
}

// residentSize returns the resident memory of the process in bytes.
func residentSize(pid int) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("reading the resident size: %w", err)
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the resident size: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, errNoResidentSize
}
