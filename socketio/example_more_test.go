package socketio_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// A handler asks two questions, emits something, and only then waits for the answers.
func ExampleSocket_Call() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	const double socketio.CallOf[int, int] = "double"
	socketio.On(io, "start", func(ctx context.Context, s *socketio.Socket, _ socketio.None) error {
		name, err := s.Call("name?")
		if err != nil {
			return err
		}
		twice, err := double.Start(s, 21)
		if err != nil {
			return err
		}
		if err := s.Emit("thanks"); err != nil { // arrives behind both
			return err
		}
		text, err := socketio.As[string](name.Wait(ctx))
		if err != nil {
			return err
		}
		n, err := twice.Wait(ctx)
		fmt.Println(text, n)
		return err
	})

	c := connect(ctx, io, nil)
	check(c.Emit("start"))
	for _, answer := range []any{"ann", 42, nil} {
		e, err := c.Receive(ctx)
		check(err)
		fmt.Println(e.Name)
		if e.WantsAck() {
			check(e.Ack(answer))
		}
	}
	check(io.Shutdown(ctx)) // waits for the handler
	check(c.Close())
	// Unordered output:
	// name?
	// double
	// thanks
	// ann 42
}

// Three slow events of one client are handled at the same time.
func ExampleNamespace_Concurrent() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	var together sync.WaitGroup
	together.Add(3)
	socketio.OnWithAck(io.Concurrent(10), "fetch", func(_ context.Context, _ *socketio.Socket, page int) (string, error) {
		together.Done()
		together.Wait() // for the other two
		return fmt.Sprint("page ", page), nil
	})

	c := connect(ctx, io, nil)
	pages := make([]string, 3)
	var clients sync.WaitGroup
	for i := range pages {
		clients.Go(func() {
			page, err := socketio.As[string](c.EmitWithAck(ctx, "fetch", i))
			check(err)
			pages[i] = page
		})
	}
	clients.Wait()
	fmt.Println(pages)
	end(ctx, io, c)
	// Output: [page 0 page 1 page 2]
}

// A middleware trims the texts that clients send.
func ExampleEvent_SetArgs() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	io.Wrap(func(next socketio.Handler) socketio.Handler {
		return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			text, err := socketio.As[string](e.Args, nil)
			if err != nil {
				return err
			}
			if err := e.SetArgs(strings.TrimSpace(text)); err != nil {
				return err
			}
			return next.ServeEvent(ctx, e)
		})
	})
	socketio.OnWithAck(io, "say", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })

	c := connect(ctx, io, nil)
	fmt.Println(c.EmitWithAck(ctx, "say", "  hello "))
	end(ctx, io, c)
	// Output: ["hello"] <nil>
}

// What HTTP middleware has found out is there in guards and handlers.
func ExampleOptions_connContext() {
	ctx, cancel := exampleContext()
	defer cancel()
	type userKey struct{}
	io := socketio.NewServer(&socketio.Options{
		ConnContext: func(r *http.Request) context.Context { // only what is needed, and no part of the request
			return context.WithValue(context.Background(), userKey{}, r.Context().Value(userKey{}))
		},
	})
	socketio.OnWithAck(io, "who am I", func(ctx context.Context, _ *socketio.Socket, _ socketio.None) (any, error) {
		return ctx.Value(userKey{}), nil
	})
	authenticated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, r.Header.Get("X-User"))))
	})

	c, err := siotest.Connect(ctx, authenticated, &siotest.Options{Header: http.Header{"X-User": {"ann"}}})
	check(err)
	fmt.Println(c.EmitWithAck(ctx, "who am I"))
	end(ctx, io, c)
	// Output: ["ann"] <nil>
}

// A token stays on this server; a name is seen by others.
func ExampleNewLocalKey() {
	ctx, cancel := exampleContext()
	defer cancel()
	token, name := socketio.NewLocalKey[string]("token"), socketio.NewKey[string]("name")
	io := socketio.NewServer(nil)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		token.Set(s, "secret")
		name.Set(s, "ann")
		return s.Emit("ready")
	})

	c := connect(ctx, io, nil)
	_, err := c.Receive(ctx)
	check(err)
	sockets, err := io.FetchSockets(ctx)
	check(err)
	for _, s := range sockets {
		fmt.Printf("%s, %s\n", s.Data(), token.Get(s)) // here it is, since the socket is one of this server
	}
	end(ctx, io, c)
	// Output: {"name":"ann"}, secret
}

// How many are in a room, who of them is on this server, and which rooms there are.
func ExampleBroadcast_Count() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Join("lobby")
		return s.Emit("ready")
	})
	c := connect(ctx, io, nil)
	_, err := c.Receive(ctx)
	check(err)

	fmt.Println(io.To("lobby").Count(ctx)) // of all servers
	for s := range io.To("lobby").Sockets() {
		fmt.Println(s.ID() == c.ID())
	}
	rooms, err := io.AllRooms(ctx)
	check(err)
	fmt.Println(len(rooms), slices.Contains(rooms, "lobby"), slices.Contains(rooms, c.ID()))
	end(ctx, io, c)
	// Output:
	// 1 <nil>
	// true
	// 2 true true
}

// A guard takes one of few seats, and the seat is free again however the client goes.
func ExampleSocket_Defer() {
	ctx, cancel := exampleContext()
	defer cancel()
	seats := make(chan struct{}, 1)
	io := socketio.NewServer(nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		select {
		case seats <- struct{}{}:
		default:
			return &socketio.Error{Message: "full"}
		}
		s.Defer(func(context.Context) { <-seats })
		return nil
	})

	c := connect(ctx, io, nil)
	fmt.Println("taken:", len(seats))
	check(c.Close())
	check(io.Shutdown(ctx)) // waits for what was deferred
	fmt.Println("taken:", len(seats))
	// Output:
	// taken: 1
	// taken: 0
}

// A client that is refused has its connection closed, too.
func ExampleError_closeConn() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	io.Use(func(context.Context, *socketio.Socket) error {
		return &socketio.Error{Message: "Authentication required", Data: "AUTH_REQUIRED", CloseConn: true}
	})

	_, err := siotest.Connect(ctx, io, nil)
	fmt.Println(err)
	for io.Stats().Connections > 0 { // the client has no other namespace: nothing keeps the connection
		time.Sleep(time.Millisecond)
	}
	check(io.Shutdown(ctx))
	// Output: siotest: connect to /: siotest: connection refused: Authentication required
}
