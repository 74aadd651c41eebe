package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// place is where a fault of gremlins is, whatever the number of the line.
type place struct {
	file     string // below the module's root, with slashes
	function string
	kind     string // of the fault
	line     string // without indentation, the operator marked
}

func (p place) String() string {
	return fmt.Sprintf("%s %s\n%s %s\n", p.file, p.function, p.kind, p.line)
}

// survivor is a fault that no test has to notice, for a reason.
type survivor struct {
	block
	place

	reason string
}

// readSurvivors reads the list of survivors.
func readSurvivors(path string) (survivors []survivor, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	blocks, err := readBlocks(f, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		s, err := parseSurvivor(b)
		if err != nil {
			return nil, err
		}
		survivors = append(survivors, s)
	}
	return survivors, nil
}

func parseSurvivor(b block) (survivor, error) {
	s := survivor{block: b}
	if len(b.lines) < 3 {
		return s, b.errorf("a place, a line and a reason are wanted")
	}
	var where, what bool
	s.file, s.function, where = strings.Cut(b.lines[0], " ")
	s.kind, s.line, what = strings.Cut(b.lines[1], " ")
	s.reason = strings.Join(b.lines[2:], " ")
	if !where || !what || !strings.Contains(s.line, "«") {
		return s, b.errorf("a file and a function, then a kind and a line with a marked operator are wanted")
	}
	return s, nil
}

// check returns an error if the line is not in the function any more.
func (s survivor) check(root string) error {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.file)))
	if err != nil {
		return s.errorf("%w", err)
	}
	functions, err := parseFunctions(s.file, source)
	if err != nil {
		return s.errorf("%w", err)
	}
	want := strings.NewReplacer("«", "", "»", "").Replace(s.line)
	n := 0
	for line := range strings.Lines(string(source)) {
		if n++; strings.TrimSpace(line) == want && functions.at(n) == s.function {
			return nil
		}
	}
	return s.errorf("%s %s: %w", s.file, s.function, errNotFound)
}

// find returns the place of a line and a column in a source.
func find(file, kind string, source []byte, line, column int) (place, error) {
	p := place{file: file, kind: kind}
	lines := bytes.Split(source, []byte("\n"))
	if line < 1 || line > len(lines) || column < 1 || column > len(lines[line-1]) {
		return p, fmt.Errorf("%s:%d:%d: %w", file, line, column, errNotFound)
	}
	text := lines[line-1]
	size := operator(text[column-1:])
	p.line = strings.TrimSpace(string(text[:column-1]) + "«" + string(text[column-1:column-1+size]) + "»" + string(text[column-1+size:]))
	functions, err := parseFunctions(file, source)
	p.function = functions.at(line)
	return p, err
}

// functions are those of a file.
type functions struct {
	set  *token.FileSet
	tree *ast.File
}

func parseFunctions(file string, source []byte) (functions, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	return functions{set, tree}, err
}

// at returns the name of the function that a line is in, or else a dash.
func (fs functions) at(line int) string {
	if fs.tree == nil {
		return "-"
	}
	for _, d := range fs.tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && fs.set.Position(f.Pos()).Line <= line && line <= fs.set.Position(f.End()).Line {
			return name(f)
		}
	}
	return "-"
}

// operator returns the length of the operator, or the word, that a text begins with.
func operator(text []byte) int {
	set := token.NewFileSet()
	var s scanner.Scanner
	s.Init(set.AddFile("", set.Base(), len(text)), text, nil, 0)
	_, tok, lit := s.Scan()
	if tok.IsOperator() {
		return len(tok.String())
	}
	return len(lit)
}

// name returns the name of a function, with its receiver's type if it is a method.
func name(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}
