package main

import (
	"github.com/redis/go-redis/v9"
)

// The ways to reach Redis.
const (
	single   = "single"
	sentinel = "sentinel"
	cluster  = "cluster"
)

// A Link tells a process how to reach Redis, and which name it has.
type Link struct {
	Name     string   `json:"name"`
	Package  string   `json:"package"` // redis or ioredis, for a Node.js process
	Mode     string   `json:"mode"`
	Addrs    []string `json:"addrs"`
	Master   string   `json:"master"`
	User     string   `json:"user"`
	Password string   `json:"password"`
}

// client returns the client of Redis with the options that an application gets that sets none.
func (l Link) client() redis.UniversalClient {
	switch l.Mode {
	case sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: l.Master, SentinelAddrs: l.Addrs, Username: l.User, Password: l.Password,
		})
	case cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: l.Addrs, Username: l.User, Password: l.Password})
	default:
		return redis.NewClient(&redis.Options{Addr: l.Addrs[0], Username: l.User, Password: l.Password})
	}
}
