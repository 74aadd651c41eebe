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
	"sync"
	"sync/atomic"
	"time"
)

// Owner is the client that an account belongs to.
type Owner interface {
	// OverBudget ends the client, which gives back what its account holds. It returns
	// how much of the budget's use that does not end at once, but soon. It is called at
	// most once for each opening of an account, without a lock of the budget, possibly on
	// a goroutine of the budget's own, and must not block.
	OverBudget() (later int64)
}

// Budget is a number of bytes for many accounts. It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64

	reliefs reliefs

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

// New returns a budget of so many bytes, for which Stop is called in the end.
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
