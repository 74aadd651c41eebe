package peers

import (
	"encoding/json"
	"fmt"
)

// Bin is bytes that are a Buffer in JavaScript: as an argument of Eval, and anywhere in a result.
type Bin []byte

type binJSON struct {
	Bin *[]byte `json:"$bin"`
}

// MarshalJSON writes {"$bin": base64}.
func (b Bin) MarshalJSON() ([]byte, error) {
	bytes := append([]byte{}, b...)
	return json.Marshal(binJSON{Bin: &bytes})
}

// UnmarshalJSON reads {"$bin": base64}.
func (b *Bin) UnmarshalJSON(data []byte) error {
	var v binJSON
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("peers: not a binary value: %w", err)
	}
	if v.Bin == nil {
		return fmt.Errorf("peers: %.100s is not a binary value", data)
	}
	*b = *v.Bin
	return nil
}
