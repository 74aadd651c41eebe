package redisadapter_test

import (
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
