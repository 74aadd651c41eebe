// Command load measures Socket.IO servers that follow the measuring contract
// of examples/bench: this library's, the Node.js server on Node.js and on Bun, the
// Go peer (examples/peers/zishang3) and, for what they have in common, a plain Go
// program (examples/bench/plain).
//
//	go run ./examples/bench/load                  # everything, medians of five: half an hour
//	go run ./examples/bench/load -short           # a quick look at everything but growth
//	go run ./examples/bench/load -run ack,room/1000 -servers tandem,node -n 3
//	go run ./examples/bench/load -run wait -n 10  # what handlers that wait cost the others
//	go run ./examples/bench/load -run growth      # the plots and the model only
//	go run ./examples/bench/load -profiles dir    # profiles of this library in each step
//	go run ./examples/bench/load -storm           # no figures: must every client get in?
//
// It prints a Markdown table of the main figures, writes one of all figures to
// examples/bench/FIGURES.md, draws plots (SVG) of how costs grow, and checks the
// model of examples/bench/MODEL.md. A run of less than everything prints all its
// figures. What it measures is the server alone: the CPU
// time that the server's process has used, and its resident memory, for each
// unit of work. Its own cost is in no figure; it keeps that cost low all the
// same, since both share the machine, with one thread, raw sockets and frames
// that are encoded once.
//
// Every server is a child process, fresh for each scenario, that listens on
// 127.0.0.1. The servers take turns within a scenario, so that a machine that
// slows down slows all of them down, and each figure of the table is the median of
// all rounds (-n). Ratios compare; absolute figures depend on the machine. There is no
// compression, and, but for the polling scenarios, all clients speak WebSocket.
//
// What can go on for any time is measured for 1.2 seconds (-short: 0.3): no new work
// is begun then, and the figure is the CPU time until all that was begun is done,
// divided by its amount. A fresh server warms up for a third of that, once with
// text and once with binary payloads.
//
// # Scenarios
//
// idle: resident memory for each idle client. The server starts and its
// resident size is read. Then 5,000 clients connect, 64 at a time, and join one
// room. The size is read again after the settling time (-settle), in which the
// servers do what they please with their garbage. The figure is the growth
// divided by the number of clients. The same follows for 18,000 of them, on the
// same server. Its heartbeats are 5 seconds apart here; the CPU time of five more
// seconds is scaled to the default of 25 seconds between heartbeats, for the
// share of a core that 18,000 idle clients take.
//
// goroutines: the same memory when this library gives each connection a goroutine
// (Options.Engine.DisableParking), as it does where connections cannot be parked.
// It is compared with the other servers' only way of doing it.
//
// connect: CPU time for each accepted connection. 3,000 clients connect, 64 at a
// time; a client counts from its TCP handshake until its CONNECT has been
// answered. It sends its CONNECT as soon as it has read the end of the 101
// answer, without waiting for the open packet as the clients of the other
// scenarios do. A client that is never answered fails the scenario. 500 clients
// that come and go before are not counted.
//
// startup: the time from the start of the process until its first client is
// connected, the median of five; and the size of a minimal program
// (examples/bench/minimal), built by `go build` without flags.
//
// ack: CPU time for each round trip of `echo`, with payloads of 64 and 4,096
// bytes. 100 clients each keep 1 or 16 events in flight: a client sends the next
// when one has been acknowledged with the same payload.
//
// room: CPU time for each delivery of `pub` to a room of 1,000, with 1, 4 and 32
// broadcasts in flight as text, and with 4 as binary attachments. One more
// client, which is not in the room, publishes 64 bytes that start with a sequence
// number. A broadcast is complete when all members have received it. The publisher
// starts with K broadcasts and sends the next one for each that is complete, so
// that exactly K are in flight until the last have been sent. Every delivery is
// checked: a lost, repeated or reordered one fails the step. The figure is the CPU
// time from the first publication to the last delivery, divided by the number of
// deliveries. In a room of 10,000 the time from a publication until a member has
// read it is taken for every delivery, with 1 in flight: the median and the 99th
// percentile over all members and broadcasts. Both ends share the machine, so the
// reading of 10,000 connections by one thread is part of that for all servers.
//
// wait: what handlers that wait cost everybody else. 1,000 clients send one `wait`
// event each, whose handler tells the client that it has started and then waits 2
// seconds, as one does that asks a database: time.Sleep in Go, `await` in
// JavaScript. One more client echoes meanwhile, one round trip after another. The
// figures are its longest round trip, from the first event until half a second
// after the handlers have returned, and the longest time from an event until its
// client has been told of the start. A server that lets handlers wait for each other
// has seconds here, which no mean or percentile of round trips shows.
//
// spin: the same round trips while 100 clients send 20,000 events a second in all,
// for 2 seconds, whose handlers compute for 50 microseconds: as much as one core
// does. The events are sent by the clock, so that a server that does not keep up has
// a backlog, which is in the figure.
//
// burst: 100,000 events of 50 bytes that one handler emits at once to one client,
// which reads as fast as it can: the time from the request until it has all of them
// in order, and the peak of the server's resident memory (VmHWM) above what it was
// before. Ten bursts of 1,000 events are not counted.
//
// stuck: how much longer broadcasts take while a member of the room does not
// read. The time, by the clock, of broadcasts one after the other is measured
// in a room of 1,000. Then one client that never reads joins the room, after it
// has been sent, in a room of its own, as much as the kernel keeps for it and a
// little more. The time is measured again, and the figure is the second over the
// first. The plain program is left out: it would wait for that client for ever.
//
// polling: clients of HTTP long polling, which ask again as soon as a poll has been
// answered and use a second connection for their messages. polling/idle is the
// memory of 5,000 of them, whose polls are pending; the connections of their
// messages stay open as long as the server keeps them, as with browsers. polling/ack
// and polling/room are ack and room.
//
// redis: the room of 1,000 on two instances that share one redis-server through
// the classic adapter. Half of the members are connected to each instance, the
// publisher to the first. The figure counts the CPU time of both instances and not
// that of Redis, of which the commands and the bytes are counted by its own
// counters. The Go peer is left out: its adapter is a module of its own.
//
// growth: the costs that are plotted, measured once for every five rounds of the
// table, without the plain program: idle clients, small rooms, members of a room,
// bytes of a message, and instances on one Redis. A point that a server does not
// complete is left out of its line, which the plot says. When it has failed at two
// points of a plot it is not tried at those that are harder.
//
// A step that a server does not complete, because something is never delivered or a
// client is disconnected, is "not completed" in the table, and not repeated in later
// rounds.
//
// -storm connects 3,000 clients ten times over, and exits with status 1 if any of
// them is left unanswered.
package main
