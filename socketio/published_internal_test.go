package socketio

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// However a parameter is written that an application can read, it is known by its name.
func TestPublicURL(t *testing.T) {
	for target, want := range map[string]string{
		"/socket.io/?EIO=4&transport=polling":                    "/socket.io/?EIO=4&transport=polling",
		"/socket.io/?a=1&token=S&b=%20x+y":                       "/socket.io/?a=1&b=%20x+y",
		"/socket.io/?token=S":                                    "/socket.io/",
		"/socket.io/?to%6ben=S&a":                                "/socket.io/?a",
		"/socket.io/?TOKEN=S&PiN=S&a=":                           "/socket.io/?a=",
		"/socket.io/?user[token]=S&a=1":                          "/socket.io/?a=1",
		"/socket.io/?token;x=S&b;token=S&a=1":                    "/socket.io/?a=1",
		"/socket.io/?token%=S&a=%zz&%=S&b=1":                     "/socket.io/?b=1",
		"/socket.io/?token&token&&a=1&&":                         "/socket.io/?a=1",
		"/socket.io/?a=1&a=2&api_key=S&a=3":                      "/socket.io/?a=1&a=2&a=3",
		"/socket.io/?a=1?token=S":                                "/socket.io/?a=1?token=S", // which is the value of a
		"/socket.io/?a=x%26token=S&session=S":                    "/socket.io/?a=x%26token=S",
		"/socket.io/?pinned=1&p%69n=S&spin=2":                    "/socket.io/?pinned=1&spin=2",
		"/socket.io/":                                            "/socket.io/",
		"/socket.io/?":                                           "/socket.io/",
		"/socket.io/?=S&" + strings.Repeat("x", 100) + "Token=S": "/socket.io/?=S",
	} {
		got, query := publicURL(target, []string{"pin"})
		if got != want {
			t.Errorf("%s becomes %s, want %s", target, got, want)
		}
		_, raw, _ := strings.Cut(got, "?")
		if parsed, err := url.ParseQuery(raw); err != nil || !maps.EqualFunc(query, parsed, slices.Equal) {
			t.Errorf("%s: the query is %v, that of the URL %v (%v)", target, query, parsed, err)
		}
	}
}

// What is published of a query is what an application reads of it, without the secrets.
func FuzzPublicURL(f *testing.F) {
	f.Add("a=1&token=S&b=%20&c;d=1&%zz&PIN=x")
	f.Fuzz(func(t *testing.T, raw string) {
		all, _ := url.ParseQuery(raw)
		public, query := publicURL("/?"+raw, []string{"pin"})
		for name, values := range all {
			switch secret := isSecretParam(name, []string{"pin"}); {
			case secret && query.Has(name):
				t.Errorf("%q: %q is published", raw, name)
			case !secret && !slices.Equal(values, query[name]):
				t.Errorf("%q: %q is %q, published as %q", raw, name, values, query[name])
			}
		}
		_, raw, _ = strings.Cut(public, "?")
		parsed, err := url.ParseQuery(raw)
		if err != nil || !maps.EqualFunc(parsed, query, slices.Equal) {
			t.Errorf("the URL %q does not have the query %q (%v)", public, query, err)
		}
	})
}

func TestSecretHeaders(t *testing.T) {
	for name, want := range map[string]bool{
		"Sec-Websocket-Protocol": true, "SEC-WEBSOCKET-PROTOCOL": true, "sec-websocket-key": false, "Sec-Websocket-Key": false,
		"x-token": true, "X-TOKEN": true, "Referer": true, "Forwarded": false, "Sec-Websocket-Version": false, "": false,
		strings.Repeat("X", 100) + "-Secret": true, "Origin": false, "Via": false, "Sec-Gpc": false,
	} {
		if got := isSecretHeader(name); got != want {
			t.Errorf("%s is secret: %t", name, got)
		}
	}
}

// Each header costs a look at each word, and no memory.
func TestLookingForSecretsDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = isSecretHeader("X-Forwarded-Proto") || isSecretParam("transport", []string{"pin"}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
