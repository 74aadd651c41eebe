package parser

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/adapter"
)

// The limits of a [Default] or a [Coder] that sets none.
const (
	DefaultMaxAttachments     = 10
	DefaultMaxAttachmentBytes = 10_000_000
)

// Default is the parser that stock clients speak: a packet is a text message,
// followed by a binary message for each of its attachments. The zero value is
// ready.
type Default struct {
	// MaxAttachments is the largest number of attachments of one packet, sent or
	// received, and of the placeholders for them in one received. Zero means
	// DefaultMaxAttachments, the limit of the stock clients.
	MaxAttachments int
	// MaxAttachmentBytes is the largest size, in bytes, that the attachments of
	// one received packet may have together. Zero means
	// DefaultMaxAttachmentBytes.
	MaxAttachmentBytes int64
}

var _ Parser = (*Default)(nil)

// On the wire, a packet with attachments has a type of its own.
const (
	wireBinaryEvent = '5'
	wireBinaryAck   = '6'
)

// maxKeptNamespace is the length up to which a connection remembers a name.
const maxKeptNamespace = 128

// Append appends the text message of the packet; the attachments follow as they
// are. The payload is taken as it is: it must be valid JSON.
func (d *Default) Append(dst []byte, p *adapter.Packet) (b []byte, binary bool, err error) {
	if err := d.check(p); err != nil {
		return dst, false, err
	}
	if n := len(p.Attachments); n == 0 {
		dst = append(dst, '0'+byte(p.Type))
	} else {
		dst = append(dst, '0'+byte(p.Type)+wireBinaryEvent-'2')
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, '-')
	}
	if p.Namespace != "/" && p.Namespace != "" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.Type == adapter.Ack || p.Type == adapter.Event && p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return append(dst, p.Data...), false, nil
}

// check finds what the text message of a packet could not express.
func (d *Default) check(p *adapter.Packet) error {
	if p.Type > adapter.ConnectError {
		return fmt.Errorf("%w %d", ErrType, p.Type)
	}
	if n := len(p.Attachments); n > d.maxAttachments() {
		return fmt.Errorf("%w: %d", ErrTooManyAttachments, n)
	} else if n > 0 && p.Type != adapter.Event && p.Type != adapter.Ack {
		return fmt.Errorf("%w in a packet of type %d", ErrAttachmentCount, p.Type)
	}
	if p.Namespace != "" && p.Namespace[0] != '/' || strings.IndexByte(p.Namespace, ',') >= 0 {
		return fmt.Errorf("%w %q", ErrNamespace, p.Namespace)
	}
	return nil
}

func (d *Default) maxAttachments() int {
	if d.MaxAttachments > 0 {
		return d.MaxAttachments
	}
	return DefaultMaxAttachments
}

func (d *Default) maxAttachmentBytes() int64 {
	if d.MaxAttachmentBytes > 0 {
		return d.MaxAttachmentBytes
	}
	return DefaultMaxAttachmentBytes
}

// Decode takes one message as [Parser] says.
func (d *Default) Decode(st *State, data []byte, binary bool, p *adapter.Packet) (complete bool, err error) {
	switch waits := st.Pending(); {
	case binary && !waits:
		err = ErrUnexpectedBinary
	case binary:
		complete, err = d.decodeAttachment(st, data, p)
	case waits:
		err = ErrUnexpectedText
	default:
		complete, err = d.decodeText(st, data, p)
	}
	if err != nil {
		st.Reset()
	}
	return complete, err
}

// decodeAttachment adds an attachment to the packet that waits for it.
func (d *Default) decodeAttachment(st *State, data []byte, p *adapter.Packet) (bool, error) {
	w := st.kept.pending
	if w.bytes += int64(len(data)); w.bytes > d.maxAttachmentBytes() {
		return false, ErrAttachmentSize
	}
	// Not append(nil, data...), which would make an empty attachment nil.
	w.attachments = append(w.attachments, append(make([]byte, 0, len(data)), data...))
	if len(w.attachments) < cap(w.attachments) {
		return false, nil
	}
	st.Reset()
	p.Namespace, p.Data, p.Attachments = w.namespace, w.data, w.attachments
	p.Type, p.ID, p.HasID = w.typ, w.id, w.hasID
	return true, nil
}

