package main

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

const sampleTrace = `100 epoll_create1(EPOLL_CLOEXEC) = 3
100 eventfd2(0, EFD_CLOEXEC|EFD_NONBLOCK) = 4
101 eventfd2(0, EFD_CLOEXEC|EFD_NONBLOCK <unfinished ...>
100 read(8, "before", 4096) = 6
101 <... eventfd2 resumed>) = 6
100 write(1, "mark-1 1234\n", 12) = 12
100 read(0, "mark-1b\n", 4096) = 8
100 write(1, "mark-1b 1235\n", 13) = 13
100 read(0, "mark-2\n", 4096 <unfinished ...>
101 epoll_create1(EPOLL_CLOEXEC) = 5
102 epoll_pwait(3, [{events=EPOLLIN}], 128, -1, NULL, 0) = 1
101 epoll_pwait(5, [{events=EPOLLIN}], 128, -1, NULL, 0) = 1
101 read(8, "\201\247", 4096) = 39
101 read(8, 0xc0000, 4096) = -1 EAGAIN (Resource temporarily unavailable)
101 write(8, "mark-2 is not written to the standard output alone"... <unfinished ...>
102 write(4, "\1\0\0\0\0\0\0\0", 8) = 8
101 <... write resumed>) = 65
102 read(6, "\1\0\0\0\0\0\0\0", 8) = 8
102 close(6) = 0
103 +++ exited with 0 +++
--- SIGURG {si_signo=SIGURG} ---
100 <... read resumed>) = 7
100 write(1, "mark-2 1239\n", 12) = 12
100 write(8, "after", 5) = 5
`

func TestCountCalls(t *testing.T) {
	t.Parallel()
	calls, err := countCalls(strings.NewReader(sampleTrace), "mark-1", "mark-2")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"epoll_create1": 1, "epoll_pwait": 1, "read": 2, "write": 1, "close": 1}
	if !maps.Equal(calls, want) {
		t.Errorf("counted %v, want %v", calls, want)
	}
	if f := byKind(calls, 2); !maps.Equal(f, figures{"reads": 1, "writes": 0.5, "waits": 0.5, "others": 1}) {
		t.Errorf("the figures are %v", f)
	}
}

func TestMarksAreMissing(t *testing.T) {
	t.Parallel()
	for _, marks := range [][2]string{{"mark-1", "mark-3"}, {"mark-3", "mark-2"}, {"mark-2", "mark-1"}} {
		if _, err := countCalls(strings.NewReader(sampleTrace), marks[0], marks[1]); !errors.Is(err, errTrace) {
			t.Errorf("%v: %v", marks, err)
		}
	}
}
