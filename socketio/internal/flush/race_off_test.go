//go:build !race

package flush_test

// raceEnabled tells that the race detector is off.
const raceEnabled = false
