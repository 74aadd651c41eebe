// Package budget bounds the memory that all clients of a server have together, and
// chooses who has to go when it is exceeded.
//
// A [Budget] counts bytes that are really there: what several clients wait for is
// counted once. An [Account] counts what one client holds, in full, and when it last
// made progress. When more is used than the limit allows, accounts are closed: those
// that have stood still for a second first, the longest standstill before the others,
// and then the largest.
package budget

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long an account may stand still before it goes before all that move.
const patience = time.Second

// Owner is the client that an account belongs to.
type Owner interface {
	// OverBudget ends the client, which gives back what its account holds. It returns
	// how much of the budget's use that does not end at once, but soon. It is called at
	// most once for each opening of an account, without a lock of the budget that Use,
	// Open and Close need, and must not block.
	OverBudget() (later int64)
}

// Budget is a number of bytes for many accounts. It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64

	relief sync.Mutex // held while accounts are being closed
	rest   time.Time  // no account is closed before, unless more than restUsed is used
	restUp int64

	mu       sync.Mutex
	first    *Account // the open accounts, a list
	openings uint64
}

// Account is what one client holds of a budget. Its methods may be called concurrently,
// but Open and Close not with each other. A closed one can be opened again, also for
// another owner.
type Account struct {
	bytes atomic.Int64
	moved atomic.Int64 // when it last made progress, in nanoseconds

	// The rest is guarded by the budget's mu.
	owner      Owner
	opening    uint64 // tells one opening from the next; 0 while it is closed
	ended      bool   // its owner has been told to go
	later      int64  // what it will give back
	next, prev *Account
}

// New returns a budget of so many bytes.
func New(limit int64) *Budget { return &Budget{limit: limit} }

// Limit returns the number of bytes.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns the bytes that are in use.
func (b *Budget) Used() int64 { return b.used.Load() }

// Use counts bytes as used; a negative number gives them back. It never closes an
// account: call Relieve once no lock is held.
func (b *Budget) Use(n int64) { b.used.Add(n) }

// Over reports whether more is used than the limit allows.
func (b *Budget) Over() bool { return b.used.Load() > b.limit }

// Open enters an account, which begins to stand still now. An open one stays as it is.
func (b *Budget) Open(a *Account, o Owner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.opening != 0 {
		return
	}
	b.openings++
	a.owner, a.opening, a.ended, a.later = o, b.openings, false, 0
	a.Progress()
	if a.next = b.first; a.next != nil {
		a.next.prev = a
	}
	b.first = a
}

// Close removes an account, which holds nothing any more.
func (b *Budget) Close(a *Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.opening == 0 {
		return
	}
	a.owner, a.opening = nil, 0
	a.bytes.Store(0)
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		b.first = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.next, a.prev = nil, nil
}

// Charge changes the number of bytes that the account holds.
func (a *Account) Charge(n int64) { a.bytes.Add(n) }

// Bytes returns the number of bytes that the account holds.
func (a *Account) Bytes() int64 { return a.bytes.Load() }

// Progress notes that the client has taken some of what it holds.
func (a *Account) Progress() { a.moved.Store(time.Now().UnixNano()) }

// Moved returns when the account last made progress, or was opened.
func (a *Account) Moved() time.Time { return time.Unix(0, a.moved.Load()) }

// The cost of relief: each time all accounts are looked at.
const (
	// margin is the part of the limit that is made free, so that the next bytes do not
	// exceed it again at once.
	margin = 64
	// pause is how long nothing is done if what had to be done has not helped yet,
	// unless the use grows by another margin meanwhile.
	pause = 10 * time.Millisecond
)

// Relieve closes accounts until no more is used than the limit allows, with a small
// margin, or will be when those that are closed have given back what they hold. It
// leaves that to a call that is under way. The caller holds no lock that an owner needs
// to end.
func (b *Budget) Relieve() {
	if !b.Over() || !b.relief.TryLock() {
		return
	}
	defer b.relief.Unlock()
	now := time.Now()
	if now.Before(b.rest) && b.used.Load() <= b.restUp {
		return
	}
	all, leaving := b.candidates(now)
	for _, c := range all {
		if b.used.Load()-leaving <= b.limit-b.limit/margin {
			break
		}
		leaving += b.end(c)
	}
	b.rest, b.restUp = time.Now().Add(pause), b.used.Load()+b.limit/margin
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
