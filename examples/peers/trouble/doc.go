// Trouble runs clusters of Socket.IO servers through what Redis, the network and the servers themselves can suffer, and tells what became
// of the messages.
//
// One cluster is mixed: two Go processes and two Node.js processes, one with the package redis and one with ioredis. The other one is
// Node.js only, two with each package. Both suffer the same trouble at the same moment, each with a Redis of its own. Meanwhile every
// process emits to everybody 50 times a second, and a client of each process notes what arrives.
//
//	go run ./examples/peers/trouble                         everything (five minutes), as Markdown
//	go run ./examples/peers/trouble -scenario restart-2s    some scenarios; -list names them
//	go run ./examples/peers/trouble -node-only              without the mixed cluster
//	go run ./examples/peers/trouble -json                   every pair of processes, as JSON
//
// It says what is wrong, and exits with an error, when a Go process loses more than a Node.js one, or anything in silence.
//
// It needs what the tests of examples/peers need: run make deps first.
package main
