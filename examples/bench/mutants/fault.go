package main

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// fault is one of our own: lines of a file and what takes their place.
type fault struct {
	block

	what         string
	file         string // below the module's root, with slashes
	test         []string
	old, changed []string // lines without indentation
}

// readFaults reads all lists in a folder.
func readFaults(dir string) (faults []*fault, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		blocks, err := readBlocks(f, filepath.Base(name))
		f.Close()
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			fault, err := parseFault(b)
			if err != nil {
				return nil, err
			}
			faults = append(faults, fault)
		}
	}
	return faults, nil
}

func parseFault(b block) (*fault, error) {
	f := &fault{block: b, what: b.lines[0]}
	for _, line := range b.lines[1:] {
		text := strings.TrimSpace(line[1:])
		switch line[0] {
		case '-':
			f.old = append(f.old, text)
		case '+':
			f.changed = append(f.changed, text)
		case ' ':
			f.old, f.changed = append(f.old, text), append(f.changed, text)
		default:
			key, value, _ := strings.Cut(line, " ")
			switch key {
			case "file":
				f.file = value
			case "test":
				f.test = strings.Fields(value)
			default:
				return nil, b.errorf("%q is neither a file, nor a test, nor a line of code", line)
			}
		}
	}
	if f.file == "" || len(f.old) == 0 || slices.Equal(f.old, f.changed) {
		return nil, b.errorf("a file and lines to change in it are wanted")
	}
	if !slices.ContainsFunc(f.test, func(arg string) bool { return strings.HasPrefix(arg, "./") }) {
		f.test = append([]string{"./" + path.Dir(f.file)}, f.test...)
	}
	return f, nil
}

var (
	errNotFound  = errors.New("the lines are not in the file")
	errAmbiguous = errors.New("the lines are in the file more than once")
)

// apply returns the source of the file with the fault in it.
func (f *fault) apply(source string) (string, error) {
	lines := strings.Split(source, "\n")
	at := -1
	for i := range len(lines) - len(f.old) + 1 {
		if !slices.EqualFunc(lines[i:i+len(f.old)], f.old, func(line, old string) bool { return strings.TrimSpace(line) == old }) {
			continue
		}
		if at >= 0 {
			return "", f.errorf("%s: %w", f.file, errAmbiguous)
		}
		at = i
	}
	if at < 0 {
		return "", f.errorf("%s: %w", f.file, errNotFound)
	}
	return strings.Join(slices.Replace(lines, at, at+len(f.old), f.changed...), "\n"), nil
}
