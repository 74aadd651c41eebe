package parser

import (
	"bytes"
	"encoding/json"
)

// jsonReader is the standard decoder with what it reads from. What json.Unmarshal
// makes anew for each value, the decoder has made already.
type jsonReader struct {
	bytes.Reader

	dec *json.Decoder
}

// maxPooledInput is the size of the JSON up to which a decoder is used, since it
// keeps a buffer of that size.
const maxPooledInput = 16 << 10

// unmarshal stores a JSON value in what v points to.
func (c *Coder) unmarshal(data []byte, v any) error {
	if _, ok := c.codec().(JSON); ok && 0 < len(data) && len(data) <= maxPooledInput {
		if err := c.unmarshalJSON(data, v); err != nil {
			return unmarshalWhole(data, v, err)
		}
		return nil
	}
	return c.codec().Unmarshal(data, v)
}

func (c *Coder) unmarshalJSON(data []byte, v any) error {
	r, ok := c.readers.Get().(*jsonReader)
	if !ok {
		r = new(jsonReader)
		r.dec = json.NewDecoder(r)
	}
	r.Reset(data)
	start := r.dec.InputOffset()
	err := r.dec.Decode(v)
	if r.dec.InputOffset() != start+int64(len(data)) {
		// It is no JSON, or something follows the value, which the next one to use
		// the decoder must not find.
		return json.Unmarshal(data, v)
	}
	if err == nil {
		r.Reset(nil)
		c.readers.Put(r)
	}
	return err
}
