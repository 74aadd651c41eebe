package logonce_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/logonce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a logger's output without its times.
type book struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *book) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// expect fails unless exactly these lines have been logged since the last call.
func (b *book) expect(t *testing.T, lines ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	want := ""
	for _, line := range lines {
		want += line + "\n"
	}
	if got := b.buf.String(); got != want {
		t.Errorf("logged\n%swant\n%s", got, want)
	}
	b.buf.Reset()
}

// pass lets time pass, and a little more.
func pass(d time.Duration) {
	time.Sleep(d + time.Second)
	synctest.Wait()
}

func TestWhatRepeatsIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		log := logonce.New(b.logger())
		for n := range 1000 {
			log.Warn("one", "n", n)
			log.Error("two", "n", n)
		}
		b.expect(t, "level=WARN msg=one n=0", "level=ERROR msg=two n=0")
		pass(logonce.Period)
		got := b.lines()
		if len(got) != 2 || !got["level=WARN msg=one suppressed=999"] || !got["level=ERROR msg=two suppressed=999"] {
			t.Errorf("after a period: %v", got)
		}
		log.Warn("one", "n", 1000)
		b.expect(t)
		pass(logonce.Period)
		if got := b.lines(); len(got) != 2 || !got["level=WARN msg=one suppressed=1"] || !got["level=ERROR msg=two over=true suppressed=999"] {
			t.Errorf("after two periods: %v", got)
		}
		pass(logonce.Period)
		b.expect(t, "level=WARN msg=one over=true suppressed=1000")
		pass(10 * logonce.Period)
		b.expect(t)
		log.Warn("one", "n", 1)
		b.expect(t, "level=WARN msg=one n=1")
		pass(10 * logonce.Period)
		b.expect(t) // as it has not been repeated
		log.Close()
		b.expect(t)
	})
}

// lines returns what has been logged since the last call, in any order.
func (b *book) lines() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := make(map[string]bool)
	for line := range strings.Lines(b.buf.String()) {
		got[strings.TrimSpace(line)] = true
	}
	b.buf.Reset()
	return got
}

func TestCloseTellsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		log := logonce.New(b.logger())
		for range 3 {
			log.Warn("one")
		}
		b.expect(t, "level=WARN msg=one")
		log.Close()
		b.expect(t, "level=WARN msg=one suppressed=2")
		log.Warn("one")
		log.Warn("two")
		log.Warn("two")
		b.expect(t, "level=WARN msg=two")
		log.Close()
		pass(10 * logonce.Period)
	})
}

// expensive counts how often it is asked for its value.
type expensive struct{ asked *int }

func (e expensive) LogValue() slog.Value {
	*e.asked++
	return slog.StringValue("value")
}

func TestWhatIsSuppressedIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		log := logonce.New(b.logger())
		asked := 0
		for range 3 {
			log.Error("one", "stack", expensive{&asked})
		}
		if b.expect(t, "level=ERROR msg=one stack=value"); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		log.Close()
	})
}

func TestManyGoroutinesLogAndClose(t *testing.T) {
	var b book
	log := logonce.New(b.logger())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				log.Warn("one")
			}
		})
	}
	all.Wait()
	log.Close()
	b.expect(t, "level=WARN msg=one", "level=WARN msg=one suppressed=7999")
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		strings.Repeat("x", 200):        strings.Repeat("x", 200),
		strings.Repeat("x", 201):        strings.Repeat("x", 200) + "... (201 bytes)",
		strings.Repeat("é", 1000):       strings.Repeat("é", 100) + "... (2000 bytes)",
		"x" + strings.Repeat("é", 1000): "x" + strings.Repeat("é", 99) + "... (2001 bytes)",
	} {
		if got := logonce.Cut(in); got != want {
			t.Errorf("%d bytes: got %q, want %q", len(in), got, want)
		}
	}
}
