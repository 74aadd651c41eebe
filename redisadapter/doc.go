// Package redisadapter lets the servers of a cluster share their rooms through
// Redis. It speaks the wire protocol of the official [@socket.io/redis-adapter]
// (its classic, pub/sub mode, version 7 and later), so that Go and Node.js
// servers, and the programs that use @socket.io/redis-emitter, form one cluster:
//
//	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
//	io := socketio.NewServer(&socketio.Options{Adapter: redisadapter.New(rdb, nil)})
//
// # What is guaranteed
//
// Sockets of this node get a broadcast at once and in the order of the calls,
// whether Redis can be reached or not. The other nodes get what this node
// publishes in the same order, each message at most once. Pub/sub keeps
// nothing: a node that is cut off from Redis misses what is published meanwhile.
//
// While Redis cannot be reached, what is to be published waits in a bounded
// queue for up to [Options.QueueTimeout], and the operation returns an
// [*UnavailableError]. When Redis is back, nothing is published before this node listens
// again and, for up to two seconds, before as many nodes do as before. A message whose
// fate is unknown, because the connection broke after it had been written, is not sent
// again.
//
// What is lost is told: by the error of an operation that waits for it, by
// [adapter.Health], which the adapter of a namespace returns as an
// [adapter.HealthReporter], and, when the trouble is over, in a line of the log and to
// [Options.Observers].
//
// A node publishes through the server at which it listens, and looks whether that server
// counts it, at least once a [Options.PingInterval]. After a failover both of its connections
// move together. A node that is not counted never takes itself for alone.
//
// Operations that need answers from the other nodes end with a [*TimeoutError]
// if some of them do not come, and still return those that came. A node that leaves
// meanwhile is noticed within two seconds, and need not answer. One that another
// replaces at once, and one that hangs, is waited for as long as the operation may take.
//
// What other nodes ask for, such as descriptions of thousands of sockets, is made on a
// goroutine of its own, from which broadcasts do not have to wait. So much may wait for
// it; what is beyond that, or has waited for longer than [Options.RequestTimeout], is not
// answered, counted, and logged at a limited rate.
//
// # Working with Node.js servers
//
// Rooms are strings here, while JavaScript tells the room 123 from the room
// "123". A number that comes from a Node.js server is read as its text. A room
// whose name is the text of an integer is published in both forms, so that it
// reaches the members of either room there, and is joined and left in both.
//
// The oldest version of @socket.io/redis-adapter that knows broadcasts with
// acknowledgements, and binary values outside of broadcasts, is 7.2.0. Older ones, and
// socket.io-redis 6.1, can be in the cluster for everything else. They ignore a broadcast
// with acknowledgements: their clients do not get it, and they are among the silent nodes
// of the error. Of server events and acknowledgements with binary values in them do not
// send any then: such a message is MessagePack, which version 7.1 ignores, and at which
// 7.0 and socket.io-redis 6.1 end their process. Without binary everything but broadcasts is
// JSON, and an answer with binary goes to the node alone that has asked.
//
// Binary values in the events that servers send each other, and in the answers to
// them, stay binary. Between Node.js servers they become objects.
//
// An answer to a broadcast carries one value, the first one that the client
// gave. When a client disconnects before it has answered a broadcast of a Node.js
// server, that server is told an empty answer, rather than being left to run
// into its timeout.
//
// The answers of a Node.js server do not say whose they are. So it cannot be known what
// such a server owed when it leaves: a broadcast with acknowledgements waits until its
// time is over for the clients that it had, and its error says that a node has left. For
// other operations it is taken for one that had not answered. If it had, and another
// server takes more than a second longer, the answer of that one is missing; that it may
// be is counted and logged.
//
// Every program that may publish on the Redis server can make this node's
// sockets join rooms, receive events and disconnect. Messages that are malformed
// are dropped, counted, and logged at a limited rate.
//
// # What is published about a socket
//
// A node that fetches sockets gets the id, the rooms, the data and the handshake of each,
// the client's address included. Every program that may use the channels in Redis can ask
// for them, too, or read along.
//
// The data are the values that are attached with a socketio.NewKey; those of a
// socketio.NewLocalKey stay here. The handshake lacks what may be a secret: the auth,
// headers such as Cookie and Authorization, and query parameters such as token. The
// options SecretParams and PublishHandshake of package socketio say which, and change it.
// Names of rooms and the arguments of events are published as they are. A Node.js server
// publishes whole handshakes.
//
// # Access control lists
//
// A node needs PUBLISH, SUBSCRIBE, PSUBSCRIBE, UNSUBSCRIBE, PUNSUBSCRIBE, PING and
// PUBSUB|NUMSUB, and in a Redis cluster CLUSTER|SLOTS. With ROLE it notices that its server
// has become a replica while all connections stayed, and in a Redis cluster with
// CLUSTER|NODES that a master which cannot be asked has been given up by the others. Without
// PUBSUB|NUMSUB it publishes, and all that waits for other nodes fails. Redis compares the pattern of a
// PSUBSCRIBE literally with the channel rules of a user: with the default key and
// namespace it needs &socket.io#/#*, besides &socket.io-request#* and
// &socket.io-response#*.
//
// [@socket.io/redis-adapter]: https://socket.io/docs/v4/redis-adapter/
package redisadapter
