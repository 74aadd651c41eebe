//go:build !noparking

package park

// Run is the worker's goroutine.
func (w *Worker) Run() {
	dismissed := false
	defer func() {
		if !dismissed { // user code has ended the goroutine, as runtime.Goexit does
			w.poller.replace(w)
		}
	}()
	for {
		n, ok := w.poller.next(w)
		if !ok {
			dismissed = true
			return
		}
		w.tell(n)
	}
}

// replace hires a worker for one that is gone.
func (p *Poller) replace(w *Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.lent {
		p.crew.lent--
	} else {
		p.crew.leave(w)
	}
	p.crew.staff()
}

// tell tells a waiter.
func (w *Worker) tell(n notice) {
	if w.began = w.poller.crew.reading.enter(w.poller); w.began != 0 {
		w.Lend()
	}
	n.conn.waiter.Readable(w, n.ended)
	w.endReading()
	if w.handles.Load() {
		w.handles.Store(false)
	}
}

// endReading keeps up the caution if reading has been slow.
func (w *Worker) endReading() {
	if w.began != 0 {
		w.poller.crew.reading.exit(w.poller, w.began)
		w.began = 0
	}
}

// RunTask runs user code, as the last thing that Readable does.
func (w *Worker) RunTask(t Task) {
	w.endReading()
	w.handles.Store(true)
	caution := &w.poller.crew.handling
	began := caution.enter(w.poller)
	if began == 0 {
		t.Run()
		return
	}
	w.Lend()
	t.Run()
	caution.exit(w.poller, began)
}

// Lend lets another worker take the place of this one, which is going to wait for
// something else than input, until Readable returns.
func (w *Worker) Lend() {
	p := w.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.lent {
		return
	}
	p.crew.lend(w)
	p.crew.staff()
}

// Start runs a task on another goroutine.
func (w *Worker) Start(t Task) { w.poller.pool.Go(t) }
