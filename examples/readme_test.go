// Package examples_test checks that what the README shows compiles.
package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// imports are what the README's snippets take for granted.
var imports = map[string]string{
	"context": "context", "errors": "errors", "http": "net/http", "slog": "log/slog", "time": "time", "testing": "testing",
	"redis": "github.com/redis/go-redis/v9", "redisadapter": "github.com/tandem-go/tandem/redisadapter",
	"socketio": "github.com/tandem-go/tandem/socketio", "engine": "github.com/tandem-go/tandem/socketio/engine",
	"siotest": "github.com/tandem-go/tandem/socketio/siotest",
}

// surroundings are the names that the snippets use and do not declare. Each snippet becomes the body of a function with them as parameters.
const surroundings = `
type Point struct{ X, Y int }
type User struct{ Name string }
type Receipt struct{ ID int }

func allowed(*socketio.Socket, string) bool { return true }

func snippet(ctx context.Context, io *socketio.Server, s *socketio.Socket, srv *http.Server, t *testing.T) error {
	{
		%s
	}
	return nil
}

func main() {}
`

func TestREADMECompiles(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := goSnippets(string(text))
	if len(snippets) < 8 {
		t.Fatalf("the README has %d Go snippets, want 8 or more", len(snippets))
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// The snippets are laid over the module as packages of their own, without being written into it.
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	dir := t.TempDir()
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json")}
	for i, snippet := range snippets {
		name := fmt.Sprintf("readme%d", i)
		file := filepath.Join(dir, name+".go")
		if err := os.WriteFile(file, []byte(program(snippet)), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, "examples", name, "main.go")] = file
		args = append(args, "./examples/"+name)
	}
	replace, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), replace, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the README's snippets do not compile: %v\n%s", err, out)
	}
}

// goSnippets returns what stands between ```go and ```.
func goSnippets(text string) []string {
	var snippets []string
	for {
		_, rest, ok := strings.Cut(text, "```go\n")
		if !ok {
			return snippets
		}
		var snippet string
		snippet, text, _ = strings.Cut(rest, "```")
		snippets = append(snippets, snippet)
	}
}

// program makes a program of a snippet, unless it is one.
func program(snippet string) string {
	if strings.HasPrefix(snippet, "package ") {
		return snippet
	}
	body := fmt.Sprintf(surroundings, snippet)
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	for name, path := range imports {
		if strings.Contains(body, name+".") {
			fmt.Fprintf(&b, "\t%q\n", path)
		}
	}
	return b.String() + ")\n" + body
}
