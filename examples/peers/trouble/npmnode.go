package main

import (
	_ "embed"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

//go:embed node.js
var nodeJS string

// An npmNode is a Node.js process with the official server.
type npmNode struct {
	is, client string
	proc       *peers.NodeProcess
}

// startNode starts a Node.js process that uses that package to reach Redis.
func startNode(tb testing.TB, name, client string) node {
	tb.Helper()
	n := &npmNode{is: name, client: client, proc: peers.Node(tb)}
	n.proc.Eval(tb, nil, nodeJS)
	return n
}

func (n *npmNode) name() string     { return n.is }
func (n *npmNode) language() string { return nodejs }

func (n *npmNode) listen(l Link) error {
	l.Package = n.client
	return n.proc.Try(nil, `await ctx.node.listen(args[0])`, l)
}

func (n *npmNode) heard() (int, []string, error) {
	var h Heard
	err := n.proc.Try(&h, `return { Messages: ctx.node.told.Got.length, From: [...ctx.node.from] }`)
	return h.Messages, h.From, err
}

func (n *npmNode) send(interval time.Duration) error {
	return n.proc.Try(nil, `ctx.node.repeat(args[0], () => ctx.node.emit())`, interval.Milliseconds())
}

func (n *npmNode) burst(messages, size int) error {
	return n.proc.Try(nil, `for (let i = 0; i < args[0]; i++) ctx.node.emit("x".repeat(args[1]))`, messages, size)
}

func (n *npmNode) halt() error { return n.proc.Try(nil, `ctx.node.halt()`) }

func (n *npmNode) report() (report, error) {
	var told report
	err := n.proc.Try(&told, `return ctx.node.report()`)
	return told, err
}

func (n *npmNode) pause(tb testing.TB)  { tb.Helper(); n.proc.Pause(tb) }
func (n *npmNode) resume(tb testing.TB) { tb.Helper(); n.proc.Resume(tb) }
func (n *npmNode) kill()                { n.proc.Kill() }
