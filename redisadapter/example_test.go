package redisadapter_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
)

// The servers of a cluster, in Go and in Node.js, use the same Redis.
func ExampleNew() { //nolint:testableexamples // it needs a Redis server
	rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"localhost:6379"}})
	io := socketio.NewServer(&socketio.Options{
		Adapter: redisadapter.New(rdb, &redisadapter.Options{
			Key:                              "my-app", // the option "key" in Node.js
			RequestTimeout:                   2 * time.Second,
			PublishOnSpecificResponseChannel: true,
		}),
	})
	_ = io // an http.Handler
}

// What an outage of Redis has cost is told when it is over. A program that keeps its messages
// can then have the clients ask for what they have missed.
func ExampleObserver() { //nolint:testableexamples // it needs a Redis server
	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	var io *socketio.Server
	io = socketio.NewServer(&socketio.Options{
		Adapter: redisadapter.New(rdb, &redisadapter.Options{
			Observers: []redisadapter.Observer{{
				OutageEnded: func(info redisadapter.OutageEndedInfo) {
					slog.Info("redis is back", "after", info.Lasted, "lost", info.Losses.Total(), "deaf", info.Deaf)
					_ = io.Local().Emit("resync")
				},
			}},
		}),
	})
}

// The health of the adapter says whether other servers get what this one sends.
func ExampleNew_health() { //nolint:testableexamples // it needs a Redis server
	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	io := socketio.NewServer(&socketio.Options{Adapter: redisadapter.New(rdb, nil)})
	if h, ok := io.AdapterHealth(); ok && !h.Reached {
		fmt.Println("the other servers have not been reached since", h.Since, h.PublishErr)
	}
}

// The lines that the Redis client logs by itself go through the program's logger, and do not
// flood it while Redis is away.
func ExampleNewClientLog() { //nolint:testableexamples // it prints nothing
	redis.SetLogger(redisadapter.NewClientLog(slog.Default()))
}
