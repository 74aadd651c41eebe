package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// block is an entry of a list: lines that stand together.
type block struct {
	lines []string
	at    string // the list's name and the number of the first line
}

// errorf returns an error that says which entry is meant.
func (b block) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", b.at, fmt.Errorf(format, args...))
}

// readBlocks reads a list. Comments are left out.
func readBlocks(r io.Reader, name string) (blocks []block, err error) {
	var b block
	end := func() {
		if len(b.lines) > 0 {
			blocks = append(blocks, b)
		}
		b = block{}
	}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		switch text := sc.Text(); {
		case strings.TrimSpace(text) == "":
			end()
		case strings.HasPrefix(text, "#"):
		default:
			if len(b.lines) == 0 {
				b.at = fmt.Sprintf("%s:%d", name, n)
			}
			b.lines = append(b.lines, text)
		}
	}
	end()
	return blocks, sc.Err()
}
