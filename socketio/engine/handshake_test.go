package engine

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// handshakeRequest returns the handshake of a browser, with further headers.
func handshakeRequest(target string, more http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header = http.Header{
		"User-Agent":        {"Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.0.0"},
		"Accept-Language":   {"en-GB,en;q=0.9"},
		"Origin":            {"https://chat.example"},
		"Connection":        {"Upgrade"},
		"Upgrade":           {"websocket"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	maps.Copy(r.Header, more)
	return r
}

func TestHandshakeKeepsEverything(t *testing.T) {
	t.Parallel()
	const target = "http://h.example/socket.io/?EIO=4&transport=websocket"
	for name, header := range map[string]http.Header{
		"a browser":            {},
		"its user":             {"Cookie": {"a=b; c=d"}, "Authorization": {"Bearer x"}},
		"repeated":             {"Accept": {"text/html", "*/*"}, "X-Forwarded-For": {"10.0.0.1", "10.0.0.2"}, "Via": {"", ""}},
		"no key":               {"Sec-Websocket-Key": {""}},
		"two keys":             {"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="}},
		"a key with odd bits":  {"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZR=="}},
		"a key with line ends": {"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub\n5jZQ=="}},
		"a short key":          {"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ"}},
		"long":                 {"Cookie": {strings.Repeat("c", 20_000)}, "Accept": {strings.Repeat("a", 3000)}, "X": {strings.Repeat("x", 130)}},
		"line ends":            {"X-Lines": {"a\r\nb: c\x00"}},
	} {
		for _, target := range []string{target, target + "&t=abc", "/"} {
			r := handshakeRequest(target, header)
			if len(header) > 0 {
				r.TLS = new(tls.ConnectionState)
			}
			h := new(handshakes).make("an id", r)
			if h.id() != "an id" {
				t.Errorf("%s: id %q", name, h.id())
			}
			if got := h.Header(); !reflect.DeepEqual(got, r.Header) {
				t.Errorf("%s: header %q, want %q", name, got, r.Header)
			}
			if h.URL() != r.URL.RequestURI() || h.Host() != r.Host || h.RemoteAddr() != r.RemoteAddr || h.Secure() != (r.TLS != nil) {
				t.Errorf("%s: got %q, %q, %q, %t", name, h.URL(), h.Host(), h.RemoteAddr(), h.Secure())
			}
		}
	}
}

// The id and the address are kept as they are, however long or odd.
func TestHandshakeIDAndAddress(t *testing.T) {
	t.Parallel()
	r := handshakeRequest("http://h.example/socket.io/?EIO=4&transport=websocket", nil)
	for _, id := range []string{"x", randomID(), strings.Repeat("i", 127), strings.Repeat("i", 128), strings.Repeat("i", 20_000)} {
		for _, addr := range []string{
			"127.0.0.1:12345", "255.255.255.255:65535", "0.0.0.0:0", "[::1]:80", "[::ffff:10.0.0.1]:80", "[fe80::1%eth0]:80",
			"10.0.0.1:080", "10.0.0.1", "010.0.0.1:80", "@", "pipe", "", "10.0.0.1:65536",
		} {
			r.RemoteAddr = addr
			h := new(handshakes).make(id, r)
			if h.id() != id || h.RemoteAddr() != addr {
				t.Errorf("got %q, %q, want %q, %q", h.id(), h.RemoteAddr(), id, addr)
			}
			if got := h.Header(); !reflect.DeepEqual(got, r.Header) {
				t.Errorf("%s: header %q, want %q", addr, got, r.Header)
			}
		}
	}
}

// The handshakes of many clients must not keep what is the same in all of them.
func TestHandshakesShare(t *testing.T) {
	t.Parallel()
	const target = "http://h.example/socket.io/?EIO=4&transport=websocket"
	shared := new(handshakes)
	first := shared.make(randomID(), handshakeRequest(target, nil))
	for i := range 100 {
		h := shared.make(randomID(), handshakeRequest(target, http.Header{"Cookie": {fmt.Sprint("user=", i)}}))
		if h.common != first.common {
			t.Fatalf("handshake %d has %q of its own", i, *h.common)
		}
	}
	if size := len(first.own); size > 64 {
		t.Errorf("the handshake of a browser without cookies takes %d bytes", size)
	}
}

func TestInternerIsBounded(t *testing.T) {
	t.Parallel()
	var in interner
	often := in.intern([]byte("often"))
	for i := range 10 * maxInterned {
		if got := in.intern(fmt.Append(nil, i)); *got != fmt.Sprint(i) {
			t.Fatalf("got %q, want %d", *got, i)
		}
		if got := in.intern([]byte("often")); got != often {
			t.Fatal("a text that is used all the time was forgotten")
		}
	}
	if n := len(in.young) + len(in.old); n > 2*maxInterned {
		t.Errorf("%d texts are remembered", n)
	}
	large := []byte(strings.Repeat("x", maxInternedSize+1))
	if a, b := in.intern(large), in.intern(large); a == b || *a != *b || *a != string(large) {
		t.Error("a large text is remembered, or changed")
	}
}

func BenchmarkNewHandshake(b *testing.B) {
	r := handshakeRequest("http://h.example/socket.io/?EIO=4&transport=websocket", http.Header{
		"Pragma": {"no-cache"}, "Cache-Control": {"no-cache"}, "Sec-Websocket-Version": {"13"}, "Accept-Encoding": {"gzip, deflate, br, zstd"},
		"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
	})
	shared := new(handshakes)
	b.ReportAllocs()
	for b.Loop() {
		shared.make("an id of 20 letters.", r)
	}
}

// What is admitted is hardly larger when it is kept.
func TestHandshakeIsNotLargerThanItsRequest(t *testing.T) {
	t.Parallel()
	repeated := func(n int, value string) []string {
		values := make([]string, n)
		for i := range values {
			values[i] = value
		}
		return values
	}
	for name, header := range map[string]http.Header{
		"a browser":      {},
		"many empty":     {"X": repeated(10_000, "")},
		"many short":     {"X": repeated(10_000, "x")},
		"many medium":    {"X": repeated(1000, strings.Repeat("x", 130))},
		"one large":      {"X": {strings.Repeat("x", 1<<20)}},
		"common":         {"Via": repeated(1000, "a"), "Accept": {strings.Repeat("a", 100_000)}},
		"keys":           {"Sec-Websocket-Key": repeated(1000, "dGhlIHNhbXBsZSBub25jZQ==")},
		"without a name": {"": repeated(1000, "")},
	} {
		for _, target := range []string{"/", "/?EIO=4&transport=websocket", "/%41%2F/?" + strings.Repeat("q", 10_000)} {
			r := handshakeRequest("http://h.example"+target, header)
			h := new(handshakes).make("", r)
			const fixed = 40 // the time, the address, lengths
			if kept, size := len(h.own)+len(*h.common), handshakeSize(r); kept > size+size/100+fixed {
				t.Errorf("%s, %.40s: %d bytes are kept, of %d", name, target, kept, size)
			}
		}
	}
}
