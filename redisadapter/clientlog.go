package redisadapter

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tandem-go/tandem/internal/logonce"
)

// ClientLog writes what the Redis client logs by itself, such as each failure to connect,
// to a logger: each kind of line once, and then once a minute how many more there were.
// The Redis client has one logger for the whole program, and writes to the standard error
// without it; a program sets it once, when it starts:
//
//	redis.SetLogger(redisadapter.NewClientLog(slog.Default()))
//
// It is safe for concurrent use.
type ClientLog struct{ lines *logonce.Log }

// NewClientLog returns a ClientLog that writes to the logger, as warnings.
func NewClientLog(log *slog.Logger) *ClientLog { return &ClientLog{lines: logonce.New(log)} }

// Printf is what the Redis client calls. The format makes the kind of line.
func (l *ClientLog) Printf(_ context.Context, format string, args ...any) {
	l.lines.Event(slog.LevelWarn, "redisadapter: the redis client", format, "line", logonce.Cut(fmt.Sprintf(format, args...)))
}

// Close writes how many lines have not been told of.
func (l *ClientLog) Close() { l.lines.Close() }