// decodeText decodes a text message: <type>[<n>-][<namespace>,][<id>][<JSON>].
func (d *Default) decodeText(st *State, data []byte, p *adapter.Packet) (complete bool, err error) {
	if len(data) == 0 {
		return false, ErrEmpty
	}
	if data[0] < '0' || data[0] > wireBinaryAck {
		return false, ErrType
	}
	typ, i, count := adapter.PacketType(data[0]-'0'), 1, 0
	if data[0] >= wireBinaryEvent {
		typ -= wireBinaryEvent - '2'
		if count, i, err = d.decodeCount(data, i); err != nil {
			return false, err
		}
	}
	p.Namespace, i = st.decodeNamespace(data, i)
	p.Type, p.Attachments = typ, nil
	if p.ID, p.HasID, i, err = decodeID(data, i, typ); err != nil {
		return false, err
	}
	if p.Data, err = decodePayload(data, i, typ); err != nil {
		return false, err
	}
	if count == 0 {
		return true, nil
	}
	return false, st.await(p, count, d.maxAttachments())
}

// await keeps a packet until its attachments have come. It may name one several
// times, but not so often that what is made of it is far larger than the packet.
func (st *State) await(p *adapter.Packet, count, maxNamed int) error {
	found := findPlaceholders(p.Data)
	if len(found) > maxNamed {
		return ErrTooManyAttachments
	}
	if err := inRange(found, count); err != nil {
		return err
	}
	st.keep().pending = &pending{
		typ:         p.Type,
		id:          p.ID,
		hasID:       p.HasID,
		namespace:   p.Namespace,
		data:        append([]byte(nil), p.Data...),
		attachments: make([][]byte, 0, count),
	}
	return nil
}

// decodeCount decodes the number of attachments and its dash.
func (d *Default) decodeCount(data []byte, i int) (count, end int, err error) {
	start := i
	for ; i < len(data) && isDigit(data[i]); i++ {
		if count = 10*count + int(data[i]-'0'); count > d.maxAttachments() {
			return 0, i, ErrTooManyAttachments
		}
	}
	if i == start || count == 0 || i == len(data) || data[i] != '-' {
		return 0, i, ErrAttachmentCount
	}
	return count, i + 1, nil
}

// decodeNamespace decodes the namespace, which ends with a comma or with the
// message.
func (st *State) decodeNamespace(data []byte, i int) (name string, end int) {
	if i == len(data) || data[i] != '/' {
		return "/", i
	}
	start := i
	for i < len(data) && data[i] != ',' {
		i++
	}
	raw := data[start:i]
	if i < len(data) {
		i++
	}
	if st.kept != nil && string(raw) == st.kept.namespace {
		return st.kept.namespace, i
	}
	if string(raw) == "/" {
		return "/", i
	}
	name = string(raw)
	if len(name) <= maxKeptNamespace {
		st.keep().namespace = name
	}
	return name, i
}

// decodeID decodes the acknowledgement id: digits only, unlike the reference,
// which takes spaces for digits and numbers that it then rounds.
func decodeID(data []byte, i int, typ adapter.PacketType) (id uint64, has bool, end int, err error) {
	start := i
	for ; i < len(data) && isDigit(data[i]); i++ {
		digit := uint64(data[i] - '0')
		if id > (1<<64-1-digit)/10 {
			return 0, false, i, ErrID
		}
		id = 10*id + digit
	}
	has = i > start
	if has && typ != adapter.Event && typ != adapter.Ack || !has && typ == adapter.Ack {
		return 0, false, i, ErrID
	}
	return id, has, i, nil
}

// decodePayload checks the JSON that is the rest of the message and returns it
// without white space around it, nil if there is none.
func decodePayload(data []byte, i int, typ adapter.PacketType) ([]byte, error) {
	if i == len(data) {
		if typ == adapter.Connect || typ == adapter.Disconnect {
			return nil, nil
		}
		return nil, ErrPayload
	}
	if typ == adapter.Disconnect {
		return nil, ErrPayload
	}
	i = skipSpace(data, i)
	end, err := scanValue(data, i)
	if err != nil {
		return nil, err
	}
	if err := atEnd(data, end); err != nil {
		return nil, err
	}
	payload := data[i:end:end]
	return payload, checkPayload(payload, typ)
}

// checkPayload checks that a payload, which is valid JSON, suits the type.
func checkPayload(payload []byte, typ adapter.PacketType) error {
	switch c := payload[0]; {
	case typ == adapter.Event && c == '[':
		return checkEvent(payload)
	case typ == adapter.Ack && c == '[',
		typ == adapter.Connect && c == '{',
		typ == adapter.ConnectError && (c == '{' || c == '"'):
		return nil
	}
	return ErrPayload
}

// checkEvent checks the name of an event, the first element of its payload.
func checkEvent(payload []byte) error {
	i := skipSpace(payload, 1)
	switch c := payload[i]; {
	case c == '-' || isDigit(c):
		return nil
	case c != '"':
		return ErrEventName
	}
	if name := unquote(payload[i:scanString(payload, i)]); Reserved(string(name)) {
		return ErrReservedEvent
	}
	return nil
}
