//go:build !linux || noparking

package engine

// Parks tells that no connection is parked.
const Parks = false
