package main

import (
	"slices"
)

// An arrival is a message that a client has received. The times are those of the wall clock in milliseconds.
type arrival struct {
	From     string
	Seq      int // 0, 1, 2 and so on for each sender
	Sent, At int64
}

// A stream is what became of the messages of one sender at one receiver.
type stream struct {
	Lost       []int
	Duplicated int
	// Reordered counts messages that came after one that was sent later.
	Reordered int
	// Recovered is after how many milliseconds from the end of the trouble the first message arrived after which none was lost: -1 if
	// none did.
	Recovered int64
}

// follow tells what became of the messages 0 to sent-1 of a sender, from what has arrived of it in that order, if the trouble ended
// at that time.
func follow(arrivals []arrival, sent int, end int64) stream {
	s := stream{Recovered: -1}
	seen, last := make([]bool, sent), -1
	for _, a := range arrivals {
		switch {
		case a.Seq < 0 || a.Seq >= sent:
			continue
		case seen[a.Seq]:
			s.Duplicated++
			continue
		case a.Seq < last:
			s.Reordered++
		}
		seen[a.Seq], last = true, max(last, a.Seq)
	}
	for seq, ok := range seen {
		if !ok {
			s.Lost = append(s.Lost, seq)
		}
	}
	s.Recovered = recovered(arrivals, s.Lost, end)
	return s
}

func recovered(arrivals []arrival, lost []int, end int64) int64 {
	after := -1
	if len(lost) > 0 {
		after = slices.Max(lost)
	}
	for _, a := range arrivals {
		if a.Seq > after && a.At >= end {
			return a.At - end
		}
	}
	return -1
}

// from returns the arrivals of one sender.
func from(arrivals []arrival, sender string) []arrival {
	var some []arrival
	for _, a := range arrivals {
		if a.From == sender {
			some = append(some, a)
		}
	}
	return some
}

// highest returns how many messages a sender that can no longer be asked has sent at least.
func highest(all map[string]report, sender string) int {
	sent := 0
	for name := range all {
		for _, a := range all[name].Got {
			if a.From == sender {
				sent = max(sent, a.Seq+1)
			}
		}
	}
	return sent
}
