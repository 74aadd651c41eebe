package budget_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/budget"
)

// What ends because of the budget leaves a margin, so that the next byte does not have all accounts looked at again.
func TestMargin(t *testing.T) {
	t.Parallel()
	const limit, each = 64_000, 100
	b := newBudget(t, limit)
	for b.Used() <= limit {
		(&client{name: "x", b: b}).hold(each)
	}
	b.Relieve()
	if got := b.Used(); got > limit-limit/64 || got <= limit-limit/64-each {
		t.Errorf("%d of %d bytes are in use", got, limit)
	}
}

// Relief that is under way is not waited for, and does not begin a second time.
func TestReliefDoesNotWait(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 10)
	entered, leave := make(chan struct{}), make(chan struct{})
	c := &client{name: "c", b: b}
	c.onTold = func() {
		close(entered)
		<-leave
	}
	c.hold(20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Relieve()
	}()
	<-entered
	b.Relieve() // returns
	close(leave)
	<-done
	want(t, told(c), "c")
}

// leaving has a relief of a budget of 1000 begin: it returns the client that has been told to go, and gives back 2000 later.
func leaving(b *budget.Budget) *client {
	slow := (&client{name: "slow", b: b, slow: true}).hold(2000)
	b.Relieve()
	return slow
}

// What a relief has left is looked at again when its pause is over, though nobody asks for it.
func TestReliefGoesOnByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		for range 3 { // Each round as the first one.
			slow := leaving(b)
			others := []*client{slow, (&client{name: "larger", b: b}).hold(8), (&client{name: "smaller", b: b}).hold(7)}
			slow.account.Charge(-2000) // Others have the same.
			elapse(9 * time.Millisecond)
			want(t, told(others...), "slow")
			elapse(time.Millisecond)
			want(t, told(others...), "slow", "larger", "smaller")
			b.Use(-2000)
			b.Close(&slow.account)
			elapse(time.Minute)
			if b.Used() != 0 {
				t.Errorf("%d bytes are in use", b.Used())
			}
		}
	})
}

// A call that comes too early is made up for, also if the relief before it had been enough.
func TestReliefThatComesTooEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		slow, large := &client{name: "slow", b: b, slow: true}, (&client{name: "large", b: b}).hold(450)
		slow.onTold = func() { slow.give(10) }
		slow.hold(551)
		b.Relieve()
		late := (&client{name: "late", b: b}).hold(12)
		b.Relieve()
		slow.account.Charge(-541) // Others have the same.
		elapse(9 * time.Millisecond)
		want(t, told(slow, large, late), "slow")
		elapse(time.Millisecond)
		want(t, told(slow, large, late), "slow", "large")
	})
}

// What has been added while accounts were being closed, and could not be chosen then, is looked at when the pause is over.
func TestUseThatGrowsDuringARelief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		first, late := &client{name: "first", b: b}, &client{name: "late", b: b}
		first.onTold = func() {
			late.hold(1500)
			b.Relieve() // which leaves it to the one that is under way
		}
		first.hold(2000)
		b.Relieve()
		want(t, told(first, late), "first")
		elapse(9 * time.Millisecond)
		want(t, told(first, late), "first")
		elapse(time.Millisecond)
		want(t, told(first, late), "first", "late")
	})
}

// Once the budget has been stopped it does nothing by itself any more, and what it was doing has ended.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		slow := leaving(b)
		late := (&client{name: "late", b: b}).hold(1500)
		entered, leave := make(chan struct{}), make(chan struct{})
		late.onTold = func() {
			close(entered)
			<-leave
		}
		slow.release()
		<-entered // by itself
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			b.Stop()
		}()
		elapse(time.Minute)
		select {
		case <-stopped:
			t.Error("the relief that was under way was not waited for")
		default:
		}
		another := (&client{name: "another", b: b}).hold(1500)
		close(leave)
		<-stopped
		elapse(time.Minute)
		want(t, told(slow, late, another), "slow", "late")
		b.Relieve()
		want(t, told(slow, late, another), "slow", "late", "another")
		b.Stop()
	})
}

// A budget that is stopped in a pause does not go on when the pause is over.
func TestStopInAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		slow := leaving(b)
		late := (&client{name: "late", b: b}).hold(1500)
		slow.release()
		b.Stop()
		elapse(time.Minute)
		want(t, told(slow, late), "slow")
	})
}

// elapse lets time pass, and waits for what happens meanwhile.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// While relief does not help, because nobody is left who could go, it costs little.
func TestReliefThatDoesNotHelp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 1000)
		slow := leaving(b)
		late := (&client{name: "late", b: b}).hold(10)
		slow.account.Charge(-1990)
		b.Relieve() // at once: too early
		want(t, told(slow, late), "slow")
		time.Sleep(20 * time.Millisecond)
		b.Relieve()
		want(t, told(slow, late), "slow", "late")
		another := (&client{name: "another", b: b}).hold(10)
		b.Relieve()
		want(t, told(another))
		another.account.Charge(100)
		b.Use(100)
		b.Relieve() // The use has grown by more than a margin.
		want(t, told(another), "another")
	})
}

// BenchmarkRelieve measures one relief with so many accounts, of which a few have to go.
func BenchmarkRelieve(b *testing.B) {
	const accounts, each = 10_000, 1000
	limited := newBudget(b, accounts*each)
	clients := make([]client, accounts)
	for i := range clients {
		clients[i] = client{b: limited}
		clients[i].hold(each)
	}
	for b.Loop() {
		limited.Use(accounts)
		limited.Relieve()
		limited.Use(-accounts)
		for i := range clients {
			if clients[i].account.Bytes() == 0 {
				clients[i].hold(each)
			}
		}
	}
}
