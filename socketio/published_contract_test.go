package socketio_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// theSecret is what must not get anywhere.
const theSecret = "s3cr3t-0f-ann"

// Headers that carry secrets, and some that carry none.
var (
	secretHeaders = []string{
		"Authorization", "Proxy-Authorization", "Cookie", "Referer", "X-Api-Key", "Apikey", "X-Auth-Token", "X-Access-Token", "X-Csrf-Token",
		"X-Amz-Security-Token", "X-Amzn-Oidc-Data", "X-Goog-Iap-Jwt-Assertion", "X-Forwarded-Client-Cert", "X-Ssl-Client-Cert", "X-Session-Id",
		"X-Password", "X-Secret", "X-Hub-Signature", "X-Original-Url", "X-Original-Uri", "X-Forwarded-Uri", "X-Rewrite-Url",
		"X-Envoy-Original-Path",
	}
	plainHeaders = []string{"User-Agent", "Origin", "X-Forwarded-For", "X-Request-Id", "Accept-Encoding", "Upgrade-Insecure-Requests", "X-Name"}
)

// withSecrets are the options of a client that has secrets everywhere.
func withSecrets() *siotest.Options {
	o := &siotest.Options{
		Auth: map[string]string{"token": theSecret, "name": "ann"}, Header: http.Header{},
		Query: url.Values{"token": {theSecret}, "Access_Token": {theSecret, theSecret}, "pin": {theSecret}, "room": {"a b"}, "v": {"1", "2"}},
	}
	for _, name := range secretHeaders {
		o.Header[name] = []string{theSecret}
	}
	for _, name := range plainHeaders {
		o.Header[name] = []string{"about " + name}
	}
	return o
}

func fetchOne(t *testing.T, s *siotest.Server) socketio.RemoteSocket {
	t.Helper()
	found, err := s.FetchSockets(deadline(t))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets, %v", len(found), err)
	}
	return found[0]
}

