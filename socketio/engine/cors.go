package engine

import (
	"net/http"
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
//
// The own origin has the host and the port of the Host header; a port that is the
// default one need not be there. The scheme counts where it is known, from TLS or
// from the header X-Forwarded-Proto, which a proxy that ends TLS should set.
//
// An attacker who has a domain can point its name at this server's address, also at one in
// a private network. To its pages the server then is of their own origin, and they pass. They have no
// cookies of the server's real name. A server that trusts whoever reaches it should
// check the Host header, in Options.AllowRequest for example.
//
// NewServer panics if an entry of Origins can never match, or if every origin is to be let in
// with credentials.
type CORS struct {
	// Origins lists the origins to let in, like "https://example.com". "*"
	// stands for every origin, and a leading "*." of the host for every
	// subdomain: "https://*.example.com". "null" stands for pages that hide theirs,
	// of which there are some on every site.
	Origins []string
	// AllowOrigin, if not nil, is asked for origins that are not in the list.
	AllowOrigin func(origin string) bool
	// Credentials lets the pages send cookies and other credentials. It cannot be
	// together with "*".
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
	if !wildcard {
		h.Add("Vary", "Origin")
	}
	if origin != "" && !wildcard && !c.allowed(origin, r) {
		return false
	}
	switch {
	case wildcard:
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

// allowed checks the origin of a request against the list.
func (c *CORS) allowed(origin string, r *http.Request) bool {
	normal := withoutPort(strings.ToLower(origin))
	if isOwn(normal, r) {
		return true
	}
	for _, o := range c.Origins {
		if matchOrigin(o, normal) {
			return true
		}
	}
	return c.AllowOrigin != nil && c.AllowOrigin(origin)
}

// matchOrigin compares an origin with a pattern, which may have "*." in front of
// its host. Both are in the normal form.
func matchOrigin(pattern, origin string) bool {
	scheme, domain, ok := strings.Cut(pattern, "://*.")
	if !ok {
		return pattern == origin
	}
	rest, ok := strings.CutPrefix(origin, scheme+"://")
	if !ok {
		return false
	}
	sub, ok := strings.CutSuffix(rest, "."+domain)
	// What the star stands for must be a plain host name: no port, no path, no
	// user in front of the domain.
	return ok && sub != "" && !strings.ContainsAny(sub, "/:@?#\\")
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
