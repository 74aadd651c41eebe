package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// check ends an example that has gone wrong.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// connect connects a client for an example.
func connect(ctx context.Context, io http.Handler, auth any) *siotest.Client {
	c, err := siotest.Connect(ctx, io, &siotest.Options{Auth: auth})
	check(err)
	return c
}

// end ends an example: its clients leave, and its server shuts down.
func end(ctx context.Context, io *socketio.Server, clients ...*siotest.Client) {
	for _, c := range clients {
		check(c.Close())
	}
	check(io.Shutdown(ctx))
}

func exampleContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

func Example() {
	ctx, cancel := exampleContext()
	defer cancel()

	type Message struct {
		Room string `json:"room"`
		Text string `json:"text"`
	}
	io := socketio.NewServer(nil)
	socketio.On(io, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join("room:" + room) // what a client names has a prefix
		return nil
	})
	socketio.On(io, "say", func(_ context.Context, s *socketio.Socket, m Message) error {
		return s.To("room:"+m.Room).Emit("said", m.Text)
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)

	ann, bob := connect(ctx, mux, nil), connect(ctx, mux, nil)
	_, err := bob.EmitWithAck(ctx, "join", "lobby")
	check(err)
	check(ann.Emit("say", Message{Room: "lobby", Text: "hello"}))
	e, err := bob.Receive(ctx)
	check(err)
	fmt.Printf("%s %s\n", e.Name, e.Args)

	end(ctx, io, ann, bob)
	// Output: said ["hello"]
}

func ExampleOnWithAck() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	socketio.OnWithAck(io, "divide", func(_ context.Context, _ *socketio.Socket, p socketio.Args2[int, int]) (int, error) {
		if p.B == 0 {
			return 0, &socketio.Error{Message: "division by zero"}
		}
		return p.A / p.B, nil
	})

	c := connect(ctx, io, nil)
	answer, err := c.EmitWithAck(ctx, "divide", 42, 6)
	check(err)
	fmt.Printf("%s\n", answer)
	answer, err = c.EmitWithAck(ctx, "divide", 42, 0)
	fmt.Println(answer, err)

	end(ctx, io, c)
	// Output:
	// [7]
	// [{"error":{"message":"division by zero"}}] division by zero
}

func ExampleEventOf() {
	ctx, cancel := exampleContext()
	defer cancel()
	type Point struct{ X, Y int }
	const (
		move  socketio.EventOf[Point]        = "move"
		where socketio.CallOf[string, Point] = "where"
	)
	io := socketio.NewServer(nil)
	where.Handle(io, func(_ context.Context, _ *socketio.Socket, who string) (Point, error) {
		return Point{len(who), 2}, nil
	})
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		return move.Emit(s, Point{3, 4})
	})

	c := connect(ctx, io, nil)
	e, err := c.Receive(ctx)
	check(err)
	fmt.Printf("%s %s\n", e.Name, e.Args)
	answer, err := c.EmitWithAck(ctx, "where", "me")
	check(err)
	fmt.Printf("%s\n", answer)

	end(ctx, io, c)
	// Output:
	// move [{"X":3,"Y":4}]
	// [{"X":2,"Y":2}]
}

func ExampleNamespace_Use() {
	ctx, cancel := exampleContext()
	defer cancel()
	user := socketio.NewKey[string]("user")
	io := socketio.NewServer(nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not authorized", Data: map[string]int{"code": 401}}
		}
		user.Set(s, "ann")
		return nil
	})
	socketio.OnWithAck(io, "who am I", func(_ context.Context, s *socketio.Socket, _ socketio.None) (string, error) {
		return user.Get(s), nil
	})

	_, err := siotest.Connect(ctx, io, nil)
	if refused, ok := errors.AsType[*siotest.ConnectError](err); ok {
		fmt.Printf("%s %s\n", refused.Message, refused.Data)
	}
	c := connect(ctx, io, map[string]string{"token": "secret"})
	answer, err := c.EmitWithAck(ctx, "who am I")
	check(err)
	fmt.Printf("%s\n", answer)

	end(ctx, io, c)
	// Output:
	// not authorized {"code":401}
	// ["ann"]
}

func ExampleNamespace_Wrap() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	io.Wrap(func(next socketio.Handler) socketio.Handler {
		return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			if e.Args.Len() > 1 {
				return &socketio.Error{Message: "too many arguments"}
			}
			return next.ServeEvent(ctx, e)
		})
	})
	socketio.OnWithAck(io, "square", func(_ context.Context, _ *socketio.Socket, n int) (int, error) {
		return n * n, nil
	})

	c := connect(ctx, io, nil)
	for _, args := range [][]any{{7}, {7, 8}} {
		answer, err := c.EmitWithAck(ctx, "square", args...)
		fmt.Println(answer, err)
	}

	end(ctx, io, c)
	// Output:
	// [49] <nil>
	// [{"error":{"message":"too many arguments"}}] too many arguments
}

