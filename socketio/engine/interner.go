package engine

import "sync"

// interner keeps one copy of texts that come again and again. What it remembers is
// bounded; a text that it has forgotten is only kept more than once. The zero value
// is ready, and safe for concurrent use.
type interner struct {
	mu sync.Mutex
	// When young is full it becomes old, and old is forgotten, unless it is found
	// there meanwhile.
	young, old map[string]*string
}

const (
	maxInterned     = 256     // texts in each of the two maps
	maxInternedSize = 2 << 10 // bytes of a text that is worth to be remembered
)

// intern returns the text. It does not keep b.
func (in *interner) intern(b []byte) *string {
	if len(b) > maxInternedSize {
		text := string(b)
		return &text
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if text, ok := in.young[string(b)]; ok {
		return text
	}
	text, ok := in.old[string(b)]
	if !ok {
		made := string(b)
		text = &made
	}
	if len(in.young) >= maxInterned {
		in.young, in.old = nil, in.young
	}
	if in.young == nil {
		in.young = make(map[string]*string)
	}
	in.young[*text] = text
	return text
}
