package peers_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/examples/peers"
)

func TestRedisPassword(t *testing.T) {
	r := peers.Redis(t, "--requirepass", "secret")
	if got := r.Do(t, "PING"); got != "PONG" {
		t.Errorf("PING: %v", got)
	}
	r.Do(t, "ACL", "SETUSER", "node", "on", ">one", "allchannels", "+@all")
	r.Do(t, "ACL", "SETUSER", "node", "resetpass", ">two")
	if _, err := r.Try("AUTH", "node", "one"); err == nil {
		t.Error("the former password is accepted")
	}
	r.Do(t, "AUTH", "node", "two")
}

// TestSentinelFailover has two failovers in a row, and clients that ask Sentinel follow each.
func TestSentinelFailover(t *testing.T) {
	g := peers.Sentinel(t, 2)
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: peers.SentinelMaster, SentinelAddrs: g.Addrs()})
	defer rdb.Close()
	seen := map[string]bool{}
	for i := range 3 {
		if i > 0 {
			g.Failover(t)
		}
		seen[g.Master(t).Addr] = true
		eventually(t, "a master that is written to", func() bool { return rdb.Set(t.Context(), "key", i, 0).Err() == nil })
	}
	if len(seen) < 2 {
		t.Errorf("the master was always %v", seen)
	}
}

// TestSentinelReplacesTheKilled is the failover that nobody has planned.
func TestSentinelReplacesTheKilled(t *testing.T) {
	g := peers.Sentinel(t, 2)
	former := g.Master(t)
	former.Kill(t)
	eventually(t, "another master", func() bool { return g.Master(t) != former })
	if r := g.Servers[0]; r != former {
		t.Errorf("the first master was %s, not the first server, %s", former.Addr, r.Addr)
	}
}

func TestRedisCluster(t *testing.T) {
	all := peers.RedisCluster(t, 3)
	all[2].Kill(t)
	eventually(t, "the others to go on without the killed", func() bool {
		_, err := all[0].Try("PUBLISH", "channel", "x")
		info, infoErr := all[0].Try("CLUSTER", "INFO")
		return err == nil && infoErr == nil && info != ""
	})
}

// echo answers each line with the name of the server.
func echo(t *testing.T, name string) (addr string) {
	t.Helper()
	l := peers.Listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewReader(c); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, name+" "+line)
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

// talker is a client of echo.
type talker struct {
	net.Conn

	lines *bufio.Reader
}

func talk(t *testing.T, addr string) talker {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return talker{c, bufio.NewReader(c)}
}

func (c talker) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (c talker) hear(t *testing.T, want string) {
	t.Helper()
	if got, err := c.lines.ReadString('\n'); err != nil || got != want+"\n" {
		t.Errorf("heard %q, %v, want %q", got, err, want)
	}
}

// silent checks that nothing arrives for a moment.
func (c talker) silent(t *testing.T) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, err := c.lines.ReadString('\n'); err == nil {
		t.Errorf("heard %q in a black hole", got)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func TestProxyBlackHole(t *testing.T) {
	p := peers.NewProxy(t, echo(t, "a"))
	open := talk(t, p.Addr)
	open.say(t, "1")
	open.hear(t, "a 1")
	p.BlackHole()
	fresh := talk(t, p.Addr)
	for _, c := range []talker{open, fresh} {
		c.say(t, "2")
		c.say(t, "3")
		c.silent(t)
	}
	p.Heal()
	for _, c := range []talker{open, fresh} {
		c.hear(t, "a 2")
		c.hear(t, "a 3")
	}
}

func TestProxyCutAndRetarget(t *testing.T) {
	p := peers.NewProxy(t, echo(t, "a"))
	open := talk(t, p.Addr)
	open.say(t, "1")
	open.hear(t, "a 1")
	p.Retarget(echo(t, "b"))
	open.say(t, "2")
	open.hear(t, "a 2")
	moved := talk(t, p.Addr)
	moved.say(t, "3")
	moved.hear(t, "b 3")
	p.BlackHole()
	p.Cut()
	p.Heal()
	for _, c := range []talker{open, moved} {
		if got, err := c.lines.ReadString('\n'); err == nil {
			t.Errorf("heard %q over a connection that was cut", got)
		}
	}
	again := talk(t, p.Addr)
	again.say(t, "4")
	again.hear(t, "b 4")
}
