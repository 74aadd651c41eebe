//go:build !noparking

package park

import (
	"sync"
	"sync/atomic"
)

// table finds connections by their descriptors. An event may be about a descriptor
// that has been closed and given to another connection meanwhile: that one is told
// of something that has not happened, which waiters are used to.
type table struct {
	grow  sync.Mutex
	pages atomic.Pointer[[]*page]
}

// page is a part of the table, allocated when the first of its descriptors is used.
type page [512]atomic.Pointer[Conn]

// get returns the connection of a descriptor, nil if there is none.
func (t *table) get(fd int32) *Conn {
	pages := t.pages.Load()
	i := int(fd) / len(page{})
	if pages == nil || i >= len(*pages) || (*pages)[i] == nil {
		return nil
	}
	return (*pages)[i][int(fd)%len(page{})].Load()
}

// set changes the connection of a descriptor.
func (t *table) set(fd int32, c *Conn) {
	t.page(int(fd) / len(page{}))[int(fd)%len(page{})].Store(c)
}

// remove removes the connection of a descriptor. It reports false if another one, or
// none, is there.
func (t *table) remove(fd int32, c *Conn) bool {
	return t.get(fd) == c && t.page(int(fd) / len(page{}))[int(fd)%len(page{})].CompareAndSwap(c, nil)
}

// all are the connections that have been there when the iteration came to them.
func (t *table) all(yield func(*Conn) bool) {
	pages := t.pages.Load()
	if pages == nil {
		return
	}
	for _, p := range *pages {
		if p == nil {
			continue
		}
		for i := range p {
			if c := p[i].Load(); c != nil && !yield(c) {
				return
			}
		}
	}
}

// page returns a page, which is made if there is none. Pages are never removed.
func (t *table) page(i int) *page {
	if pages := t.pages.Load(); pages != nil && i < len(*pages) && (*pages)[i] != nil {
		return (*pages)[i]
	}
	t.grow.Lock()
	defer t.grow.Unlock()
	var pages []*page
	if old := t.pages.Load(); old != nil {
		pages = append(pages, *old...)
	}
	for len(pages) <= i {
		pages = append(pages, nil)
	}
	if pages[i] == nil {
		pages[i] = new(page)
	}
	t.pages.Store(&pages)
	return pages[i]
}
