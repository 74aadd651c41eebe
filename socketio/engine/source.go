package engine

// source is what a connection is read from by a goroutine of its own. See parked
// for connections that are read without one.
type source interface {
	// next waits for input. The bytes are valid until release, which must be
	// called if there are any. There may be bytes as well as an error.
	next() ([]byte, error)
	release()
	// handler returns what handles the input.
	handler() *reading
}

// readBuffer is what an active connection reads into. Idle ones have none.
type readBuffer [32 << 10]byte

// plainBuffer is the size of the buffers that connections keep which cannot wait
// without one.
const plainBuffer = 4 << 10

// newBuffer takes a buffer out of the pool.
func (srv *Server) newBuffer() *readBuffer {
	if b, ok := srv.buffers.Get().(*readBuffer); ok {
		return b
	}
	return new(readBuffer)
}

// source returns the source of a connection that is not parked.
func (c *wsConn) source() source {
	l := c.net
	if l.raw != nil {
		return newRawSource(c)
	}
	return &plainSource{reading: reading{conn: c}, buf: make([]byte, plainBuffer)}
}

// plainSource reads with blocking calls.
type plainSource struct {
	reading
	buf []byte
}

func (p *plainSource) next() ([]byte, error) {
	n, err := p.conn.net.conn.Read(p.buf)
	return p.buf[:n], err
}

func (p *plainSource) release() {}

func (p *plainSource) handler() *reading { return &p.reading }
