package engine

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Frames that are sent in a row, with nothing from the client between them, are written
// each at once at first, and together from then on. The shard that writes them together
// has not been started here until there is nothing else to see.
func TestStreamIsWrittenTogether(t *testing.T) {
	c, client := adopted(t)
	s := c.session
	s.conn = c
	send := func(n int) { s.Send(NewTextFrame(strconv.Itoa(n)), 0) }
	if err := client.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	expect := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			want := NewTextFrame(strconv.Itoa(n)).WebSocket()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil || string(got) != string(want) {
				t.Fatalf("%d: got %q, %v", n, got, err)
			}
		}
	}
	for n := range 10 * aloneMax { // a dialogue
		c.hear()
		send(n)
		expect(n, n+1)
	}
	c.hear()
	for n := range 3 * aloneMax {
		send(n)
	}
	expect(0, aloneMax)
	if n := len(s.queue.waiting()); n != 2*aloneMax {
		t.Errorf("%d frames wait to be written together, want %d", n, 2*aloneMax)
	}
	large := NewTextFrame(strings.Repeat("x", streamFrame))
	s.Send(large, 0) // in its order
	for n := range streamMax {
		send(n)
	}
	expect(aloneMax, 3*aloneMax)
	if _, err := io.CopyN(io.Discard, client, int64(large.Len())); err != nil {
		t.Fatal(err)
	}
	written := streamMax - 2*aloneMax - 1
	expect(0, written) // by their sender, when there were so many
	if n := len(s.queue.waiting()); n != streamMax-written {
		t.Errorf("%d frames wait, want %d", n, streamMax-written)
	}
	s.srv.pool.Start()
	expect(written, streamMax)
	for end := time.Now().Add(15 * time.Second); !s.idle(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the shard does not flush")
		}
	}
	s.Send(large, 0) // is not counted
	if _, err := io.CopyN(io.Discard, client, int64(large.Len())); err != nil {
		t.Fatal(err)
	}
	c.hear()
	send(100)
	expect(100, 101)
}

// idle reports whether nothing is queued or being written.
func (s *Session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue == nil && !s.writing && !s.touched
}

// What many senders queue while the one that writes is kept from going on is counted.
func TestQueueBehindAWriterIsCounted(t *testing.T) {
	c, client := adopted(t)
	s := c.session
	s.conn = c
	s.mu.Lock()
	s.writing = true // by somebody who is not running at the moment
	s.mu.Unlock()
	for n := range uncountedMax {
		s.Send(NewTextFrame(strconv.Itoa(n)), 0)
	}
	if b := s.Backlog(); b.Bytes != 0 {
		t.Fatalf("%+v of a few frames", b)
	}
	s.Send(NewTextFrame("more"), 0)
	if b := s.Backlog(); b.Packets != uncountedMax+1 || b.Bytes < uncountedMax*place {
		t.Errorf("got %+v, want all %d frames", b, uncountedMax+1)
	}
	if err := client.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sc := s.srv.pool.Borrow()
	defer s.srv.pool.Return(sc)
	s.mu.Lock()
	s.write(sc)
	last := NewTextFrame("more").WebSocket()
	var got []byte
	for b := make([]byte, 1<<10); !bytes.HasSuffix(got, last); {
		n, err := client.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if b := s.Backlog(); b.Bytes != 0 {
		t.Errorf("%+v when all has been written", b)
	}
}
