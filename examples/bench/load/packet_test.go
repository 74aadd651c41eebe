package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestMessagesAreJSON(t *testing.T) {
	tests := []struct {
		message string
		want    []string
	}{
		{strings.TrimPrefix(echoMessage(3), "423"), []string{"echo", echoPayload()}},
		{strings.TrimPrefix(joinMessage(room), "420"), []string{"join", room}},
		{strings.TrimPrefix(pubMessage(7), "42"), []string{"pub", room, "00000007" + strings.Repeat("p", 56)}},
	}
	for _, tt := range tests {
		var got []string
		if err := json.Unmarshal([]byte(tt.message), &got); err != nil {
			t.Fatalf("%s: %v", tt.message, err)
		}
		if strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s holds %q, want %q", tt.message, got, tt.want)
		}
		if payload := got[len(got)-1]; payload != room && len(payload) != payloadSize {
			t.Errorf("%s has a payload of %d bytes", tt.message, len(payload))
		}
	}
}

func TestParseEvent(t *testing.T) {
	good := `42["msg","00000123` + strings.Repeat("p", 56) + `"]`
	if n, err := parseEvent([]byte(good)); n != 123 || err != nil {
		t.Errorf("parseEvent(%q) = %d, %v", good, n, err)
	}
	for _, bad := range []string{
		"", "42", good[:len(good)-1], good + " ",
		strings.Replace(good, "msg", "gsm", 1), strings.Replace(good, "123", "12x", 1),
	} {
		if _, err := parseEvent([]byte(bad)); !errors.Is(err, errUnexpectedEvent) {
			t.Errorf("parseEvent(%q): %v", bad, err)
		}
	}
}

func TestParseAck(t *testing.T) {
	if id, args, err := parseAck([]byte(`4315["x"]`)); id != 15 || string(args) != `["x"]` || err != nil {
		t.Errorf("parseAck = %d, %q, %v", id, args, err)
	}
	for _, bad := range []string{"43", "43[]", "431", "431x[]", "4312345678[]"} {
		if _, _, err := parseAck([]byte(bad)); !errors.Is(err, errUnexpectedAck) {
			t.Errorf("parseAck(%q): %v", bad, err)
		}
	}
}