func handshakeOf(t *testing.T, r socketio.RemoteSocket) *socketio.Handshake {
	t.Helper()
	h, err := r.Handshake()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What describes a socket to the cluster has no secrets of its client, also for the very server of the socket, which keeps them.
func TestDescriptionsHaveNoSecrets(t *testing.T) {
	s := siotest.New(t, &socketio.Options{SecretParams: []string{"PIN"}})
	socket, _ := s.Socket(s.Connect(withSecrets()).ID())
	r := fetchOne(t, s)
	h := handshakeOf(t, r)
	if all := jsonOf(t, h); strings.Contains(all, theSecret) {
		t.Errorf("the description has the secret: %s", all)
	}
	if string(h.Auth) != "{}" {
		t.Errorf("auth is %s", h.Auth)
	}
	for _, name := range plainHeaders {
		if h.Header.Get(name) != "about "+name {
			t.Errorf("%s is %q", name, h.Header[name])
		}
	}
	for _, name := range []string{"Host", "Sec-Websocket-Key", "Sec-Websocket-Version"} {
		if h.Header.Get(name) == "" {
			t.Errorf("%s is missing among %v", name, h.Header)
		}
	}
	if got := jsonOf(t, h.Query); got != `{"EIO":["4"],"room":["a b"],"transport":["websocket"],"v":["1","2"]}` {
		t.Errorf("the query is %s", got)
	}
	path, rest, _ := strings.Cut(h.URL, "?")
	if q, err := url.ParseQuery(rest); path != "/socket.io/" || err != nil || !maps.EqualFunc(q, h.Query, slices.Equal) {
		t.Errorf("the URL is %s, the query %v", h.URL, h.Query)
	}

	own := socket.Handshake()
	for _, name := range secretHeaders {
		if values := own.Header.Values(name); len(values) != 1 || values[0] != theSecret {
			t.Errorf("the socket itself has the %s %q", name, values)
		}
	}
	if own.Query.Get("pin") != theSecret || strings.Count(own.URL, theSecret) != 4 || !strings.Contains(string(own.Auth), theSecret) {
		t.Errorf("the socket itself has the query %v, the URL %s, the auth %s", own.Query, own.URL, own.Auth)
	}
}

// A parameter is a secret because of its name, or because the application says so; any other is published.
func TestParametersThatAreNotNamedSecretAreDescribed(t *testing.T) {
	s := siotest.New(t, nil)
	s.Connect(withSecrets())
	if h := handshakeOf(t, fetchOne(t, s)); h.Query.Get("pin") != theSecret || strings.Count(h.URL, theSecret) != 1 || h.Query.Has("token") {
		t.Errorf("the query is %v, the URL %s", h.Query, h.URL)
	}
}

// The application publishes what it wants, and takes away what it does not.
func TestPublishHandshake(t *testing.T) {
	s := siotest.New(t, &socketio.Options{PublishHandshake: func(s *socketio.Socket, published *socketio.Handshake) {
		var auth struct{ Name string }
		if err := s.Auth(&auth); err != nil {
			t.Error(err)
		}
		published.Auth, _ = json.Marshal(auth)
		published.Header.Set("Referer", s.Handshake().Header.Get("Referer"))
		published.Header.Del("X-Name")
		published.Query.Set("by", s.Namespace().Name())
	}})
	socket, _ := s.Socket(s.Connect(withSecrets()).ID())
	for range 2 { // what it is given is another copy each time
		h := handshakeOf(t, fetchOne(t, s))
		if string(h.Auth) != `{"Name":"ann"}` || h.Header.Get("Referer") != theSecret || h.Header.Get("X-Name") != "" || h.Query.Get("by") != "/" || h.Query.Has("token") {
			t.Errorf("published is %s", jsonOf(t, h))
		}
	}
	if own := socket.Handshake(); own.Query.Has("by") || own.Header.Get("X-Name") == "" {
		t.Errorf("the socket's own is %s", jsonOf(t, own))
	}
}

// A function that fails half-way publishes nothing of what it has put back, and takes no other socket with it.
func TestPublishHandshakeThatFails(t *testing.T) {
	for name, fails := range map[string]func(*socketio.Handshake){
		"panics":             func(*socketio.Handshake) { panic("of " + t.Name()) },
		"publishes no JSON":  func(h *socketio.Handshake) { h.Auth = json.RawMessage(`{"token":"` + theSecret) },
		"publishes no value": func(h *socketio.Handshake) { *h = socketio.Handshake{} },
	} {
		t.Run(name, func(t *testing.T) {
			log := &logBuffer{}
			s := siotest.New(t, &socketio.Options{
				Logger: slog.New(slog.NewTextHandler(log, nil)),
				PublishHandshake: func(s *socketio.Socket, published *socketio.Handshake) {
					published.Auth = s.Handshake().Auth
					fails(published)
				},
			})
			s.Connect(withSecrets())
			h := handshakeOf(t, fetchOne(t, s))
			if string(h.Auth) != "{}" {
				t.Errorf("the auth is %s", h.Auth)
			}
			if told := strings.Contains(log.String(), "PublishHandshake"); told != (name != "publishes no value") || strings.Contains(log.String(), theSecret) {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

// Whatever describes a client can be logged without its secrets.
func TestNothingThatIsLoggedHasSecrets(t *testing.T) {
	s := siotest.New(t, &socketio.Options{PublishHandshake: func(s *socketio.Socket, published *socketio.Handshake) { *published = *s.Handshake() }})
	socket, _ := s.Socket(s.Connect(withSecrets()).ID())
	r := fetchOne(t, s)
	for name, v := range map[string]any{
		"socket": socket, "handshake": socket.Handshake(), "copied handshake": *socket.Handshake(),
		"remote socket": r, "pointer to a remote socket": &r, "handshake from afar": handshakeOf(t, r),
		"connection": socket.Conn(), "request of a connection": socket.Conn().Handshake(),
		"observer's argument": socketio.ConnectedInfo{Socket: socket}, "observer's argument with a connection": socketio.RefusedInfo{Conn: socket.Conn()},
		"sockets": []*socketio.Socket{socket}, "remote sockets": []socketio.RemoteSocket{r},
		"handshakes": []*socketio.Handshake{socket.Handshake()}, "context": socket.Context(),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
			if _, ok := v.([]*socketio.Handshake); !ok { // encoding/json is how an application asks for all of it
				slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
			}
			fmt.Fprintf(&out, "%v %+v %s", v, v, v)
			raw := fmt.Sprintf("%d", []byte(theSecret))
			if text := out.String(); strings.Contains(text, theSecret) || strings.Contains(text, strings.Trim(raw, "[]")) {
				t.Errorf("it is logged with its secret: %s", text)
			}
		})
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "socket", socket, "handshake", socket.Handshake(), "remote", r, "conn", socket.Conn())
	for _, want := range []string{"socket.id=" + socket.ID(), "socket.namespace=/", "handshake.path=/socket.io/", "handshake.address=", "remote.id=" + socket.ID()} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not logged: %s", want, out.String())
		}
	}
}

// The id of a session lets its holder speak and listen for the client: it is in no line of the log.
func TestLogsHaveNoSessionIDs(t *testing.T) {
	log := &logBuffer{}
	ids := make(chan string, 2)
	s := serve(t, &socketio.Options{
		Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observers: []socketio.Observer{{Closed: func(i socketio.ClosedInfo) { ids <- i.Conn.ID() }}},
	})
	bad := s.join(t, "polling")
	bad.send("nonsense")
	bad.expectClosed()
	refused := s.open(t, "websocket")
	if _, err := refused.tryConnect("/nowhere", ""); err == nil {
		t.Error("connected to a namespace that does not exist")
	}
	refused.close()
	for _, line := range []string{"bad input", "refuse client", "connection closed"} {
		eventually(t, line, func() bool { return strings.Contains(log.String(), line) })
		if !strings.Contains(log.String(), line+`" remote=127.0.0.1:`) {
			t.Errorf("%s: no address is logged", line)
		}
	}
	for range 2 {
		if id := await(t, "the end of a connection", ids); strings.Contains(log.String(), id) {
			t.Errorf("the id of a session is logged:\n%s", log)
		}
	}
}
