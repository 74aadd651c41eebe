package budget

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// patience is how long an account may stand still before it goes before all that move.
const patience = time.Second

// The cost of relief: each time all accounts are looked at.
const (
	// margin is the part of the limit that is made free, so that the next bytes do not
	// exceed it again at once.
	margin = 64
	// pause is how long nothing is done if what had to be done has not helped yet,
	// unless the use grows by another margin meanwhile.
	pause = 10 * time.Millisecond
)

// reliefs is what a budget remembers from one relief to the next.
type reliefs struct {
	mu      sync.Mutex
	under   bool      // one is under way
	rest    time.Time // no account is closed before, unless more than restUp is used
	restUp  int64
	next    *time.Timer // the relief at the end of the rest; nil if none is wanted
	stopped bool
	running sync.WaitGroup // counts next
}

// Relieve closes accounts until no more is used than the limit allows, with a small
// margin, or will be when those that are closed have given back what they hold. It
// leaves that to a call that is under way. As long as the limit is exceeded another look
// is taken every few milliseconds, without a call. The caller holds no lock that an owner
// needs to end.
func (b *Budget) Relieve() {
	if !b.Over() || !b.beginRelief() {
		return
	}
	defer b.endRelief()
	all, leaving := b.candidates(time.Now())
	for _, c := range all {
		if b.used.Load()-leaving <= b.limit-b.limit/margin {
			break
		}
		leaving += b.end(c)
	}
}

// beginRelief reports whether it is time for a relief. If it is too early, there will be
// one in time.
func (b *Budget) beginRelief() bool {
	r := &b.reliefs
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.under: // It looks at the use again when it ends.
		return false
	case time.Now().Before(r.rest) && b.used.Load() <= r.restUp:
		b.relieveLater()
		return false
	}
	r.under = true
	return true
}

// endRelief begins the pause.
func (b *Budget) endRelief() {
	r := &b.reliefs
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under = false
	r.rest, r.restUp = time.Now().Add(pause), b.used.Load()+b.limit/margin
	if b.Over() {
		b.relieveLater()
	}
}

// relieveLater has a relief begin at the end of the pause, if none will. reliefs.mu is held.
func (b *Budget) relieveLater() {
	r := &b.reliefs
	if r.next != nil || r.stopped {
		return
	}
	r.running.Add(1)
	r.next = time.AfterFunc(time.Until(r.rest), func() {
		defer r.running.Done()
		r.mu.Lock()
		r.next = nil
		r.mu.Unlock()
		b.Relieve()
	})
}

// Stop ends what the budget does without a call, and waits for it. Nothing of the budget's
// runs afterwards but in a call. The caller holds no lock that an owner needs to end.
func (b *Budget) Stop() {
	r := &b.reliefs
	r.mu.Lock()
	r.stopped = true
	if r.next != nil && r.next.Stop() {
		r.next = nil
		r.running.Done()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// end tells the owner of an account to go, unless it has gone, and returns the bytes that
// it will give back later.
func (b *Budget) end(c candidate) (later int64) {
	a := c.account
	b.mu.Lock()
	owner, gone := a.owner, a.opening != c.opening
	if !gone {
		a.ended = true
	}
	b.mu.Unlock()
	if gone {
		return 0
	}
	later = owner.OverBudget()
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.opening != c.opening {
		return 0
	}
	a.later = later
	return later
}

// candidate is an account as it has been found. It may have been closed since, and opened
// for another owner.
type candidate struct {
	account *Account
	opening uint64
	still   time.Duration // 0 unless that has been for too long
	bytes   int64
}

// candidates returns the open accounts, those first that have to go first, but for those
// whose owners are going already, and the bytes that these will give back.
func (b *Budget) candidates(now time.Time) (all []candidate, leaving int64) {
	b.mu.Lock()
	for a := b.first; a != nil; a = a.next {
		c := candidate{account: a, opening: a.opening, bytes: a.Bytes()}
		if still := now.Sub(a.Moved()); still >= patience {
			c.still = still
		}
		switch {
		case c.bytes <= 0:
		case a.ended:
			leaving += min(a.later, c.bytes)
		default:
			all = append(all, c)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(y.still, x.still), cmp.Compare(y.bytes, x.bytes))
	})
	return all, leaving
}
