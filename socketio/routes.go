package socketio

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// routes is what has been registered on a namespace or on a socket. It is
// immutable: a router replaces it as a whole, so that events find their handlers
// without a lock.
type routes struct {
	handlers   map[string]route
	catchAll   []Handler
	chain      Handler // the middlewares around the router's own lookup; nil without any
	end        *link   // of the chain
	guards     []Guard
	connect    []func(context.Context, *Socket) error
	disconnect []func(context.Context, *Socket, Reason)
	outgoing   []func(string, Args)
	server     map[string]serverHandler
	concurrent bool // some handlers are registered with Concurrent
}

// route keeps the name beside the handler so that an event's name need not be
// allocated when it is looked up by its bytes.
type route struct {
	name string
	h    Handler
	in   *concurrent // nil for an ordinary one
}

// router holds routes; the zero value has none. Nor has nil, which is the router of
// a socket without handlers of its own.
type router struct {
	p atomic.Pointer[routes]
}

func (r *router) handler(event string) (route, bool) {
	if p := r.load(); p != nil {
		h, ok := p.handlers[event]
		return h, ok
	}
	return route{}, false
}

func (r *router) chain() Handler {
	if p := r.load(); p != nil {
		return p.chain
	}
	return nil
}

func (r *router) catchAll() []Handler {
	if p := r.load(); p != nil {
		return p.catchAll
	}
	return nil
}

// load returns what is registered, nil if that is nothing. A namespace's router has
// always something.
func (r *router) load() *routes {
	if r == nil {
		return nil
	}
	return r.p.Load()
}

// update replaces the routes by what change makes of a copy. It runs change again
// if another update came between.
func (r *router) update(change func(*routes)) {
	for {
		old := r.p.Load()
		next := old.clone()
		change(next)
		if r.p.CompareAndSwap(old, next) {
			return
		}
	}
}

// clone copies the slices with no spare capacity and the maps, so that changing
// the copy never shows in the original.
func (r *routes) clone() *routes {
	if r == nil {
		return &routes{}
	}
	c := *r
	c.handlers = maps.Clone(r.handlers)
	c.server = maps.Clone(r.server)
	c.catchAll = slices.Clip(r.catchAll)
	c.guards = slices.Clip(r.guards)
	c.connect = slices.Clip(r.connect)
	c.disconnect = slices.Clip(r.disconnect)
	c.outgoing = slices.Clip(r.outgoing)
	return &c
}

func (r *router) handle(event string, h Handler) { r.handleIn(nil, event, h) }

// handleIn is handle for a handler that may run beside others; in is nil for an ordinary one.
func (r *router) handleIn(in *concurrent, event string, h Handler) {
	if err := checkHandler(event); err != nil {
		panic(err) //nolint:forbidigo // a programming error, documented at On
	}
	r.update(func(n *routes) {
		if h == nil {
			delete(n.handlers, event)
			return
		}
		if n.handlers == nil {
			n.handlers = make(map[string]route)
		}
		n.handlers[event] = route{event, h, in}
		n.concurrent = n.concurrent || in != nil
	})
}

// link is the end of a chain of middlewares: it leads to the router's own lookup, or
// to the middlewares that have been added later. So each one is called once.
type link struct {
	next atomic.Pointer[Handler]
}

// ServeEvent calls what comes next.
func (l *link) ServeEvent(ctx context.Context, e *Event) error {
	return (*l.next.Load()).ServeEvent(ctx, e)
}

// wrap installs middlewares around base, the router's own lookup. They are reached by
// the time it returns: mu keeps two calls apart.
func (r *router) wrap(mu sync.Locker, base Handler, ms []Middleware) {
	end := new(link)
	end.next.Store(&base)
	var chain Handler = end
	for _, m := range slices.Backward(ms) {
		chain = m(chain)
	}
	mu.Lock()
	defer mu.Unlock()
	var last *link
	r.update(func(n *routes) {
		last, n.end = n.end, end
		if last == nil {
			n.chain = chain
		}
	})
	if last != nil {
		last.next.Store(&chain)
	}
}

// dispatch runs the middlewares of the namespace, then those of the socket, then
// the handler.
func (n *Namespace) dispatch(ctx context.Context, e *Event) error {
	if chain := n.router.chain(); chain != nil {
		return chain.ServeEvent(ctx, e)
	}
	return serveNamespace(ctx, e)
}

// serveNamespace is what the middlewares of a namespace wrap.
func serveNamespace(ctx context.Context, e *Event) error {
	if chain := e.Socket.router().chain(); chain != nil {
		return chain.ServeEvent(ctx, e)
	}
	return serveSocket(ctx, e)
}

// serveSocket is what the middlewares of a socket wrap.
func serveSocket(ctx context.Context, e *Event) error {
	if e.Socket.expelled() { // by a catch-all handler or a middleware
		return nil
	}
	if r, ok := e.Socket.router().handler(e.Name); ok {
		return r.h.ServeEvent(ctx, e)
	}
	if r, ok := e.Socket.nsp.router.handler(e.Name); ok {
		return r.h.ServeEvent(ctx, e)
	}
	e.unhandled = true
	return nil
}

// handlerFor is handler for a name that is not a string yet.
func (r *router) handlerFor(event []byte) (route, bool) {
	if p := r.load(); p != nil {
		h, ok := p.handlers[string(event)]
		return h, ok
	}
	return route{}, false
}
