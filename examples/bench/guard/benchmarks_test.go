package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	t.Parallel()
	found, err := parseBenchmarks([]byte(`goos: linux
pkg: example.com/module/parser
cpu: fast
BenchmarkAppend-2               	     200	        29.64 ns/op	       0 B/op	       0 allocs/op
BenchmarkSplit/16_frames-2      	     200	      1055 ns/op	1061.84 MB/s	      16 B/op	       3 allocs/op
BenchmarkWithoutAllocations-2   	     200	      1055 ns/op
PASS
ok  	example.com/module/parser	0.059s
pkg: example.com/module/engine
BenchmarkBroadcast/except_100   	     200	    551091 ns/op	      5511 ns/delivery	     569 B/op	       9 allocs/op
PASS
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range found {
		got = append(got, b.label()+" "+number(b.f["allocs"]))
	}
	if want := []string{"parser.Append 0", "parser.Split/16_frames 3", "engine.Broadcast/except_100 9"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestPackagesWithBenchmarks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const has, none = "package p\n\nfunc BenchmarkX(b *testing.B) {}\n", "package p\n"
	for file, text := range map[string]string{
		"a/one_test.go": none, "a/two_test.go": has, "a/three_test.go": has, "a/b/c_test.go": has,
		"d/d.go": has, "e/e_test.go": none, "examples/f/f_test.go": has, ".hidden/g_test.go": has,
	} {
		path := filepath.Join(root, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := packagesWithBenchmarks(root)
	slices.Sort(found)
	if want := []string{"./a", "./a/b"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("found %q, %v; want %q", found, err, want)
	}
}
