// Command load measures Socket.IO servers that follow the measuring contract
// of examples/bench: this library's, the reference on Node and the Go peer.
//
//	go run ./examples/bench/load            # everything, medians of three
//	go run ./examples/bench/load -short     # a quick look
//	go run ./examples/bench/load -run ack,room -servers tandem,node -n 5
//	go run ./examples/bench/load -storm     # no figures: must every client get in?
//
// It prints a Markdown table. What it measures is the server alone: the CPU
// time that the server's process has used, and its resident memory, for each
// unit of work. Its own cost is in no figure; it keeps that cost low all the
// same, since both share the machine, with one thread, raw sockets and frames
// that are encoded once.
//
// Every server is a child process, fresh for each measurement, that listens on
// 127.0.0.1. The servers take turns within a round, so that a machine that
// slows down slows all of them down, and each figure is the median of the
// rounds. Ratios compare; absolute figures depend on the machine. All clients
// speak WebSocket only, without compression.
//
// # Scenarios
//
// idle: resident memory for each idle client. The server starts and its
// resident size is read. Then 5,000 clients connect, 64 at a time, and join one
// room. The size is read again after the settling time (-settle), in which the
// servers do what they please with their garbage. The figure is the growth
// divided by the number of clients.
//
// connect: CPU time for each accepted connection. 3,000 clients connect, 64 at a
// time; a client counts from its TCP handshake until its CONNECT has been
// answered. It sends its CONNECT as soon as it has read the end of the 101
// answer, without waiting for the open packet as the clients of the other
// scenarios do. A client that is never answered fails the scenario. 500 clients that come and go before are not counted.
//
// ack: CPU time for each round trip of `echo`. 100 clients each keep one event in
// flight: a client sends the next when its last has been acknowledged with the
// same 64 bytes. ack16 does the same with 16 in flight for each client.
//
// room: CPU time for each delivery of `pub` to a room of 1,000, with 1, 4 and 32
// broadcasts in flight. One more client, which is not in the room, publishes
// 64 bytes that start with a sequence number. A broadcast is complete when all
// of the 1,000 members have received it. The publisher starts with K broadcasts
// and sends the next one for each that is complete, so that exactly K are in
// flight until the last have been sent. Every delivery is checked: a
// lost, repeated or reordered one fails the scenario. The figure is the CPU time
// from the first publication to the last delivery, divided by the number of
// broadcasts times 1,000. The three windows follow each other on one server,
// each after a warm-up of its own.
//
// redis: the same with 4 in flight on two instances that share one redis-server
// through the classic adapter. Half of the members are connected to each
// instance, the publisher to the first. The figure counts the CPU time of both
// instances and not that of Redis.
//
// stuck: how much longer broadcasts take while one more member of the room does
// not read. The time, by the clock, of broadcasts one after the other is measured
// in a room of 1,000. Then a client that never reads joins the room, after it has
// been sent, in a room of its own, as much as the kernel keeps for it and a
// little more. The time is measured again, and the figure is the second over the
// first.
//
// # Flaws
//
// The Go peer leaves some clients unanswered and reorders some broadcasts. To
// get figures of it at all, clients that it has ignored for two seconds are
// replaced and the order of its deliveries is not insisted on; what had to be
// tolerated is printed below the table. No other server is granted that.
//
// -storm repeats the connecting part ten times with 3,000 clients, and exits
// with status 1 if any of them is left unanswered.
package main
