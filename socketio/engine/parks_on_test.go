//go:build linux && !noparking

package engine

// Parks tells that plain connections are parked unless that is disabled.
const Parks = true
