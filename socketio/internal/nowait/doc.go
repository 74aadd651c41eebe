// Package nowait reads and writes sockets with calls that never wait, whatever mode their
// descriptors are in.
//
// That a descriptor does not block is a property of the connection, not of the number: if
// the application calls Fd of the file that (*net.TCPConn).File returns, which is a copy,
// then the connection itself blocks from then on. So each call asks the kernel not to
// wait. Elsewhere than on Linux the calls rely on the mode.
package nowait
