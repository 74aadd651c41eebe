// Command guard compares what the server's operations cost with what they have
// cost before, and fails if something has become more expensive.
//
//	go run ./examples/bench/guard             # compare; make test does this
//	go run ./examples/bench/guard -update     # record what is measured now, on a quiet machine
//	go run ./examples/bench/guard -run ack -v # some of it, with every system call
//
// It looks at what repeats exactly, whatever else the machine is doing, and never at
// times: allocations and system calls. There are two kinds of figures.
//
// Operations (operations.go) are done by a server that is a process of its own,
// fresh for each operation, for clients in this process, so that nothing of
// what the clients do counts. The server counts its allocations itself, the
// strace, in a second run, counts its system calls: reads, writes, waits for input, and
// others. Those by which threads wait for each other or wake each other, and those of Go's scheduler,
// are left out, since they depend on what else the machine does.
// The server's garbage collector is off, since it empties pools, and GOMAXPROCS is
// 2, since that is the number of write shards. Without strace, which Linux has, only
// allocations are compared.
//
// Benchmarks are those of the library's packages (go test -bench), of which only
// the allocations are compared.
//
// # The record
//
// testdata/costs.txt has a line for each operation and each benchmark:
//
//	ack  allocs 0±0.05 reads 1 writes 1  # why a figure varies
//
// A figure has risen if it exceeds the recorded one by more than the number
// behind ±: then the guard prints it and exits with status 1. What seems to have
// risen is measured again, up to five times, and the least counts, since
// disturbances only add. A figure that has fallen by more than its tolerance is
// printed, for the record to be updated, and is no failure. What is
// not in the record yet fails, and -update adds it. -update keeps the tolerances
// and the reasons, which are edited by hand. It also notes the version of Go, whose net/http has a
// share in the costs of connections and polls.
package main
