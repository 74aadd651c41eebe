package socketio_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// BenchmarkDescribe fetches a hundred sockets of clients that send what browsers do; the time is that of one socket.
func BenchmarkDescribe(b *testing.B) {
	s := siotest.New(b, nil)
	key := socketio.NewKey[string]("name")
	for range 100 {
		c := s.Connect(&siotest.Options{
			Auth: map[string]string{"token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"},
			Header: http.Header{
				"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"},
				"Accept-Language": {"en-GB,en;q=0.9,de;q=0.8"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}, "Cache-Control": {"no-cache"},
				"Pragma": {"no-cache"}, "Origin": {"https://app.example.com"}, "Cookie": {"session=0123456789abcdef0123456789abcdef; theme=dark"},
				"X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"https"}, "X-Request-Id": {"4bf92f3577b34da6a3ce929d0e0e4736"},
			},
			Query: url.Values{"room": {"lobby"}, "v": {"17"}},
		})
		socket, _ := s.Socket(c.ID())
		key.Set(socket, "ann")
	}
	b.ReportAllocs()
	for b.Loop() {
		found, err := s.FetchSockets(b.Context())
		if err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/socket")
}
