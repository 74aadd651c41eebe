//go:build !race

package engine_test

// raceEnabled tells that the race detector is off.
const raceEnabled = false
