package engine

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS lets pages of other origins connect. Unlike the headers alone, which only
// browsers obey and which do not concern WebSocket, the list of origins is
// enforced by the server: on handshakes, on all requests of a session, and for
// WebSocket. A request without an Origin header, as sent by programs other than
// browsers, passes; so does one from the server's own origin.
type CORS struct {
	// Origins lists the origins to let in, like "https://example.com". "*"
	// stands for every origin, and a leading "*." of the host for every
	// subdomain: "https://*.example.com".
	Origins []string
	// AllowOrigin, if not nil, is asked for origins that are not in the list.
	AllowOrigin func(origin string) bool
	// Credentials lets the pages send cookies and other credentials.
	Credentials bool
	// Methods is the answer to preflight requests. The default is GET, HEAD,
	// PUT, PATCH, POST and DELETE.
	Methods []string
	// AllowedHeaders lists the request headers that are allowed. By default
	// those that the browser asks for are.
	AllowedHeaders []string
	// ExposedHeaders lists the response headers that pages may read.
	ExposedHeaders []string
	// MaxAge is how long browsers may remember the answer to a preflight
	// request. 0 leaves it to them.
	MaxAge time.Duration
}

// detailOrigin marks refusals of the allow-list.
const detailOrigin = "origin not allowed"

// apply sets the CORS headers of an answer and reports whether the origin of
// the request is allowed.
func (c *CORS) apply(h http.Header, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	wildcard := slices.Contains(c.Origins, "*")
	if !wildcard || c.Credentials {
		h.Add("Vary", "Origin")
	}
	if origin != "" && !wildcard && !c.allowed(origin, r.Host) {
		return false
	}
	switch {
	case wildcard && !c.Credentials:
		h.Set("Access-Control-Allow-Origin", "*")
	case origin != "":
		h.Set("Access-Control-Allow-Origin", origin)
	}
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
	return true
}

// allowed checks an origin against the list.
func (c *CORS) allowed(origin, host string) bool {
	if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, host) {
		return true
	}
	for _, o := range c.Origins {
		if matchOrigin(o, origin) {
			return true
		}
	}
	return c.AllowOrigin != nil && c.AllowOrigin(origin)
}

// matchOrigin compares an origin with a pattern, which may have "*." in front of
// its host.
func matchOrigin(pattern, origin string) bool {
	if strings.EqualFold(pattern, origin) {
		return true
	}
	scheme, domain, ok := strings.Cut(pattern, "://*.")
	if !ok {
		return false
	}
	rest, ok := cutPrefixFold(origin, scheme+"://")
	if !ok {
		return false
	}
	sub, ok := cutSuffixFold(rest, "."+domain)
	// What the star stands for must be a plain host name: no port, no path, no
	// user in front of the domain.
	return ok && sub != "" && !strings.ContainsAny(sub, "/:@?#\\")
}

// cutPrefixFold is strings.CutPrefix without regard to case.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// cutSuffixFold is strings.CutSuffix without regard to case.
func cutSuffixFold(s, suffix string) (string, bool) {
	n := len(s) - len(suffix)
	if n < 0 || !strings.EqualFold(s[n:], suffix) {
		return "", false
	}
	return s[:n], true
}

// preflight answers an OPTIONS request of an allowed origin.
func (c *CORS) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	methods := "GET,HEAD,PUT,PATCH,POST,DELETE"
	if len(c.Methods) > 0 {
		methods = strings.Join(c.Methods, ",")
	}
	h.Set("Access-Control-Allow-Methods", methods)
	if len(c.AllowedHeaders) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(c.AllowedHeaders, ","))
	} else {
		h.Add("Vary", "Access-Control-Request-Headers")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Seconds())))
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
}
