package budget

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestMemoryOfACgroup(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		want       int64
	}{
		"no cgroup":                     {"", nil, 4 * gib},
		"version 2":                     {"0::/a/b\n", map[string]string{"a/b/memory.max": "1073741824\n"}, gib},
		"version 2 without a limit":     {"0::/a\n", map[string]string{"a/memory.max": "max\n"}, 4 * gib},
		"version 2, the group above":    {"0::/a/b/c\n", map[string]string{"a/memory.max": "2147483648\n", "a/b/c/memory.max": "max\n"}, 2 * gib},
		"version 2, the least of all":   {"0::/a/b\n", map[string]string{"a/memory.max": "1073741824", "a/b/memory.max": "2147483648"}, gib},
		"version 2 in a container":      {"0::/docker/x\n", map[string]string{"memory.max": "1073741824\n"}, gib},
		"version 2 in a namespace":      {"0::/../..\n", map[string]string{"memory.max": "1073741824\n"}, gib},
		"more than without any":         {"0::/\n", map[string]string{"memory.max": "17179869184\n"}, 16 * gib},
		"version 1":                     {"5:memory:/a\n4:cpu:/b\n", map[string]string{"memory/a/memory.limit_in_bytes": "1073741824\n"}, gib},
		"version 1 without a limit":     {"5:memory:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 4 * gib},
		"version 1 with the least none": {"5:memory:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "1152921504606846976\n"}, 4 * gib},
		"version 1 in a container":      {"5:memory:/docker/x\n", map[string]string{"memory/memory.limit_in_bytes": "1073741824\n"}, gib},
		"both versions":                 {"0::/a\n5:memory:/b\n", map[string]string{"a/memory.max": "2147483648", "memory/b/memory.limit_in_bytes": "1073741824"}, gib},
		"nonsense":                      {"0::\nx\n::::\n", map[string]string{"memory.max": "-5\n", "memory/memory.limit_in_bytes": "lots"}, 4 * gib},
		"no limit for another group":    {"0::/a\n", map[string]string{"b/memory.max": "1073741824\n"}, 4 * gib},
		"a limit of nothing is none":    {"0::/a\n", map[string]string{"a/memory.max": "0\n"}, 4 * gib},
		"a name that contains a colon":  {"0::/a:b\n", map[string]string{"a:b/memory.max": "1073741824\n"}, gib},
		"a name that begins with a dot": {"0::/.a\n", map[string]string{".a/memory.max": "1073741824\n"}, gib},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				write(t, filepath.Join(dir, "fs", file), text)
			}
			membership := filepath.Join(dir, "membership")
			if c.membership != "" {
				write(t, membership, c.membership)
			}
			if got := cgroup(filepath.Join(dir, "fs"), membership); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryLimitOfTheRuntime(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(3 << 30))
	for range 2 { // To ask does not change it.
		if got := Memory(); got != 3<<30 {
			t.Errorf("got %d, want what GOMEMLIMIT allows", got)
		}
	}
}

// A limit of nothing, which makes the collector run all the time, is not what the process may use.
func TestMemoryLimitOfNothing(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(0))
	if got := Memory(); got <= 0 {
		t.Errorf("got %d", got)
	}
}
