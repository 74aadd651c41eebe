// Command mutants puts small faults into the code, one at a time, and checks that the
// tests notice them.
//
//	go run ./examples/bench/mutants                    # all of it; make mutants does this, and takes an hour
//	go run ./examples/bench/mutants -run internal/flush # what is in files or packages that match
//	go run ./examples/bench/mutants -check             # only whether the lists still fit the code
//
// There are two kinds of faults.
//
// Those of go-gremlins are made by a rule: a comparison is turned round, a plus becomes a
// minus. They are put into the packages whose tests are quick (gremlins.go). Of those
// that the tests reach, 85 % must be noticed in each package, and each one that survives
// must have its reason in survivors.txt: a new survivor fails the command, which prints
// it in the form in which it would stand there. A fault with which the code no longer
// compiles counts as noticed, as gremlins cannot tell it from a test that fails.
//
// Those in the folder faults are of our own. They are what a rule does not make: something that
// is taken from a pool and not cleared, a second round, a deadline that is not passed on.
// Each of them must be noticed by the tests that its entry names. The code is left
// alone: the compiler is given the file with the fault in place of the real one.
//
// # The lists
//
// Entries are blocks of lines with blank lines between them; a line that begins with # is
// a comment. Neither list knows line numbers, and indentation does not matter. An entry in
// faults is what the fault does, the file, the arguments of go test, and lines to be replaced:
//
//	A queue begins with the byte count of the session that had it before.
//	file socketio/engine/send.go
//	test -run TestQueue
//	 func (q *queue) reset() {
//	-	q.bytes = 0
//
// Lines with a minus are taken out, lines with a plus are put in, and lines with a space
// say where. They must occur once in the file. A test line without a package means that of the file;
// without a test line all tests of that package are run.
//
// An entry in survivors.txt is a file and a function in it, the kind of fault and the line
// with the operator marked, and the reason:
//
//	socketio/internal/wheel/wheel.go Wheel.take
//	CONDITIONALS_BOUNDARY if e.due «>» now {
//	An entry that is due at this very nanosecond expires a millisecond later.
package main
