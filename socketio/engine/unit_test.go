package engine

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw  string
		want query
	}{
		{"EIO=4&transport=polling&sid=abc", query{"polling", "abc", "4"}},
		{"EIO=4&EIO=3", query{eio: "3"}},
		{"sid=", query{}},
		{"transport", query{}},
		{"sid=a%2Bb+c", query{sid: "a+b c"}},
		{"sid=%zz", query{sid: "%zz"}},
		{"eio=4&Transport=polling", query{}},
		{"", query{}},
	}
	for _, tt := range tests {
		if got := parseQuery(tt.raw); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.raw, got, tt.want)
		}
	}
}

func TestAcceptedEncoding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept []string
		want   string
	}{
		{nil, ""},
		{[]string{"gzip"}, "gzip"},
		{[]string{"deflate"}, "deflate"},
		{[]string{"gzip, deflate, br"}, "gzip"},
		{[]string{"gzip;q=0.5, deflate;q=0.8"}, "deflate"},
		{[]string{"br", "GZIP"}, "gzip"},
		{[]string{"gzip;q=0"}, ""},
		{[]string{"*"}, "gzip"},
		{[]string{"gzip;q=0, *"}, "deflate"},
		{[]string{"identity"}, ""},
		{[]string{"gzip;q=nonsense"}, ""},
	}
	for _, tt := range tests {
		if got := acceptedEncoding(tt.accept); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.accept, got, tt.want)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cors   CORS
		origin string
		want   bool
	}{
		{CORS{Origins: []string{"*"}}, "https://anything", true},
		{CORS{Origins: []string{"https://a.example"}}, "https://a.example", true},
		{CORS{Origins: []string{"https://a.example"}}, "HTTPS://A.example", true},
		{CORS{Origins: []string{"https://a.example"}}, "http://a.example", false},
		{CORS{Origins: []string{"https://a.example"}}, "https://a.example.evil", false},
		{CORS{Origins: []string{"https://a.example"}}, "https://a.example:8443", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://a.example.com", true},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://a.b.example.com", true},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://evil.com/.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://evil.com#.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://evil.com?.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, `https://evil.com\.example.com`, false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://evil.com:443.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://a@b.example.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "https://evilexample.com", false},
		{CORS{Origins: []string{"https://*.example.com"}}, "http://a.example.com", false},
		{CORS{Origins: []string{"https://a.example"}}, "null", false},
		{CORS{Origins: []string{"null"}}, "null", true},
		{CORS{}, "https://self.example", true},
		{CORS{}, "https://self.example:444", false},
		{CORS{}, "", true},
		{CORS{AllowOrigin: func(o string) bool { return o == "https://f" }}, "https://f", true},
		{CORS{AllowOrigin: func(o string) bool { return o == "https://f" }}, "https://g", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "https://self.example/engine.io/", nil)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if got := tt.cors.apply(http.Header{}, r); got != tt.want {
			t.Errorf("%q with %q: %v, want %v", tt.origin, tt.cors.Origins, got, tt.want)
		}
	}
}

func TestFirstProtocol(t *testing.T) {
	t.Parallel()
	for offered, want := range map[string]string{
		"": "", "a": "a", "a, b": "a", " a ,b": "a", "bad token, b": "", "é": "", "a\"b": "",
	} {
		r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": {offered}}}
		if got := firstProtocol(r); got != want {
			t.Errorf("%q: got %q, want %q", offered, got, want)
		}
	}
}

func TestAcceptKey(t *testing.T) {
	t.Parallel()
	// The example of RFC 6455, section 1.3.
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("got %q", got)
	}
}

func TestHandshakeIsCompactAndComplete(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "http://h.example/engine.io/?EIO=4&a=1&a=2&b=%20x", nil)
	r.Header = http.Header{"Cookie": {"a=b; c=d"}, "X-Many": {"1", "2"}, "X-Colon": {"a: b"}, "X-Empty": {""}}
	h := new(handshakes).make("an id", r)
	if got := h.Header(); !reflect.DeepEqual(got, r.Header) {
		t.Errorf("header = %v, want %v", got, r.Header)
	}
	if got, want := h.Query(), (url.Values{"EIO": {"4"}, "a": {"1", "2"}, "b": {" x"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("query = %v, want %v", got, want)
	}
	if h.Host() != "h.example" || h.Secure() || h.URL() != "/engine.io/?EIO=4&a=1&a=2&b=%20x" || h.RemoteAddr() != r.RemoteAddr || h.Time().IsZero() {
		t.Errorf("got %+v", h)
	}
}

func TestRandomIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := randomID()
		if len(id) != 20 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// An idle session must stay small: there may be very many of them. The sizes are those
// of the allocator's classes.
func TestSizes(t *testing.T) {
	t.Parallel()
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those with pointers of 8 bytes")
	}
	for name, c := range map[string]struct{ size, most uintptr }{
		"Session":   {unsafe.Sizeof(Session{}), 160},
		"wsConn":    {unsafe.Sizeof(wsConn{}), 80},
		"pollState": {unsafe.Sizeof(pollState{}), 112},
	} {
		if c.size > c.most {
			t.Errorf("a %s takes %d bytes, want at most %d", name, c.size, c.most)
		}
	}
}
