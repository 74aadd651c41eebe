package budget_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/budget"
)

// newBudget returns a budget that is stopped at the end of the test.
func newBudget(tb testing.TB, limit int64) *budget.Budget {
	tb.Helper()
	b := budget.New(limit)
	tb.Cleanup(b.Stop)
	return b
}

// A client has an account, and gives back what it holds when it is told to go.
type client struct {
	name    string
	b       *budget.Budget
	account budget.Account
	slow    bool // it gives back later
	told    atomic.Int32
	onTold  func()
}

func (c *client) OverBudget() (later int64) {
	c.told.Add(1)
	if c.onTold != nil {
		c.onTold()
	}
	if c.slow {
		return c.account.Bytes()
	}
	c.release()
	return 0
}

// hold opens the client's account and holds so many bytes.
func (c *client) hold(n int64) *client {
	c.b.Open(&c.account, c)
	c.account.Charge(n)
	c.b.Use(n)
	return c
}

func (c *client) release() {
	c.give(c.account.Bytes())
	c.b.Close(&c.account)
}

func (c *client) give(n int64) {
	c.account.Charge(-n)
	c.b.Use(-n)
}

// told are the names of the clients that were told to go.
func told(clients ...*client) (names []string) {
	for _, c := range clients {
		if c.told.Load() > 1 {
			names = append(names, c.name+" twice")
		} else if c.told.Load() == 1 {
			names = append(names, c.name)
		}
	}
	return names
}

func want(t *testing.T, got []string, names ...string) {
	t.Helper()
	if !slices.Equal(got, names) {
		t.Errorf("told to go: %q, want %q", got, names)
	}
}

func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		var order []string
		add := func(name string) *client {
			c := &client{name: name, b: b}
			c.onTold = func() { order = append(order, name) }
			return c
		}
		longest := add("standing for longest").hold(10)
		time.Sleep(time.Second)
		long := add("standing for long").hold(20)
		time.Sleep(2 * time.Second)
		short := add("standing for half a second").hold(30)
		time.Sleep(time.Second / 2)
		moving, largest := add("moving").hold(100), add("the largest that moves").hold(800)
		b.Relieve()
		want(t, order) // within the limit
		late := add("late").hold(1000)
		b.Relieve()
		want(t, order, "standing for longest", "standing for long", "late")
		if got := b.Used(); got != 930 {
			t.Errorf("%d bytes are in use", got)
		}
		late.release()
		moving.account.Charge(100)
		b.Use(100)
		b.Relieve()
		want(t, order, "standing for longest", "standing for long", "late", "the largest that moves")
		for _, c := range []*client{longest, long, short, moving, largest} {
			c.release()
		}
		if b.Used() != 0 {
			t.Errorf("%d bytes are left", b.Used())
		}
	})
}

// A standstill of a second is enough to go before a larger one that has stood still for less.
func TestStandstillOfASecond(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		still time.Duration
		first string
	}{
		"just less":        {time.Second - 1, "large"},
		"exactly a second": {time.Second, "still"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(t, 1000)
				still := (&client{name: "still", b: b}).hold(100)
				time.Sleep(c.still)
				large := (&client{name: "large", b: b}).hold(950)
				b.Relieve()
				want(t, told(still, large), c.first)
			})
		})
	}
}

// Who makes progress does not stand still, however long the account has been open.
func TestProgressIsNoStandstill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		moving, standing := (&client{name: "moving", b: b}).hold(900), (&client{name: "standing", b: b}).hold(50)
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			moving.account.Progress()
		}
		b.Use(60)
		b.Relieve()
		want(t, told(moving, standing), "standing")
	})
}

