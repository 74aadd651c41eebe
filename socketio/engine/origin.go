package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The normal form of an origin is in lower case and has no port that is the default one of
// its scheme: that is how browsers send it.

// withoutPort takes a default port off an origin in lower case.
func withoutPort(origin string) string {
	scheme, _, _ := strings.Cut(origin, "://")
	return withoutDefault(origin, scheme)
}

// withoutDefault takes the default port of a scheme off a host or an origin.
func withoutDefault(host, scheme string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// isOwn reports whether an origin in the normal form is that of the server, as the client
// has reached it.
func isOwn(origin string, r *http.Request) bool {
	scheme, host, _ := strings.Cut(origin, "://")
	if scheme != "http" && scheme != "https" || host == "" || host != withoutDefault(strings.ToLower(r.Host), scheme) {
		return false
	}
	known := schemeOf(r)
	return known == "" || known == scheme
}

// schemeOf returns the scheme that the client has used; nothing if it is not known, as a
// proxy may have ended TLS.
func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	switch scheme := strings.ToLower(strings.TrimSpace(first)); scheme {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}

// normal returns a copy whose origins have the normal form. It panics if they cannot work.
func (c *CORS) normal() *CORS {
	n := *c
	if c.Credentials && slices.Contains(c.Origins, "*") {
		panic(`engine: CORS with "*" and Credentials would let every site act as its visitors`) //nolint:forbidigo // a programming error, documented at CORS
	}
	n.Origins = make([]string, len(c.Origins))
	for i, o := range c.Origins {
		normal, err := normalOrigin(o)
		if err != nil {
			panic(fmt.Sprintf("engine: CORS.Origins: %q can never match: %v", o, err)) //nolint:forbidigo // a programming error, documented at CORS
		}
		n.Origins[i] = normal
	}
	return &n
}

// normalOrigin returns the normal form of an entry of the list. The error says why no
// browser would send such an origin.
func normalOrigin(entry string) (string, error) {
	if entry == "*" || entry == "null" {
		return entry, nil
	}
	origin := strings.TrimSuffix(strings.ToLower(entry), "/")
	if scheme, _, ok := strings.Cut(entry, "://"); ok && strings.EqualFold(scheme, "file") {
		origin = strings.ToLower(entry) // has no host
	}
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || scheme == "" {
		return "", errors.New("an origin is like https://example.com")
	}
	return withoutPort(origin), checkHost(scheme, strings.TrimPrefix(host, "*."))
}

// checkHost checks what follows the scheme, and the star.
func checkHost(scheme, host string) error {
	for i := range len(host) {
		if c := host[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/?#@*\,"<>`, c) >= 0 {
			return fmt.Errorf("%q does not belong into one; names in other scripts have the form xn--", host[i:])
		}
	}
	if host == "" && scheme != "file" {
		return errors.New("it has no host")
	}
	_, err := url.Parse(scheme + "://" + host)
	return err
}
