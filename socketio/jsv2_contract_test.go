package socketio_test

import (
	"strings"
	"testing"
)

// A client that speaks the protocol before this one, socket.io-client 2, gets an error, and the log says once whose mistake it is.
func TestJSVersion2IsRefused(t *testing.T) {
	runJS(t, []jsCase{{"version 2", jsVersion2}})
}

func jsVersion2(t *testing.T, j *jsTest) {
	t.Helper()
	const tries = 3
	var got []string
	j.eval(&got, `
		const failures = [];
		for (let i = 0; i < args[0]; i++) {
			const s = io2(url, {transports, reconnection: false, forceNew: true});
			my.sockets.push(s);
			failures.push(await Promise.race([once(s, "connect").then(() => "connected"), once(s, "connect_error").then(([e]) => e.message + " " + e.type)]));
		}
		return failures;`, tries)
	want := "xhr poll error TransportError"
	if j.env.Transports[0] == "websocket" {
		want = "websocket error TransportError"
	}
	if len(got) != tries || strings.Join(got, ",") != strings.Repeat(","+want, tries)[1:] {
		t.Errorf("the client got %q, want %d times %q", got, tries, want)
	}
	log := j.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "socket.io-client 2.x") {
		t.Errorf("logged:\n%s", log)
	}
	if st := j.Engine().Stats(); st.Refused != tries || j.Stats().Connections != 0 {
		t.Errorf("%d handshakes are refused, %d connections are open", st.Refused, j.Stats().Connections)
	}
}
