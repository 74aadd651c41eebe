// Package logonce logs what may happen again and again without filling the log: each kind of line
// once, then at most once a [Period] how many more there were, and once that it is over.
package logonce

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Period is how often a kind of line is logged at most while it goes on.
const Period = time.Minute

// MaxText is the number of bytes that [Cut] leaves of a text.
const MaxText = 200

// Cut shortens a text that a client has sent, or may have, for a line of the log. It says how long
// a text was that is shortened.
func Cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:MaxText], ""), len(s))
}

// Stack is the stack of the goroutine that logs it: an attribute that costs nothing while the line is suppressed.
type Stack struct{}

// LogValue returns the stack as text.
func (Stack) LogValue() slog.Value { return slog.StringValue(string(debug.Stack())) }

// A Log logs lines by their kind, which is their message, for some with their event. Messages must
// be constants: a Log keeps those of the last period. It is safe for concurrent use, and needs no
// goroutine while nothing is logged.
type Log struct {
	log *slog.Logger

	mu     sync.Mutex
	kinds  map[key]*kind
	closed bool
	timers sync.WaitGroup // those that are armed, and what they run
}

// key is what makes lines of a kind.
type key struct{ msg, event string }

// kind is what has happened with one message since it was logged.
type kind struct {
	level      slog.Level
	timer      *time.Timer
	suppressed int // in this period
	total      int // of those that have been told of
}

// New returns a Log that writes to a logger.
func New(log *slog.Logger) *Log { return &Log{log: log, kinds: make(map[key]*kind)} }

// Warn logs a line unless one with the same message has been logged a short while ago: then it only
// counts. The arguments are those of [slog.Logger.Warn]. What is expensive to make should be a
// [slog.LogValuer], which is asked only if it is logged. Warn reports whether it is.
func (l *Log) Warn(msg string, args ...any) (logged bool) {
	return l.write(slog.LevelWarn, key{msg: msg}, args)
}

// Error is Warn for lines with the level of errors.
func (l *Log) Error(msg string, args ...any) (logged bool) {
	return l.write(slog.LevelError, key{msg: msg}, args)
}

// Event is Warn, or Error, for lines that are of one kind if their event is the same as well, which
// they have as an attribute. The events must be few: a client must not be able to make them up.
func (l *Log) Event(level slog.Level, msg, event string, args ...any) (logged bool) {
	return l.write(level, key{msg, event}, append([]any{"event", event}, args...))
}

func (l *Log) write(level slog.Level, k key, args []any) (logged bool) {
	if !l.admit(level, k) {
		return false
	}
	for i, arg := range args {
		if v, ok := arg.(slog.LogValuer); ok {
			args[i] = v.LogValue() // A handler may ask on another goroutine, whose stack is another one.
		}
	}
	l.log.Log(context.Background(), level, k.msg, args...)
	return true
}

// admit reports whether a line is the first of its kind.
func (l *Log) admit(level slog.Level, of key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.kinds[of]; k != nil {
		k.suppressed++
		return false
	}
	k := &kind{level: level}
	l.kinds[of] = k
	if !l.closed {
		l.timers.Add(1)
		k.timer = time.AfterFunc(Period, func() { l.tell(of, k) })
	}
	return true
}

// tell logs how often a line was suppressed in the period that is over, or that there was none any more.
func (l *Log) tell(of key, k *kind) {
	defer l.timers.Done()
	l.mu.Lock()
	if l.closed { // and Close tells
		l.mu.Unlock()
		return
	}
	n, total := k.take()
	if n > 0 {
		l.timers.Add(1)
		k.timer.Reset(Period)
	} else {
		delete(l.kinds, of)
	}
	l.mu.Unlock()
	switch {
	case n > 0:
		l.again(of, k.level, "suppressed", n)
	case total > 0:
		l.again(of, k.level, "over", true, "suppressed", total)
	}
}

// take returns the number of lines that nobody has been told of, and that of the others. The Log's mu is held.
func (k *kind) take() (fresh, told int) {
	fresh, told = k.suppressed, k.total
	k.suppressed, k.total = 0, k.total+fresh
	return fresh, told
}

// again logs a line about the others of a kind.
func (l *Log) again(of key, level slog.Level, args ...any) {
	if of.event != "" {
		args = append([]any{"event", of.event}, args...)
	}
	l.log.Log(context.Background(), level, of.msg, args...)
}

// Close logs what has been suppressed and not been told of. It waits for lines that are being
// logged. Afterwards each kind is logged once.
func (l *Log) Close() {
	untold := make(map[key]int)
	levels := make(map[key]slog.Level)
	l.mu.Lock()
	l.closed = true
	for of, k := range l.kinds {
		if k.timer != nil && k.timer.Stop() {
			l.timers.Done()
		}
		if n, _ := k.take(); n > 0 {
			untold[of], levels[of] = n, k.level
		}
	}
	l.mu.Unlock()
	l.timers.Wait()
	for of, n := range untold {
		l.again(of, levels[of], "suppressed", n)
	}
}