// Those who give back what they hold later are enough: nobody else goes, however long that takes.
func TestNobodyGoesForWhatIsLeavingAlready(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		var clients []*client
		for i := range 10 {
			clients = append(clients, (&client{name: string(rune('a' + i)), b: b, slow: true}).hold(100))
		}
		clients[3].account.Charge(50)
		b.Use(50)
		for range 100 {
			b.Relieve()
			elapse(time.Millisecond)
		}
		elapse(time.Minute)
		want(t, told(clients...), "d")
		clients[3].release()
		b.Relieve()
		elapse(time.Minute)
		want(t, told(clients...), "d")
		if b.Used() != 900 {
			t.Errorf("%d bytes are in use", b.Used())
		}
	})
}

// An account may be opened again for another owner between the choice and the end: that one stays.
func TestAnotherOwnerOfAnAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 100)
		first, second, reborn := &client{name: "first", b: b, slow: true}, &client{name: "second", b: b}, &client{name: "reborn", b: b}
		first.hold(100)
		time.Sleep(2 * time.Second)
		second.hold(90)
		first.onTold = func() {
			// While the first one is told, the second one goes, and its account is used for another.
			second.release()
			b.Open(&second.account, reborn)
			second.account.Charge(50)
			b.Use(150) // so that one more has to go
		}
		b.Relieve()
		want(t, told(first, second, reborn), "first")
	})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 100)
		if b.Limit() != 100 || b.Used() != 0 || b.Over() {
			t.Errorf("limit %d, used %d", b.Limit(), b.Used())
		}
		b.Use(100)
		if b.Over() {
			t.Error("exactly the limit is over it")
		}
		b.Use(1)
		if !b.Over() {
			t.Error("one byte more is not over the limit")
		}
		b.Use(-101)
		c := (&client{name: "c", b: b}).hold(7)
		opened := time.Now()
		time.Sleep(time.Second)
		b.Open(&c.account, c) // it is open: nothing happens
		if !c.account.Moved().Equal(opened) || c.account.Bytes() != 7 {
			t.Errorf("moved %v, %d bytes", c.account.Moved(), c.account.Bytes())
		}
		c.release()
		b.Close(&c.account)
		c.hold(200)
		if !c.account.Moved().Equal(time.Now()) {
			t.Errorf("an account that is opened again has moved at %v", c.account.Moved())
		}
		b.Relieve()
		want(t, told(c), "c")
	})
}

// An account that was closed because of the budget can be opened again, and is chosen again.
func TestAccountIsOpenedAgainAfterItsOwnerWasTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		c := &client{name: "c", b: b, slow: true}
		for range 3 {
			c.told.Store(0)
			c.hold(2000)
			b.Relieve()
			want(t, told(c), "c")
			c.release()
			elapse(time.Minute)
		}
	})
}

// Accounts that come and go while others are closed: each owner is told once at most, and nothing is left.
func TestBudgetUnderChurn(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 100)
	var running sync.WaitGroup
	var ended atomic.Int64
	for range 8 {
		running.Go(func() {
			for range 500 {
				c := &churner{b: b, ended: &ended}
				c.change(func() { c.grow(150) })
				b.Relieve()
				c.change(func() { c.grow(30) })
				b.Relieve()
				c.change(c.drop)
			}
		})
	}
	running.Wait()
	if b.Used() != 0 || ended.Load() == 0 {
		t.Errorf("%d bytes are left, %d clients were told to go", b.Used(), ended.Load())
	}
}

// A churner is a client with a lock, as a session has.
type churner struct {
	b       *budget.Budget
	ended   *atomic.Int64
	mu      sync.Mutex
	account budget.Account
	gone    bool
}

func (c *churner) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		f()
	}
}

func (c *churner) grow(n int64) {
	c.b.Open(&c.account, c)
	c.account.Charge(n)
	c.b.Use(n)
}

func (c *churner) drop() {
	c.gone = true
	c.b.Use(-c.account.Bytes())
	c.b.Close(&c.account)
}

func (c *churner) OverBudget() (later int64) {
	c.ended.Add(1)
	c.change(c.drop)
	return 0
}
