package peers

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands in for the network between clients and a TCP server, and for its failures. It is safe for concurrent use.
type Proxy struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	listener net.Listener
	serving  sync.WaitGroup

	mu     sync.Mutex
	target string
	flow   chan struct{} // closed while data passes
	links  map[*link]struct{}
	closed bool
}

// A link is one connection through a proxy.
type link struct {
	once   sync.Once
	cut    chan struct{}
	client net.Conn

	mu     sync.Mutex
	server net.Conn // nil until it has been reached
}

// NewProxy starts a proxy in front of the server at the address target, and ends it when the test does.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p := &Proxy{listener: Listen(tb), target: target, flow: make(chan struct{}), links: make(map[*link]struct{})}
	close(p.flow)
	p.Addr = p.listener.Addr().String()
	p.serving.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// BlackHole holds back everything in both directions, without closing anything, as a network does that drops packets and sends them
// again later. A connection that a client opens meanwhile is silent. What was on its way a moment ago may still arrive.
func (p *Proxy) BlackHole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.flow) {
		p.flow = make(chan struct{})
	}
}

// Heal ends a black hole: what was held back arrives in order, also the end of a connection that was closed meanwhile.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(p.flow) {
		close(p.flow)
	}
}

// Cut closes all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Retarget leads new connections to the server at addr, as a change of a DNS entry does. Those that are open stay where they are.
func (p *Proxy) Retarget(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close() //nolint:errcheck // it ends either way
	p.Cut()
	p.serving.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{cut: make(chan struct{}), client: client}
		if !p.keep(l) {
			client.Close()
			return
		}
		p.serving.Go(func() { p.serve(l) })
	}
}

func (p *Proxy) keep(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) serve(l *link) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if !p.await(l) {
		return
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil || !l.reach(server) {
		return
	}
	var passing sync.WaitGroup
	passing.Go(func() { p.pass(l, server, l.client) })
	p.pass(l, l.client, server)
	passing.Wait()
}

// pass copies from one side to the other until that has no more to say. The connection ends if the other side can no longer be written to.
func (p *Proxy) pass(l *link, to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !p.await(l) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				l.close()
				return
			}
		}
		if err == nil {
			continue
		}
		half, ok := to.(interface{ CloseWrite() error })
		if !errors.Is(err, io.EOF) || !ok || half.CloseWrite() != nil {
			l.close()
		}
		return
	}
}

// await waits until data passes. It reports false when the connection has been cut.
func (p *Proxy) await(l *link) bool {
	for {
		p.mu.Lock()
		flow := p.flow
		p.mu.Unlock()
		if isClosed(flow) {
			return !isClosed(l.cut)
		}
		select {
		case <-flow:
		case <-l.cut:
			return false
		}
	}
}

// reach notes the connection to the server, and closes it if the link has been cut meanwhile.
func (l *link) reach(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = server
	if isClosed(l.cut) {
		server.Close()
		return false
	}
	return true
}

func (l *link) close() {
	l.once.Do(func() { close(l.cut) })
	l.client.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		l.server.Close()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
