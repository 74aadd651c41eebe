package socketio_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// The first client that speaks this protocol, socket.io-client 3, is served as well.
func TestJSVersion3(t *testing.T) {
	runJS(t, []jsCase{{"version 3", jsVersion3}})
}

func jsVersion3(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	j.Of("/guarded").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil || auth.Token != "right" {
			return &socketio.Error{Message: "no", Data: auth.Token}
		}
		return nil
	})
	socketio.On(j, "hello", func(_ context.Context, s *socketio.Socket, name string) error {
		s.Join("room")
		return j.To("room").Emit("hi", name, []byte("blob"))
	})
	var got json.RawMessage
	j.eval(&got, `
		const opts = {transports, reconnection: false, forceNew: true};
		const s = my.three = io3(url, opts);
		my.sockets.push(s);
		await once(s, "connect");
		if (transports.length === 2) await until(() => s.io.engine.transport.name === "websocket");
		const ask = (...a) => new Promise((resolve) => s.emit(...a, (...r) => resolve(r)));
		const hi = once(s, "hi");
		s.emit("hello", "Ann");
		const guarded = (token) => {
			const g = io3(url + "/guarded", {...opts, auth: {token}});
			my.sockets.push(g);
			return Promise.race([once(g, "connect").then(() => "connected"), once(g, "connect_error").then(([e]) => [e.message, e.data])]);
		};
		return [await hi, await ask("echo", 1, {a: [Buffer.from("x"), null]}), await ask("echo"), await guarded("wrong"), await guarded("right")]`)
	const want = `[["Ann",{"$bin":"YmxvYg=="}],[1,{"a":[{"$bin":"eA=="},null]}],[],["no","wrong"],"connected"]`
	if canonical(t, got) != want {
		t.Errorf("the client got %s", got)
	}
	j.eval(nil, `my.three.on("q", (n, b, cb) => cb(n + 1, b)); my.gone = once(my.three, "disconnect")`)
	s := j.socket("/")
	v, err := socketio.As[socketio.Args2[int, []byte]](s.EmitWithAck(deadline(t), "q", 1, []byte("y")))
	if err != nil || v.A != 2 || string(v.B) != "y" {
		t.Errorf("the answer is %+v (%v)", v, err)
	}
	s.Disconnect(true)
	var reason []string
	j.eval(&reason, `return my.gone`)
	if len(reason) != 1 || reason[0] != "io server disconnect" {
		t.Errorf("the client was disconnected with %q", reason)
	}
	bye.expect(t, "/: server namespace disconnect")
}
