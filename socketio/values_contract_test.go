package socketio_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

type userKey struct{}

// recycling is middleware that puts something into the context of each request that it uses again for the next, as some routers do.
func recycling(next http.Handler) http.Handler {
	pool := sync.Pool{New: func() any { return new(string) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := pool.Get().(*string)
		*user = r.Header.Get("User")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
		pool.Put(user)
	})
}

// What middleware has found out about a request is there in guards, handlers and afterwards, and lives as long as the connection.
func TestRequestValuesReachGuardsAndHandlers(t *testing.T) {
	s := serve(t, &socketio.Options{ConnContext: func(r *http.Request) context.Context {
		user, _ := r.Context().Value(userKey{}).(*string)
		return context.WithValue(r.Context(), userKey{}, *user)
	}})
	user := func(ctx context.Context) string {
		u, _ := ctx.Value(userKey{}).(string)
		return u
	}
	gone := make(chan string, 2)
	s.Use(func(ctx context.Context, s *socketio.Socket) error {
		if u := user(ctx); u == "" || u != s.Handshake().Header.Get("User") || ctx.Err() != nil || context.Cause(ctx) != nil {
			return &socketio.Error{Message: "it is " + u}
		}
		return nil
	})
	s.OnDisconnect(func(ctx context.Context, _ *socketio.Socket, _ socketio.Reason) { gone <- user(ctx) })
	socketio.OnWithAck(s, "who", func(ctx context.Context, s *socketio.Socket, _ socketio.None) (string, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if user(s.Context()) != user(ctx) || ctx.Err() != nil {
			return "", ctx.Err()
		}
		return user(ctx), nil
	})
	h := recycling(s.Server)
	ctx := deadline(t)
	var clients []*siotest.Client
	for _, name := range []string{"ann", "bob"} {
		c, err := siotest.Connect(ctx, h, &siotest.Options{Header: http.Header{"User": {name}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	for i, name := range []string{"ann", "bob"} {
		var got string
		if e, err := clients[i].EmitWithAck(ctx, "who"); err != nil || e.Decode(0, &got) != nil || got != name {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
		clients[i].Close()
		if got := await(t, "the end", gone); got != name {
			t.Errorf("%s is %q afterwards", name, got)
		}
	}
}

// A function that returns nothing, and none at all, mean no values.
func TestNoRequestValues(t *testing.T) {
	for name, fn := range map[string]func(*http.Request) context.Context{
		"no function": nil, "no context": func(*http.Request) context.Context { return nil },
	} {
		s := serve(t, &socketio.Options{ConnContext: fn})
		_, socket := s.joinSocket(t, "polling", "/")
		if v := socket.Context().Value(userKey{}); v != nil {
			t.Errorf("%s: the value is %v", name, v)
		}
	}
}

// The certificates of a client can be kept.
func TestPeerCertificates(t *testing.T) {
	type certKey struct{}
	s := serve(t, &socketio.Options{ConnContext: func(r *http.Request) context.Context {
		return context.WithValue(context.Background(), certKey{}, r.TLS.PeerCertificates)
	}})
	got := make(chan []*x509.Certificate, 1)
	s.Use(func(ctx context.Context, _ *socketio.Socket) error {
		certs, _ := ctx.Value(certKey{}).([]*x509.Certificate)
		got <- certs
		return nil
	})
	web := httptest.NewUnstartedServer(s.Server)
	web.EnableHTTP2 = false
	web.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	web.StartTLS()
	defer web.Close()
	client := web.Client()
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = web.TLS.Certificates
	call := func(method, query, body string) string {
		req, err := http.NewRequestWithContext(deadline(t), method, web.URL+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	open := call(http.MethodGet, "", "")
	_, sid, _ := strings.Cut(open, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	call(http.MethodPost, "&sid="+sid, "40")
	if certs := await(t, "the guard", got); len(certs) != 1 || !certs[0].Equal(web.Certificate()) {
		t.Errorf("the certificates are %v", certs)
	}
	call(http.MethodPost, "&sid="+sid, "1")
}
