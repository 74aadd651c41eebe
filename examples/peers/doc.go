// Package peers starts the real programs Tandem is tested and measured with: Redis servers, alone, with Sentinel or as a Cluster, nginx, and
// Node.js processes that hold the official Socket.IO servers and clients. A [Proxy] is the network between them where that is to fail.
//
// Every program is a child process of the test that asked for it, listens on 127.0.0.1 below port 32768, and is gone when that test has
// ended. The npm packages, in the exact versions of the lock file, live in examples/peers/node; `make deps` installs them along with
// redis-server and nginx. A test whose program is missing fails with that advice: it is never skipped.
package peers
