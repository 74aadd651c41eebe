package parser

import (
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// What has been received of a packet is counted until it is complete.
func TestStateSize(t *testing.T) {
	d := &Default{}
	var st State
	var p adapter.Packet
	blob := []byte(strings.Repeat("x", 10_000))
	decode := func(data []byte, binary, want bool) {
		t.Helper()
		if complete, err := d.Decode(&st, data, binary, &p); complete != want || err != nil {
			t.Fatalf("complete %t, %v", complete, err)
		}
	}
	if n := st.Size(); n != 0 {
		t.Errorf("a new state has %d bytes", n)
	}
	decode([]byte(`53-/n,["x"]`), false, false)
	head := st.Size()
	if head < 100 || head > 400 {
		t.Errorf("with the first message it has %d bytes", head)
	}
	for i := 1; i <= 2; i++ {
		decode(blob, true, false)
		if n := st.Size(); n != head+i*len(blob) {
			t.Errorf("with %d attachments it has %d bytes", i, n)
		}
	}
	decode(blob, true, true)
	if n := st.Size(); n != 0 {
		t.Errorf("after the packet it has %d bytes", n)
	}
}

// The text of a packet counts as well, and the place of each attachment that will come.
func TestStateSizeOfTheFirstMessage(t *testing.T) {
	d := &Default{MaxAttachments: 1000}
	size := func(text string) int {
		t.Helper()
		var st State
		if complete, err := d.Decode(&st, []byte(text), false, &adapter.Packet{}); complete || err != nil {
			t.Fatalf("complete %t, %v", complete, err)
		}
		return st.Size()
	}
	small := size(`51-["x"]`)
	for _, n := range []int{10, 1000} {
		text := strings.Repeat("y", 100*n)
		if got := size(`51-["x","`+text+`"]`) - small; got < len(text) || got > len(text)*5/4+100 {
			t.Errorf("%d bytes of text count as %d", len(text), got)
		}
		if got := size(`5`+strconv.Itoa(n)+`-["x"]`) - small; got != 24*(n-1) {
			t.Errorf("%d attachments more count as %d bytes", n-1, got)
		}
	}
}
