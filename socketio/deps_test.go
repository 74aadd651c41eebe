package socketio_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tandem-go/tandem"

// A listed package is what go list tells of it. Imports and Deps leave its tests out.
type listed struct {
	ImportPath string
	Imports    []string // directly
	Deps       []string // directly and indirectly
	Standard   bool
}

// An importRule says what the packages under some paths of the module may import.
type importRule struct {
	says  string
	of    []string // packages by their path below the module; "adapter" stands for all below it, too
	but   []string // packages that the rule leaves out
	all   bool     // the rule holds for what is imported indirectly as well
	allow []string // prefixes of what may be imported besides the standard library; everything when nil
	deny  []string // prefixes of what may not
}

func importRules() []importRule {
	const (
		goRedis = "github.com/redis/go-redis/"
		jwt     = "github.com/golang-jwt/jwt/"
		quic    = "github.com/quic-go/"
		msgp    = "github.com/tinylib/msgp/"
		frames  = "github.com/gobwas/"
	)
	heavy := []string{"socketio/webtransport", "socketio/parser/msgpack"}
	return []importRule{
		{
			says: "adapter imports the standard library only; adapter/wire may use the MessagePack runtime",
			of:   []string{"adapter"}, but: []string{"adapter/wire"}, all: true, allow: []string{module + "/adapter"},
		},
		{
			says: "adapter/wire imports the standard library and the MessagePack runtime only",
			of:   []string{"adapter/wire"}, allow: []string{module + "/adapter", msgp},
		},
		{
			says: "socketio imports adapter and internal/logonce, never redisadapter, auth or limits, and nothing from elsewhere but the frame library",
			of:   []string{"socketio"}, but: heavy, all: true, allow: []string{module + "/adapter", module + "/socketio", module + "/internal/logonce", frames},
		},
		{
			says: "socketio/internal packages do not import socketio",
			of:   []string{"socketio/internal"}, all: true, deny: []string{module + "/socketio$"},
		},
		{
			says: "the engine knows nothing of Socket.IO",
			of:   []string{"socketio/engine"}, all: true,
			deny: []string{module + "/socketio$", module + "/socketio/parser", module + "/adapter"},
		},
		{
			says: "redisadapter imports adapter, never socketio",
			of:   []string{"redisadapter"}, all: true,
			deny: []string{module + "/socketio", module + "/auth", module + "/limits", module + "/examples"},
		},
		{
			says: "auth and limits import socketio, and not each other or redisadapter",
			of:   []string{"auth"}, all: true, deny: []string{module + "/limits", module + "/redisadapter", module + "/examples"},
		},
		{
			says: "auth and limits import socketio, and not each other or redisadapter",
			of:   []string{"limits"}, all: true, deny: []string{module + "/auth", module + "/redisadapter", module + "/examples"},
		},
		{
			says: "go-redis is imported by redisadapter, the Redis store of limits and the examples only",
			of:   []string{""}, but: []string{"redisadapter", "limits", "examples"}, deny: []string{goRedis},
		},
		{
			says: "golang-jwt is imported by auth only",
			of:   []string{""}, but: []string{"auth", "examples"}, deny: []string{jwt},
		},
		{
			says: "quic-go is imported by socketio/webtransport only",
			of:   []string{""}, but: []string{"socketio/webtransport", "examples"}, deny: []string{quic},
		},
	}
}

// Errors are logged under one key, "err", by all packages of the library.
func TestErrorsAreLoggedUnderOneKey(t *testing.T) {
	other := regexp.MustCompile(`"(e|error|cause|panic)",`)
	logs := regexp.MustCompile(`\b(Debug|Info|Warn|Error|Log|Event|failed|warn)(Context)?\(`)
	seen := 0
	for _, dir := range []string{"../adapter", "../redisadapter", "."} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				if !logs.MatchString(line) {
					continue
				}
				seen += strings.Count(line, `"err",`)
				if key := other.FindString(line); key != "" {
					t.Errorf("%s: the key %s in: %s", path, key, line)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 5 {
		t.Errorf("only %d lines of the log have an error", seen)
	}
}

func TestImportRules(t *testing.T) {
	packages := listPackages(t)
	for _, rule := range importRules() {
		for _, p := range packages {
			for _, imported := range rule.breaks(p, packages) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, rule.says)
			}
		}
	}
}

// A rule that matches no import would hold whatever happens.
func TestImportRulesCanBreak(t *testing.T) {
	redis := listed{ImportPath: "github.com/redis/go-redis/v9"}
	for _, tt := range []struct {
		breaks int
		path   string
		deps   []string
	}{
		{0, "/adapter", []string{"context", module + "/adapter/cluster"}},
		{2, "/adapter", []string{redis.ImportPath}}, // not the standard library, and not the Redis adapter
		{1, "/adapter/cluster", []string{module + "/socketio"}},
		{1, "/socketio/internal/flush", []string{module + "/socketio"}},
		{0, "/socketio/internal/flush", []string{module + "/socketio/internal/packet"}},
		{2, "/socketio", []string{redis.ImportPath}},
		{0, "/socketio", []string{"github.com/gobwas/ws", module + "/adapter"}},
		{2, "/socketio/engine", []string{module + "/socketio/parser", module + "/adapter"}},
		{1, "/redisadapter", []string{module + "/socketio/parser"}},
		{0, "/examples/chat", []string{redis.ImportPath, module + "/redisadapter"}},
		{1, "/examples/../tool", []string{redis.ImportPath}},
	} {
		packages := map[string]listed{"context": {ImportPath: "context", Standard: true}, redis.ImportPath: redis}
		p := listed{ImportPath: module + filepath.ToSlash(filepath.Clean(tt.path)), Imports: tt.deps, Deps: tt.deps}
		broken := 0
		for _, rule := range importRules() {
			broken += len(rule.breaks(p, packages))
		}
		if broken != tt.breaks {
			t.Errorf("%s importing %q breaks %d rules, want %d", p.ImportPath, tt.deps, broken, tt.breaks)
		}
	}
}

// breaks returns the imports of p that the rule forbids.
func (r importRule) breaks(p listed, packages map[string]listed) []string {
	path, ours := strings.CutPrefix(p.ImportPath, module)
	path = strings.TrimPrefix(path, "/")
	if !ours || !below(path, r.of) || below(path, r.but) {
		return nil
	}
	imports := p.Imports
	if r.all {
		imports = p.Deps
	}
	var broken []string
	for _, imported := range imports {
		allowed := r.allow == nil || packages[imported].Standard || startsWith(imported, r.allow)
		if !allowed || startsWith(imported, r.deny) {
			broken = append(broken, imported)
		}
	}
	return broken
}

func below(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return root == "" || path == root || strings.HasPrefix(path, root+"/")
	})
}

// startsWith reports whether path has one of the prefixes; a prefix that ends in $ stands for itself alone.
func startsWith(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		if exact, ok := strings.CutSuffix(prefix, "$"); ok {
			return path == exact
		}
		return strings.HasPrefix(path, prefix)
	})
}

func listPackages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "./...")
	cmd.Dir = ".." // the module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading what go list tells: %v", err)
		}
		packages[p.ImportPath] = p
	}
	if _, ok := packages[module+"/socketio"]; !ok {
		t.Fatalf("go list does not know %s/socketio among %d packages", module, len(packages))
	}
	return packages
}
