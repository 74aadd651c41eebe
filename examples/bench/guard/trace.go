package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// ignored are the system calls by which threads wait for each other and memory comes and
// goes. How often they happen depends on what else the machine does, so they
// are not traced.
var ignored = []string{
	"clone", "clone3", "exit", "futex", "getpid", "gettid", "madvise", "mmap", "mprotect", "munmap", "nanosleep", "prctl",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield",
	"set_robust_list", "sigaltstack", "tgkill", "timer_create", "timer_delete", "timer_settime",
}

// kindOf maps system calls on files to their kind of figure. All others are of kind "others".
var kindOf = map[string]string{
	"read": "reads", "readv": "reads", "recvfrom": "reads", "recvmsg": "reads",
	"write": "writes", "writev": "writes", "sendto": "writes", "sendmsg": "writes",
	"epoll_wait": "waits", "epoll_pwait": "waits", "epoll_pwait2": "waits",
}

// A line of strace's begins with the thread and the beginning of a call. The end of a call that
// was interrupted by a line of another thread has a line of its own, which begins otherwise.
var (
	callStart = regexp.MustCompile(`^\d+ +([a-z0-9_]+)\((\d*)`)
	eventFile = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?eventfd2?\b.*= (\d+)$`)
	pollFile  = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?epoll_create1?\b.*= (\d+)$`)
)

// stdin is where the server is asked for its counters, and stdout where it answers.
const stdin, stdout = "0", "1"

var errTrace = errors.New("reading the trace")

// notCounted are the files whose calls tell of something else than the operations.
type notCounted struct {
	files  map[string]bool
	poller bool // the file that the runtime's scheduler waits on is known
}

// see looks for files in a line of the trace: those by which threads wake each other, and
// that on which Go's scheduler waits, which it makes before anything else makes one.
func (n *notCounted) see(line string) {
	if match := eventFile.FindStringSubmatch(line); match != nil {
		n.files[match[1]] = true
	}
	if n.poller {
		return
	}
	if match := pollFile.FindStringSubmatch(line); match != nil {
		n.poller = true
		n.files[match[1]] = true
	}
}

// countCalls counts the system calls, by name, between the answers that the server has
// written for two reads of its counters.
func countCalls(trace io.Reader, from, to string) (map[string]int, error) {
	calls := make(map[string]int)
	not := notCounted{files: map[string]bool{stdin: true, stdout: true}}
	begun := false
	sc := bufio.NewScanner(trace)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		not.see(sc.Text())
		match := callStart.FindStringSubmatch(sc.Text())
		if match == nil {
			continue
		}
		name, fd := match[1], match[2]
		switch marked := name == "write" && fd == stdout; {
		case marked && strings.Contains(sc.Text(), `"`+from+` `):
			begun = true
		case !begun:
		case marked && strings.Contains(sc.Text(), `"`+to+` `):
			return calls, nil
		case not.files[fd] && kindOf[name] != "":
		default:
			calls[name]++
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errTrace, err)
	}
	return nil, fmt.Errorf("%w: %s and %s are not both in it, in this order", errTrace, from, to)
}

// byKind adds up calls that were counted by name, for each of n operations.
func byKind(calls map[string]int, n int) figures {
	f := figures{"reads": 0, "writes": 0, "waits": 0, "others": 0}
	for name, count := range calls {
		kind := kindOf[name]
		if kind == "" {
			kind = "others"
		}
		f[kind] += float64(count) / float64(n)
	}
	return f
}

// tracer is the command that traces a server into a file.
func tracer(file string) []string {
	return []string{"strace", "-f", "-qq", "-s", "64", "--seccomp-bpf", "-e", "trace=!" + strings.Join(ignored, ","), "-o", file}
}

// canTrace tells whether strace is there and may trace.
func canTrace() bool {
	argv := append(tracer("/dev/null"), "true")
	return hasProc() && exec.Command(argv[0], argv[1:]...).Run() == nil
}