func ExampleSocket_EmitWithAck() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	ages := make(chan int, 1)
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // the timeout
		defer cancel()
		age, err := socketio.As[int](s.EmitWithAck(ctx, "age?"))
		ages <- age
		return err
	})

	c := connect(ctx, io, nil)
	e, err := c.Receive(ctx)
	check(err)
	check(e.Ack(42))
	fmt.Println(<-ages)

	end(ctx, io, c)
	// Output: 42
}

func ExampleBroadcast_EmitWithAck() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Join("jury")
		return s.Emit("ready")
	})

	clients := []*siotest.Client{connect(ctx, io, nil), connect(ctx, io, nil)}
	for _, c := range clients {
		_, err := c.Receive(ctx) // ready
		check(err)
		go func() {
			if e, err := c.Receive(ctx); err == nil {
				check(e.Ack(true))
			}
		}()
	}
	votes, err := socketio.AllAs[bool](io.To("jury").EmitWithAck(ctx, "guilty?"))
	check(err)
	fmt.Println(votes)

	for _, c := range clients {
		check(c.Close())
	}
	check(io.Shutdown(ctx))
	// Output: [true true]
}

func ExampleBroadcast_FetchSockets() {
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
	sockets, err := io.To("lobby").FetchSockets(ctx)
	check(err)
	for _, s := range sockets {
		fmt.Println(s.ID() == c.ID(), s.Rooms()[1])
		check(s.Join(ctx, "hall"))
	}
	check(io.To("hall").Emit("welcome"))
	e, err := c.Receive(ctx)
	check(err)
	fmt.Println(e.Name)

	end(ctx, io, c)
	// Output:
	// true lobby
	// welcome
}

func ExampleEvent_AckFunc() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	jobs := make(chan func(...any) error, 1)
	io.Handle("start", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		jobs <- e.AckFunc()
		return nil
	}))

	c := connect(ctx, io, nil)
	go func() { check((<-jobs)("done")) }()
	answer, err := c.EmitWithAck(ctx, "start")
	check(err)
	fmt.Printf("%s\n", answer)

	end(ctx, io, c)
	// Output: ["done"]
}

func ExampleObserver() {
	ctx, cancel := exampleContext()
	defer cancel()
	var slow atomic.Int64
	closed := make(chan socketio.ClosedInfo, 1)
	metrics := socketio.Observer{
		Handled: func(i socketio.HandledInfo) {
			if i.Took > time.Second {
				slow.Add(1)
			}
		},
		Closed: func(i socketio.ClosedInfo) { closed <- i },
	}
	io := socketio.NewServer(&socketio.Options{Observers: []socketio.Observer{metrics}})
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Disconnect(true)
		return nil
	})

	c := connect(ctx, io, nil)
	i := <-closed
	fmt.Println(i.Reason, i.Err, slow.Load())

	end(ctx, io, c)
	// Output: forced close <nil> 0
}

func ExampleSocket_Flush() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	socketio.OnWithAck(io, "export", func(ctx context.Context, s *socketio.Socket, rows int) (int, error) {
		for row := range rows {
			if err := s.Emit("row", row); err != nil {
				return row, err
			}
			if row%100 == 99 { // not faster than the client takes them
				if err := s.Flush(ctx); err != nil {
					return row, err
				}
			}
		}
		return rows, nil
	})

	c := connect(ctx, io, nil)
	rows, err := c.EmitWithAck(ctx, "export", 1000)
	check(err)
	fmt.Printf("%s\n", rows)

	end(ctx, io, c)
	// Output: [1000]
}

func ExampleBroadcast_Backlog() {
	ctx, cancel := exampleContext()
	defer cancel()
	io := socketio.NewServer(nil)
	c := connect(ctx, io, nil)

	const much = 1 << 20
	if io.To("viewers").Backlog().Bytes < much {
		check(io.To("viewers").Emit("picture", make([]byte, 1000)))
	}
	if b := io.Local().Backlog(); b.Packets > 0 && time.Since(b.Since) > time.Second {
		fmt.Println("somebody has taken nothing for a second")
	}

	end(ctx, io, c)
	// Output:
}

func ExampleServer_Shutdown() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engine.Options{
			PingInterval: 10 * time.Second,
			CORS:         &engine.CORS{Origins: []string{"https://app.example.com"}},
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	srv := &http.Server{Addr: "127.0.0.1:0", Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ctx, cancel := exampleContext()
	defer cancel()
	// The http.Server does not know WebSocket connections any more, so both are
	// shut down: the clients first, so that they reconnect to another server.
	fmt.Println(errors.Join(io.Shutdown(ctx), srv.Shutdown(ctx)))
	// Output: <nil>
}

// The http.Server is shut down by code that does not know the Socket.IO server. Its
// Shutdown waits for pending long polls, which end because of the registered function.
func ExampleServer_Shutdown_registered() {
	io := socketio.NewServer(nil)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	srv := &http.Server{Addr: "127.0.0.1:0", Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ctx, cancel := exampleContext()
	defer cancel()
	ended := make(chan error, 1)
	srv.RegisterOnShutdown(func() { ended <- io.Shutdown(ctx) })

	fmt.Println(srv.Shutdown(ctx))
	fmt.Println(<-ended) // which srv.Shutdown does not wait for
	// Output:
	// <nil>
	// <nil>
}
