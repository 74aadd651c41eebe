package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestMessagesAreJSON(t *testing.T) {
	tests := []struct {
		message message
		prefix  string
		want    []string
	}{
		{echoMessage(3, "hello"), "423", []string{"echo", "hello"}},
		{joinMessage(hall), "420", []string{"join", hall}},
		{pubMessage(hall, 7, usualSize, false), "42", []string{"pub", hall, "00000007" + strings.Repeat("p", 56)}},
		{pubMessage("x", 12, sequenceSize, false), "42", []string{"pub", "x", "00000012"}},
	}
	for _, tt := range tests {
		body, found := strings.CutPrefix(tt.message.packet, tt.prefix)
		var got []string
		if err := json.Unmarshal([]byte(body), &got); err != nil || !found || !slices.Equal(got, tt.want) {
			t.Errorf("%s holds %q, %v, want %q", tt.message.packet, got, err, tt.want)
		}
		if want := appendFrame(nil, opText, []byte(tt.message.packet)); !bytes.Equal(tt.message.frames, want) {
			t.Errorf("the frames of %s are %q", tt.message.packet, tt.message.frames)
		}
	}
}

func TestBinaryMessage(t *testing.T) {
	got := pubMessage("r", 5, 10, true)
	want := appendFrame(nil, opText, []byte(`451-["pub","r",{"_placeholder":true,"num":0}]`))
	want = appendFrame(want, opBinary, []byte("00000005pp"))
	if !bytes.Equal(got.frames, want) {
		t.Errorf("frames %q, want %q", got.frames, want)
	}
}

func TestParseEvent(t *testing.T) {
	good := `42["msg","00000123` + strings.Repeat("p", 56) + `"]`
	if n, err := parseEvent([]byte(good), usualSize); n != 123 || err != nil {
		t.Errorf("parseEvent(%q) = %d, %v", good, n, err)
	}
	for _, bad := range []string{
		"", "42", good[:len(good)-1], good + " ",
		strings.Replace(good, "msg", "gsm", 1), strings.Replace(good, "123", "12x", 1),
	} {
		if _, err := parseEvent([]byte(bad), usualSize); !errors.Is(err, errUnexpectedEvent) {
			t.Errorf("parseEvent(%q): %v", bad, err)
		}
	}
	if _, err := parseEvent([]byte(good), 63); !errors.Is(err, errUnexpectedEvent) {
		t.Errorf("parseEvent of an event with another size: %v", err)
	}
	if _, err := parsePayload([]byte("0000000112"), 9); !errors.Is(err, errUnexpectedEvent) {
		t.Errorf("parsePayload of a payload with another size: %v", err)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 18_000: "18,000", 1_234_567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q", n, got)
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
