package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The lists in the tree can be read, and say something about each of their entries. Whether
// they fit the code the command checks: code may change without them.
func TestLists(t *testing.T) {
	t.Parallel()
	faults, err := readFaults("faults")
	if err != nil {
		t.Fatal(err)
	}
	survivors, err := readSurvivors("survivors.txt")
	if err != nil {
		t.Fatal(err)
	}
	what := make(map[string]bool)
	for _, f := range faults {
		if what[f.what] {
			t.Errorf("%s: %q is there twice", f.at, f.what)
		}
		what[f.what] = true
	}
	places := make(map[place]bool)
	for _, s := range survivors {
		if places[s.place] {
			t.Errorf("%s: %q is there twice", s.at, s.line)
		}
		places[s.place] = true
		if !slices.ContainsFunc(targets, func(t target) bool { return strings.HasPrefix(s.file, t.dir+"/") }) {
			t.Errorf("%s: no gremlins are put into %s", s.at, s.file)
		}
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	list := `# a comment
It is wrong.
file a/b.go
-	x := 1
+	x := 2

It is missing.
file a/b.go
test -run TestX -race
 	y()
-	z()
`
	blocks, err := readBlocks(strings.NewReader(list), "list.txt")
	if err != nil || len(blocks) != 2 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	for i, want := range []fault{
		{what: "It is wrong.", file: "a/b.go", test: []string{"./a"}, old: []string{"x := 1"}, changed: []string{"x := 2"}},
		{what: "It is missing.", file: "a/b.go", test: []string{"./a", "-run", "TestX", "-race"}, old: []string{"y()", "z()"}, changed: []string{"y()"}},
	} {
		f, err := parseFault(blocks[i])
		if err != nil {
			t.Fatal(err)
		}
		if f.what != want.what || f.file != want.file || !slices.Equal(f.test, want.test) || !slices.Equal(f.old, want.old) || !slices.Equal(f.changed, want.changed) {
			t.Errorf("got %+v, want %+v", f, want)
		}
	}
	if blocks[0].at != "list.txt:2" || blocks[1].at != "list.txt:7" {
		t.Errorf("the blocks are at %s and %s", blocks[0].at, blocks[1].at)
	}
}

func TestParseFaultErrors(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"no file":    {"It is wrong.", "-x"},
		"no lines":   {"It is wrong.", "file a.go"},
		"no change":  {"It is wrong.", "file a.go", " x"},
		"other word": {"It is wrong.", "file a.go", "fiel a.go", "-x"},
	} {
		if _, err := parseFault(block{lines: lines, at: "list.txt:1"}); err == nil || !strings.HasPrefix(err.Error(), "list.txt:1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	const source = "func f() {\n\tif x {\n\t\ty()\n\t}\n\ty()\n}\n"
	for name, tt := range map[string]struct {
		old, changed []string
		want         string
		err          error
	}{
		"replaced":  {[]string{"if x {"}, []string{"if !x {"}, "func f() {\nif !x {\n\t\ty()\n\t}\n\ty()\n}\n", nil},
		"taken out": {[]string{"}", "y()"}, []string{"}"}, "func f() {\n\tif x {\n\t\ty()\n}\n}\n", nil},
		"put in":    {[]string{"func f() {"}, []string{"func f() {", "return"}, "func f() {\nreturn\n\tif x {\n\t\ty()\n\t}\n\ty()\n}\n", nil},
		"not there": {[]string{"if y {"}, nil, "", errNotFound},
		"a part":    {[]string{"if"}, nil, "", errNotFound},
		"twice":     {[]string{"y()"}, nil, "", errAmbiguous},
		"too long":  {[]string{"}", "", "z()"}, nil, "", errNotFound},
	} {
		got, err := (&fault{old: tt.old, changed: tt.changed}).apply(source)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, tt.want, tt.err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const source = `package p

const a = 1 << 3

func (s *set[K]) less(x, y int) bool {
	if x >= 0 && x+1 < y {
		s.n++
	}
	for {
		break
	}
	return x == -y
}

func plain() int { return 1 + 2 }
`
	for mark, want := range map[string]string{
		"<< 3":  "- const a = 1 «<<» 3",
		">= 0":  "set.less if x «>=» 0 && x+1 < y {",
		"< y {": "set.less if x >= 0 && x+1 «<» y {",
		"+1 <":  "set.less if x >= 0 && x«+»1 < y {",
		"++":    "set.less s.n«++»",
		"break": "set.less «break»",
		"== -":  "set.less return x «==» -y",
		"-y":    "set.less return x == «-»y",
		"+ 2":   "plain func plain() int { return 1 «+» 2 }",
	} {
		at := strings.Index(source, mark)
		line, column := 1+strings.Count(source[:at], "\n"), at-strings.LastIndex(source[:at], "\n")
		p, err := find("p.go", "KIND", []byte(source), line, column)
		if err != nil {
			t.Errorf("%q: %v", mark, err)
			continue
		}
		if got := p.function + " " + p.line; got != want {
			t.Errorf("%q: got %q, want %q", mark, got, want)
		}
		// What is printed of a survivor can be read again.
		blocks, err := readBlocks(strings.NewReader(p.String()+"The reason.\n"), "list.txt")
		if err != nil || len(blocks) != 1 {
			t.Fatalf("%q: %d blocks, %v", mark, len(blocks), err)
		}
		if s, err := parseSurvivor(blocks[0]); err != nil || s.place != p || s.reason != "The reason." {
			t.Errorf("%q: read as %+v, %v", mark, s, err)
		}
	}
	if _, err := find("p.go", "KIND", []byte(source), 100, 1); !errors.Is(err, errNotFound) {
		t.Errorf("a line that is not there: %v", err)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "a", "b", "c.go"), "package b\n\nfunc f(x int) bool {\n\treturn x > 1\n}\n")
	got, err := count(root, "a/b", []byte(`{"files":[{"file_name":"c.go","mutations":[
		{"type":"X","status":"KILLED","line":4,"column":11},{"type":"Y","status":"LIVED","line":4,"column":11},
		{"type":"Z","status":"TIMED OUT","line":4,"column":11},{"type":"Z","status":"NOT COVERED","line":4,"column":11}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := place{file: "a/b/c.go", function: "f", kind: "Y", line: "return x «>» 1"}
	if got.noticed != 1 || got.lived != 1 || got.hung != 1 || got.beyond != 1 || got.share() != 0.5 || !slices.Equal(got.survivors, []place{want}) {
		t.Errorf("got %+v", got)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	known, other := place{file: "a/b.go", line: "x «>» 1"}, place{file: "a/b.go", line: "x «<» 1"}
	for name, tt := range map[string]struct {
		result tally
		failed int
	}{
		"all noticed":           {tally{noticed: 10}, 0},
		"nothing to notice":     {tally{}, 0},
		"a known survivor":      {tally{noticed: 9, lived: 1, survivors: []place{known}}, 0},
		"another survivor":      {tally{noticed: 9, lived: 1, survivors: []place{other}}, 1},
		"too few, though known": {tally{noticed: 5, lived: 1, survivors: []place{known}}, 1},
	} {
		var out bytes.Buffer
		c := &command{out: &out, survivors: []survivor{{place: known}}}
		if c.judge(target{dir: "a"}, tt.result); c.failed != tt.failed {
			t.Errorf("%s: %d failures, want %d\n%s", name, c.failed, tt.failed, &out)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// module makes a module with a package whose tests notice some faults.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module example.com/m\n\ngo 1.26\n")
	write(t, filepath.Join(root, "m.go"), "package m\n\nfunc add(a, b int) int {\n\tsum := a + b\n\treturn sum\n}\n")
	write(t, filepath.Join(root, "m_test.go"), `package m

import "testing"

func TestAdd(t *testing.T) {
	if add(1, 0) != 1 {
		t.Error("wrong")
	}
}

func TestNothing(*testing.T) {}
`)
	return root
}

func TestTry(t *testing.T) {
	root := module(t)
	tr := &trier{root: root, dir: t.TempDir(), base: make(map[string]time.Duration)}
	for name, tt := range map[string]struct {
		changed string
		test    []string
		want    outcome
		err     error
	}{
		"noticed":                  {"sum := 2*a + b", nil, noticed, nil},
		"not noticed":              {"sum := a - b", nil, unnoticed, nil},
		"not run":                  {"sum := 2*a + b", []string{"-run", "TestNothing"}, unnoticed, nil},
		"does not compile":         {"sum := nothing", nil, "", errBroken},
		"tests fail in themselves": {"sum := 2*a + b", []string{"./none"}, "", errFailing},
	} {
		f := &fault{file: "m.go", old: []string{"sum := a + b"}, changed: []string{tt.changed}, test: append([]string{"."}, tt.test...)}
		got, err := tr.try(t.Context(), f)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, tt.want, tt.err)
		}
	}
	if source, err := os.ReadFile(filepath.Join(root, "m.go")); err != nil || !strings.Contains(string(source), "sum := a + b") {
		t.Errorf("the code has been changed: %v", err)
	}
}

// Gremlins give up on a try after a multiple of the time that the tests take, which leaves room to build them.
func TestMeasure(t *testing.T) {
	root := module(t)
	took, err := measure(t.Context(), root, ".", os.Environ())
	if err != nil || took <= 0 {
		t.Errorf("%v, %v", took, err)
	}
	for took, want := range map[time.Duration]int{0: 20_003, 100 * time.Millisecond: 203, time.Second: 23, 4 * time.Second: 8, time.Minute: 3} {
		if got := coefficient(took); got != want {
			t.Errorf("%v: %d times as long, want %d", took, got, want)
		}
	}
	write(t, filepath.Join(root, "n_test.go"), "package m\n\nimport \"testing\"\n\nfunc TestWrong(t *testing.T) { t.Error(\"wrong\") }\n")
	if _, err := measure(t.Context(), root, ".", os.Environ()); !errors.Is(err, errFailing) || !strings.Contains(err.Error(), "TestWrong") {
		t.Errorf("tests that fail in themselves: %v", err)
	}
}

func TestRun(t *testing.T) {
	root := module(t)
	lists := filepath.Join(root, "examples", "bench", "mutants")
	if err := os.MkdirAll(filepath.Join(lists, "faults"), 0o700); err != nil {
		t.Fatal(err)
	}
	list := func(faults, survivors string) {
		t.Helper()
		write(t, filepath.Join(lists, "faults", "m.txt"), faults)
		write(t, filepath.Join(lists, "survivors.txt"), survivors)
	}
	const survivor = "m.go add\nARITHMETIC_BASE sum := a «+» b\nA reason.\n"
	for name, tt := range map[string]struct {
		faults, survivors string
		args              []string
		want              error
		out               string
	}{
		"noticed":           {"Twice.\nfile m.go\ntest .\n-sum := a + b\n+sum := 2*a + b\n", survivor, nil, nil, "noticed: Twice."},
		"not noticed":       {"Minus.\nfile m.go\ntest .\n-sum := a + b\n+sum := a - b\n", "", nil, errSurvived, "NOT NOTICED: Minus."},
		"broken":            {"None.\nfile m.go\ntest .\n-sum := a + b\n", "", nil, errSurvived, "does not compile"},
		"stale":             {"Twice.\nfile m.go\ntest .\n-sum := a * b\n", "", nil, errNotFound, ""},
		"stale survivor":    {"", strings.Replace(survivor, "sum", "product", 1), nil, errNotFound, ""},
		"another function":  {"", strings.Replace(survivor, "add", "plus", 1), nil, errNotFound, ""},
		"a file is missing": {"Twice.\nfile n.go\n-sum := a * b\n", "", nil, os.ErrNotExist, ""},
		"nothing matches":   {"Twice.\nfile m.go\ntest .\n-sum := a + b\n+sum := 2*a + b\n", "", []string{"-run", "other"}, errNothing, ""},
		"only checked":      {"Minus.\nfile m.go\ntest .\n-sum := a + b\n+sum := a - b\n", "", []string{"-check"}, nil, ""},
	} {
		list(tt.faults, tt.survivors)
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"-root", root, "-gremlins=false"}, tt.args...), &out)
		if !errors.Is(err, tt.want) || !strings.Contains(out.String(), tt.out) {
			t.Errorf("%s: %v, want %v\n%s", name, err, tt.want, &out)
		}
	}
	if err := run(t.Context(), []string{"-none"}, &bytes.Buffer{}); err == nil || errors.Is(err, flag.ErrHelp) {
		t.Errorf("with an unknown flag: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list("Twice.\nfile m.go\ntest .\n-sum := a + b\n+sum := 2*a + b\n", "")
	if err := run(ctx, []string{"-root", root, "-gremlins=false"}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
