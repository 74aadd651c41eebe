//go:build !linux

package main

import (
	"errors"
	"net/netip"
	"time"
)

// errPlatform is what every measurement ends with where there is no epoll and no
// CPU clock of another process.
var errPlatform = errors.New("the load generator measures on Linux only (epoll, CPU clocks of processes)")

// poller stands in for the Linux one.
type poller struct{}

func newPoller() (*poller, error) { return nil, errPlatform }

func (*poller) batch(int) {}

func (*poller) dial(netip.Addr, netip.AddrPort) (int, error) { return 0, errPlatform }

func (*poller) notifyWritable(int, bool) error { return errPlatform }

func (*poller) wait(time.Duration, func(fd int, readable, writable bool) error) error {
	return errPlatform
}

func (*poller) mute(int) error { return errPlatform }

func (*poller) local(int) (netip.AddrPort, error) { return netip.AddrPort{}, errPlatform }

func (*poller) target(int) (netip.AddrPort, error) { return netip.AddrPort{}, errPlatform }

func (*poller) read(int, []byte) (int, error) { return 0, errPlatform }

func (*poller) write(int, []byte) (int, error) { return 0, errPlatform }

func (*poller) reset(int) error { return errPlatform }

func (*poller) hangUp(int) error { return errPlatform }

func (*poller) close() error { return errPlatform }

func cpuTime(int) (time.Duration, error) { return 0, errPlatform }

func unsent(from, to netip.AddrPort) (int64, error) { return 0, errPlatform }

func residentSize(int) (int64, error) { return 0, errPlatform }

func resetPeak(int) error { return errPlatform }

func peakSize(int) (int64, error) { return 0, errPlatform }
