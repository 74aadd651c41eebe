package budget

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// unlimited is the memory that a process is assumed to have if nothing limits it.
const unlimited = 4 << 30

// Memory returns the bytes that the process may use: what GOMEMLIMIT allows, or else the
// limit of its cgroup, or else 4 GiB.
func Memory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit > 0 && limit != math.MaxInt64 {
		return limit
	}
	return cgroup("/sys/fs/cgroup", "/proc/self/cgroup")
}

// cgroup returns the memory limit of the process's cgroup below root, of version 2 or 1,
// or of the nearest group above that has one.
func cgroup(root, membership string) int64 {
	least := int64(unlimited)
	found := false
	for _, file := range groupFiles(root, membership) {
		if n, ok := readLimit(file); ok {
			if !found || n < least {
				least = n
			}
			found = true
		}
	}
	return least
}

// groupFiles are the files that may hold the limit: those of the group itself and of the
// groups above it. In a container the root is often the process's own group.
func groupFiles(root, membership string) (files []string) {
	data, _ := os.ReadFile(membership) //nolint:gosec // one of the kernel. No such file: only the root is looked at
	paths := []struct{ dir, path, name string }{{"", "/", "memory.max"}, {"memory", "/", "memory.limit_in_bytes"}}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for i, controllers := range []string{"", "memory"} {
			if parts[1] == controllers {
				paths[i].path = parts[2]
			}
		}
	}
	for _, p := range paths {
		for dir := filepath.Clean("/" + p.path); ; dir = filepath.Dir(dir) {
			files = append(files, filepath.Join(root, p.dir, dir, p.name))
			if dir == "/" {
				break
			}
		}
	}
	return files
}

// readLimit reads a limit. Version 1 writes one of nearly 2^63 if there is none, version
// 2 the word max.
func readLimit(file string) (int64, bool) {
	data, err := os.ReadFile(file) //nolint:gosec // one of the kernel
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil && n > 0 && n < 1<<60
}
