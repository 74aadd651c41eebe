package redisadapter

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// fake stands in for a Redis server to which messages are published, in memory: it works
// in a bubble, and answers a PUBLISH as a test wants.
type fake struct {
	// answer returns the answer to the nth PUBLISH, from 1 on. If it is empty the
	// connection is closed instead.
	answer func(n int) string

	mu        sync.Mutex
	dials     int
	published []string
	counts    map[string]int64 // how many listen to each channel
	asked     int              // how often that was asked
	running   sync.WaitGroup
}

// client returns a client of the server, which ends with the test.
func (f *fake) client(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: f.dial, MaxRetries: 3})
	t.Cleanup(func() {
		rdb.Close()
		f.running.Wait()
	})
	return rdb
}

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	f.mu.Lock()
	f.dials++
	f.mu.Unlock()
	f.running.Go(func() {
		defer far.Close()
		for r := bufio.NewReader(far); ; {
			command, err := readCommand(r)
			if err != nil {
				return
			}
			answer := f.execute(command)
			if _, err := io.WriteString(far, answer); answer == "" || err != nil {
				return
			}
		}
	})
	return near, nil
}

func (f *fake) execute(command []string) string {
	switch strings.ToLower(command[0]) {
	case "publish":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.published = append(f.published, command[2])
		return f.answer(len(f.published))
	case "pubsub":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked++
		answer := fmt.Sprintf("*%d\r\n", 2*len(command[2:]))
		for _, name := range command[2:] {
			answer += fmt.Sprintf("$%d\r\n%s\r\n:%d\r\n", len(name), name, f.counts[name])
		}
		return answer
	case "client":
		return "+OK\r\n"
	}
	return "-ERR unknown command\r\n"
}

// messages returns what has been published, connections lost or not.
func (f *fake) messages() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.published, " ")
}

// readCommand reads an array of strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readSize(r, '*')
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := readSize(r, '$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		command[i] = string(text[:size])
	}
	return command, nil
}

func readSize(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("%q in the place of %q", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
