package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `# costs

ack         allocs 6±0.25      reads 2           writes 1           # timing
parser.Big  allocs 0
`

func writeRecord(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "costs.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustRead(t *testing.T, text string) *record {
	t.Helper()
	r, err := readRecord(writeRecord(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecordIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	r := mustRead(t, sample)
	l := r.find("ack")
	if l == nil || l.reason != "timing" || l.figures["allocs"] != (recorded{6, 0.25}) || l.figures["writes"] != (recorded{1, 0}) {
		t.Fatalf("read %+v", l)
	}
	if r.find("unknown") != nil {
		t.Error("an unknown operation is found")
	}
	if got := r.String(); got != sample {
		t.Errorf("wrote\n%s\nwant\n%s", got, sample)
	}
}

func TestMalformedRecord(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a kind without a figure": "ack allocs",
		"an unknown kind":         "ack seconds 1",
		"no number":               "ack allocs many",
		"no tolerance":            "ack allocs 1±",
		"a line twice":            "ack allocs 1\nack allocs 2",
	} {
		if _, err := readRecord(writeRecord(t, text)); !errors.Is(err, errRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readRecord(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestSetKeepsTolerancesAndReasons(t *testing.T) {
	t.Parallel()
	r := mustRead(t, sample)
	r.set("ack", figures{"allocs": 4, "waits": 1.2345}, tolerances)
	r.set("new", figures{"reads": 3}, nil)
	r.keep(func(name string) bool { return name != "parser.Big" })
	want := `# costs

ack  allocs 4±0.25      reads 2           writes 1           waits 1.23±0.25   # timing
new  reads 3
`
	if got := r.String(); got != want {
		t.Errorf("wrote\n%s\nwant\n%s", got, want)
	}
}

// The record that belongs to this version has each operation, and is in the form in which
// -update writes it.
func TestRecordIsComplete(t *testing.T) {
	t.Parallel()
	const file = "testdata/costs.txt"
	r, err := readRecord(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != r.String() {
		t.Error("the record would be written in another form")
	}
	for _, op := range operations() {
		if r.find(op.name) == nil {
			t.Errorf("%s is not recorded", op.name)
		}
	}
	for _, l := range r.lines {
		for kind, f := range l.figures {
			if f.tolerance > tolerances[kind] && l.reason == "" && !strings.Contains(l.name, ".") {
				t.Errorf("%s: %s vary more than usual, for no reason", l.name, kind)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	r := mustRead(t, "ack allocs 6±0.25 reads 2 writes 1")
	for _, test := range []struct {
		name          string
		now           figures
		risen, fallen string
	}{
		{"the same", figures{"allocs": 6, "reads": 2, "writes": 1}, "", ""},
		{"not everything is measured", figures{"allocs": 6}, "", ""},
		{"within the tolerance", figures{"allocs": 6.25}, "", ""},
		{"rounded", figures{"reads": 2.004, "writes": 0.996}, "", ""},
		{"beyond the tolerance", figures{"allocs": 6.3}, "ack: 6±0.25 allocs have risen to 6.3", ""},
		{"a tenth of a call", figures{"reads": 2.1}, "ack: 2 reads have risen to 2.1", ""},
		{"less", figures{"allocs": 3, "writes": 1.5}, "ack: 1 writes have risen to 1.5", "ack: 6±0.25 allocs have fallen to 3"},
		{"not recorded", figures{"waits": 0}, "ack: 0 waits, of which nothing is recorded", ""},
	} {
		risen, fallen := compare(r, "ack", test.now)
		if got := changes(risen); got != test.risen {
			t.Errorf("%s: risen %q, want %q", test.name, got, test.risen)
		}
		if got := changes(fallen); got != test.fallen {
			t.Errorf("%s: fallen %q, want %q", test.name, got, test.fallen)
		}
	}
	if risen, _ := compare(r, "other", figures{"allocs": 0}); len(risen) != 1 || !risen[0].new {
		t.Errorf("something new: %v", risen)
	}
}

func changes(cs []change) string {
	var texts []string
	for _, c := range cs {
		texts = append(texts, c.String())
	}
	return strings.Join(texts, ", ")
}

func TestLeast(t *testing.T) {
	t.Parallel()
	got := least(figures{"allocs": 3, "reads": 1}, figures{"allocs": 2, "reads": 5, "writes": 1})
	if !maps.Equal(got, figures{"allocs": 2, "reads": 1}) {
		t.Error(got)
	}
}
