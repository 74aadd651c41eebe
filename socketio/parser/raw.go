package parser

import "slices"

// Raw is an argument in its encoded form. It is the type for passing on what
// has come in without looking at it: it is decoded from any argument and encoded
// as that same argument, on its own only, not inside another value.
type Raw struct {
	// Data is the JSON of the argument; if empty, null.
	Data []byte
	// Attachments are the binary values that the placeholders in Data, if any,
	// stand for. Without attachments Data has no placeholders.
	Attachments [][]byte
}

// set makes r the argument, with the numbering of its own attachments.
func (r *Raw) set(raw []byte, attachments [][]byte) error {
	r.Data, r.Attachments = nil, nil
	var found []placeholder
	if len(attachments) > 0 {
		found = findPlaceholders(raw)
		if err := inRange(found, len(attachments)); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		r.Data = slices.Clone(raw)
		return nil
	}
	r.Data = replacePlaceholders(nil, raw, found, func(dst []byte, num int) []byte {
		r.Attachments = append(r.Attachments, attachments[num])
		return appendPlaceholder(dst, len(r.Attachments)-1)
	})
	return nil
}
