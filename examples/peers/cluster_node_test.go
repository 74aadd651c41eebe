package peers_test

import (
	"fmt"
	"testing"
	"time"
)

// nodeInstance is the reference server, or the official emitter, which can do part of what a server can.
type nodeInstance struct {
	c    *cluster
	url  string
	root string // the object in JavaScript
}

func (n nodeInstance) name() string {
	if n.root == "c.emitter" {
		return "emitter"
	}
	return "node"
}

// do runs a JavaScript expression whose arguments are a, b and so on.
func (n nodeInstance) do(t *testing.T, out any, expression string, args ...any) {
	t.Helper()
	if err := n.try(out, expression, args...); err != nil {
		t.Fatal(err)
	}
}

func (n nodeInstance) try(out any, expression string, args ...any) error {
	for i := range args {
		args[i] = forJS(args[i])
	}
	return n.c.try(out, `const [a, b, d, e] = args; const root = `+n.root+`; return (`+expression+`)`, args...)
}

func list(args []any) []any { return append([]any{}, args...) }

func (n nodeInstance) emit(t *testing.T, to selection, event string, args ...any) {
	t.Helper()
	n.do(t, nil, `void c.select(a, root).emit(b, ...d)`, to, event, list(args))
}

func (n nodeInstance) ask(to selection, patience time.Duration, event string, args ...any) (got replies, err error) {
	err = n.try(&got, `c.ask(a, b, d, e)`, to, patience.Milliseconds(), event, list(args))
	return got, err
}

func (n nodeInstance) fetch(t *testing.T, to selection) (all []found) {
	t.Helper()
	n.do(t, &all, `c.fetch(a)`, to)
	return all
}

func (n nodeInstance) joinAll(t *testing.T, to selection, rooms ...any) {
	t.Helper()
	n.do(t, nil, `void c.select(a, root).socketsJoin(b)`, to, list(rooms))
}

func (n nodeInstance) leaveAll(t *testing.T, to selection, rooms ...any) {
	t.Helper()
	n.do(t, nil, `void c.select(a, root).socketsLeave(b)`, to, list(rooms))
}

func (n nodeInstance) disconnect(t *testing.T, to selection, closeConn bool) {
	t.Helper()
	n.do(t, nil, `void c.select(a, root).disconnectSockets(b)`, to, closeConn)
}

func (n nodeInstance) serverEmit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	n.do(t, nil, `void root.of(a).serverSideEmit(b, ...d)`, nsp, event, list(args))
}

func (n nodeInstance) serverAsk(nsp, event string, args ...any) (got replies, err error) {
	err = n.try(&got, `c.serverAsk(a, b, d)`, nsp, event, list(args))
	return got, err
}

func (n nodeInstance) notes(t *testing.T) (all [][]any) {
	t.Helper()
	n.do(t, &all, `c.notes`)
	return all
}

func (n nodeInstance) count(t *testing.T, nsp string) (servers int) {
	t.Helper()
	n.do(t, &servers, `c.server.io.of(a).adapter.serverCount()`, nsp)
	return servers
}

func (n nodeInstance) remote(_ *testing.T, nsp, id string) remoteSocket {
	return nodeRemote{n, nsp, id}
}

// nodeRemote is a socket that is fetched anew for each operation, since JavaScript objects stay where they are.
type nodeRemote struct {
	n       nodeInstance
	nsp, id string
}

func (r nodeRemote) do(t *testing.T, out any, call string, args ...any) {
	t.Helper()
	all := append([]any{r.nsp, r.id}, args...)
	r.n.do(t, out, `c.remote(a, b).then((socket) => socket.`+call+`).then((x) => x?.constructor === Object ? x : null)`, all...)
}

func (r nodeRemote) emit(t *testing.T, event string, args ...any) {
	t.Helper()
	r.do(t, nil, `emit(d, ...e)`, event, list(args))
}

func (r nodeRemote) ask(t *testing.T, event string, args ...any) (answer any) {
	t.Helper()
	r.do(t, &answer, fmt.Sprintf(`timeout(%d).emitWithAck(d, ...e)`, patience.Milliseconds()), event, list(args))
	return answer
}

func (r nodeRemote) join(t *testing.T, rooms ...string) {
	t.Helper()
	r.do(t, nil, `join(d)`, rooms)
}

func (r nodeRemote) leave(t *testing.T, room string) {
	t.Helper()
	r.do(t, nil, `leave(d)`, room)
}

func (r nodeRemote) disconnect(t *testing.T, closeConn bool) {
	t.Helper()
	r.do(t, nil, `disconnect(d)`, closeConn)
}
