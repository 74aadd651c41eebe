package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestParseResponse(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, in, body, rest string
		incomplete           bool
		err                  error
	}{
		{name: "nothing", incomplete: true},
		{name: "half a head", in: ok + "Content-Length: 2\r\n", incomplete: true},
		{name: "length", in: ok + "Content-Length: 2\r\n\r\nokHTTP", body: "ok", rest: "HTTP"},
		{name: "other letters", in: ok + "content-length:2\r\n\r\nok", body: "ok"},
		{name: "half a body", in: ok + "Content-Length: 2\r\n\r\no", incomplete: true},
		{name: "chunks", in: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nHTTP", body: "abc0123456789", rest: "HTTP"},
		{name: "half a chunk", in: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nab", incomplete: true},
		{name: "no last chunk", in: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", incomplete: true},
		{name: "no chunk", in: ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n", err: errMalformedResponse},
		{name: "no length", in: ok + "\r\nbody", err: errMalformedResponse},
		{name: "negative length", in: ok + "Content-Length: -1\r\n\r\n", err: errMalformedResponse},
		{name: "refusal", in: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", err: errRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, n, err := parseResponse([]byte(tt.in))
			if !errors.Is(err, tt.err) || string(body) != tt.body {
				t.Fatalf("parseResponse = %q, %d, %v", body, n, err)
			}
			if want := len(tt.in) - len(tt.rest); !tt.incomplete && err == nil && n != want || (tt.incomplete || err != nil) && n != 0 {
				t.Errorf("parseResponse read %d of %d bytes", n, len(tt.in))
			}
		})
	}
}

// FuzzParseResponse compares parseResponse with net/http on what both accept.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, n, err := parseResponse(b)
		if n > len(b) || err != nil && n != 0 {
			t.Fatalf("parseResponse(%q) = %d, %v", b, n, err)
		}
		if n == 0 {
			return
		}
		if bytes.Count(b[:n], []byte("\n")) != bytes.Count(b[:n], []byte("\r\n")) {
			return // net/http takes a bare line feed for the end of a line, too
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:n])), nil)
		if err != nil {
			return // net/http checks more of the head
		}
		defer resp.Body.Close()
		if want, err := io.ReadAll(resp.Body); err == nil && !bytes.Equal(body, want) {
			t.Errorf("parseResponse(%q) = %q, net/http says %q", b, body, want)
		}
	})
}

func TestPollingRequests(t *testing.T) {
	get := appendGet(nil, "")
	get = appendGet(get, "abc")
	post := appendPost(nil, "abc", []byte("42[]"))
	r := bufio.NewReader(bytes.NewReader(append(get, post...)))
	for _, want := range []struct{ method, sid, body string }{{"GET", "", ""}, {"GET", "abc", ""}, {"POST", "abc", "42[]"}} {
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(req.Body)
		q := req.URL.Query()
		if err != nil || req.Method != want.method || q.Get("sid") != want.sid || string(body) != want.body || q.Get("transport") != "polling" {
			t.Errorf("request %s %s with %q, %v; want %+v", req.Method, req.URL, body, err, want)
		}
	}
}

func TestParseOpen(t *testing.T) {
	if sid, err := parseOpen([]byte(`0{"sid":"abc","upgrades":[]}`)); sid != "abc" || err != nil {
		t.Errorf("parseOpen = %q, %v", sid, err)
	}
	for _, bad := range []string{`0{}`, `0`, `0{"sid":`} {
		if _, err := parseOpen([]byte(bad)); !errors.Is(err, errRefused) {
			t.Errorf("parseOpen(%q): %v", bad, err)
		}
	}
}

func TestParseTraffic(t *testing.T) {
	info := "# Stats\r\ntotal_connections_received:3\r\ntotal_commands_processed:7\r\ntotal_net_input_bytes:500\r\ntotal_net_output_bytes:900\r\n"
	got, err := parseTraffic(info)
	if want := (traffic{commands: 7, in: 500, out: 900}); got != want || err != nil {
		t.Errorf("parseTraffic = %+v, %v", got, err)
	}
	for _, bad := range []string{"", strings.Replace(info, "500", "x", 1), strings.Replace(info, "output", "other", 1)} {
		if _, err := parseTraffic(bad); !errors.Is(err, errRedisReply) {
			t.Errorf("parseTraffic(%q): %v", bad, err)
		}
	}
}
