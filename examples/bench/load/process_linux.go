package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errNoSize       = errors.New("no such size in the status of the process")
	errNoConnection = errors.New("the connection has been closed")
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

// unsent returns how many bytes the kernel keeps for the connection from one
// address to the other because the other end has no room for them.
func unsent(from, to netip.AddrPort) (int64, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, fmt.Errorf("reading the table of connections: %w", err)
	}
	// Number, local address, remote address, state, sending:receiving queue.
	_, line, found := bytes.Cut(table, []byte(" "+tableAddress(from)+" "+tableAddress(to)+" "))
	if !found {
		return 0, errNoConnection
	}
	_, queues, _ := bytes.Cut(line, []byte(" "))
	sending, _, _ := bytes.Cut(queues, []byte(":"))
	n, err := strconv.ParseInt(string(sending), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the table of connections: %w", err)
	}
	return n, nil
}

// tableAddress is how /proc/net/tcp writes an address: the number in the order of
// the machine's bytes.
func tableAddress(addr netip.AddrPort) string {
	ip := addr.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), addr.Port())
}

// residentSize returns the resident memory of the process in bytes.
func residentSize(pid int) (int64, error) { return statusSize(pid, "VmRSS:") }

// peakSize returns the most that the resident memory of the process has been since
// its start, or since the last resetPeak.
func peakSize(pid int) (int64, error) { return statusSize(pid, "VmHWM:") }

// resetPeak makes the resident memory that the process has now its peak.
func resetPeak(pid int) error {
	const peak = "5"
	if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte(peak), 0); err != nil {
		return fmt.Errorf("resetting the peak of the resident size: %w", err)
	}
	return nil
}

// statusSize returns one of the sizes in the status of the process in bytes.
func statusSize(pid int, name string) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("reading the resident size: %w", err)
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the resident size: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("%w: %s", errNoSize, name)
}
