//go:build race

package engine_test

// raceEnabled tells that the race detector is on, which makes sync.Pool drop
// some of what it is given: allocations cannot be counted.
const raceEnabled = true
