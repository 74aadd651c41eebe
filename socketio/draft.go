package socketio

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/internal/scalar"
	"github.com/tandem-go/tandem/socketio/parser"
)

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
	d.packet.Attachments = attachments
	d.answer(n, id, data)
	return nil
}

// scalarAck makes the draft an acknowledgement with one argument. It reports false
// if the argument needs a codec.
func (d *draft) scalarAck(n *Namespace, id uint64, v any) bool {
	d.buf = append(d.buf[:0], '[')
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) == 0 || !utf8.Valid(raw) || parser.Valid(raw) != nil {
			return false
		}
		d.buf = append(d.buf, raw...)
	} else if d.buf, ok = scalar.Append(d.buf, v); !ok {
		return false
	}
	d.answer(n, id, append(d.buf, ']'))
	return true
}

func (d *draft) answer(n *Namespace, id uint64, data []byte) {
	d.buf = data
	d.packet.Type, d.packet.Namespace, d.packet.ID, d.packet.HasID = adapter.Ack, n.name, id, true
	d.packet.Data = data
}

// connected makes the draft the packet that tells a client of its socket.
func (d *draft) connected(s *Socket) {
	d.buf = append(d.buf[:0], `{"sid":"`...)
	d.buf = append(d.buf, s.id...)
	d.buf = append(d.buf, `"}`...)
	d.packet.Type, d.packet.Namespace, d.packet.Data = adapter.Connect, s.nsp.name, d.buf
}
