package peers

import "testing"

// A server whose port another one has does not start, although there is an answer on that port.
func TestRedisPortIsTaken(t *testing.T) {
	first := Redis(t)
	second := &RedisServer{Addr: first.Addr, args: first.args, log: &tail{}}
	if err := second.start(); err == nil {
		second.proc.kill()
		t.Error("a server has started on the port of another one")
	}
}
