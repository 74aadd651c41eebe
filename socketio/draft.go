package socketio

import "github.com/tandem-go/tandem/adapter"

// draft is a packet for one client while it is encoded. Nothing of it is kept once
// its frames have been made, so drafts are reused.
type draft struct {
	packet adapter.Packet
	buf    []byte
}

func (srv *Server) newDraft() *draft {
	if d, ok := srv.drafts.Get().(*draft); ok {
		return d
	}
	return new(draft)
}

// freeDraft returns a draft to the pool, unless its buffer has grown large.
func (srv *Server) freeDraft(d *draft) {
	const keep = 16 << 10
	if cap(d.buf) > keep {
		return
	}
	d.packet = adapter.Packet{}
	srv.drafts.Put(d)
}

// event makes the draft an event.
func (d *draft) event(n *Namespace, event string, args []any) error {
	if err := checkEvent(event); err != nil {
		return err
	}
	data, attachments, err := n.server.coder.AppendEvent(d.buf[:0], event, args...)
	if err != nil {
		return err
	}
	d.buf = data
	d.packet.Type, d.packet.Namespace = adapter.Event, n.name
	d.packet.Data, d.packet.Attachments = data, attachments
	return nil
}

// ack makes the draft an acknowledgement.
func (d *draft) ack(n *Namespace, id uint64, args []any) error {
	data, attachments, err := n.server.coder.AppendAck(d.buf[:0], args...)
	if err != nil {
		return err
	}
	d.buf = data
	d.packet.Type, d.packet.Namespace, d.packet.ID, d.packet.HasID = adapter.Ack, n.name, id, true
	d.packet.Data, d.packet.Attachments = data, attachments
	return nil
}

// connected makes the draft the packet that tells a client of its socket.
func (d *draft) connected(s *Socket) {
	data := append(d.buf[:0], `{"sid":"`...)
	data = append(data, s.id...)
	d.buf = append(data, `"}`...)
	d.packet.Type, d.packet.Namespace, d.packet.Data = adapter.Connect, s.nsp.name, d.buf
}
