package redisadapter

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/logonce"
)

func TestReportsNameTheErrorAsOtherPackagesDo(t *testing.T) {
	var logs bytes.Buffer
	r := &reporter{log: logonce.New(slog.New(slog.NewTextHandler(&logs, nil)))}
	r.report(troublePublisher, 1, errors.New("boom"), "node", "x")
	r.log.Close()
	if !strings.Contains(logs.String(), " err=boom ") {
		t.Errorf("logged: %s", &logs)
	}
}

// What repeats is logged once, then how often it was, and counted in full.
func TestReportsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		r := &reporter{log: logonce.New(slog.New(slog.NewTextHandler(&logs, nil)))}
		for range 100 {
			r.report(troubleRequest, 1, errMalformed)
			time.Sleep(time.Second)
		}
		r.report(troubleResponse, 5, errMalformed)
		r.log.Close()
		if n := strings.Count(logs.String(), "malformed requests"); n < 2 || n > 4 || !strings.Contains(logs.String(), "suppressed=") {
			t.Errorf("logged %s", &logs)
		}
		if r.count(troubleRequest) != 100 || r.count(troubleResponse) != 5 {
			t.Error("not everything was counted")
		}
	})
}
