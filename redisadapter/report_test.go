package redisadapter

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestReportsNameTheErrorAsOtherPackagesDo(t *testing.T) {
	var logs bytes.Buffer
	r := &reporter{log: slog.New(slog.NewTextHandler(&logs, nil))}
	r.report(troublePublisher, 1, errors.New("boom"), "node", "x")
	if !strings.Contains(logs.String(), " err=boom ") {
		t.Errorf("logged: %s", &logs)
	}
}
