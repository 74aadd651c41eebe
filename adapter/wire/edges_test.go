package wire_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/tandem-go/tandem/adapter/wire"
)

// What ends a message is read to its last byte, with nothing behind it.
func TestAppendJSONAtTheEnd(t *testing.T) {
	t.Parallel()
	for msgpack, want := range map[string]string{
		"81 a161 d40000":                   `{}`,
		"82 a162 01 a161 d40000":           `{"b":1}`,
		"d40000":                           `null`,
		"d405aa":                           `[5,{"_placeholder":true,"num":0}]`,
		"c70005":                           `[5,{"_placeholder":true,"num":0}]`,
		"d6ff 00000000":                    `"1970-01-01T00:00:00.000Z"`,
		"c70cff 00000000 0000003afff4417f": `"9999-12-31T23:59:59.000Z"`,
		"c70cff 00000000 fffffff1868b8400": `"0000-01-01T00:00:00.000Z"`,
		"d700 001eb208c2dc0000":            `"+275760-09-13T00:00:00.000Z"`,
		"d700 001eb208c2dc0001":            `null`,
		"d700 ffe14df73d240000":            `"-271821-04-20T00:00:00.000Z"`,
		"d700 ffe14df73d23ffff":            `null`,
		"a0":                               `""`, "a161": `"a"`, "90": `[]`, "80": `{}`, "c400": `{"_placeholder":true,"num":0}`, "ff": `-1`, "7f": `127`, "cc80": `128`,
	} {
		got, _, rest, err := wire.AppendJSON(nil, unhex(t, msgpack), nil)
		if err != nil || string(got) != want || len(rest) > 0 {
			t.Errorf("%s: got %s, %v, want %s", msgpack, got, err, want)
		}
		msg := unhex(t, msgpack)
		for end := range msg {
			if got, _, _, err := wire.AppendJSON(nil, msg[:end], nil); !errors.Is(err, wire.ErrMsgpack) {
				t.Errorf("%x, which is cut off: got %s, %v", msg[:end], got, err)
			}
		}
	}
}

// Only a complete placeholder stands for an attachment, and one that is cut off or has no
// number is no JSON.
func TestAppendMsgpackPlaceholderThatIsNone(t *testing.T) {
	t.Parallel()
	attachments := [][]byte{{1, 2}, {3}}
	for text, want := range map[string]string{
		`{"_placeholder":true,"num":1}`:          "c40103",
		`{"_placeholder":true,"num":1234567890}`: "82ac5f706c616365686f6c646572c3a36e756dce499602d2",
		`{"_placeholder":true,"num":1.0}`:        "82ac5f706c616365686f6c646572c3a36e756d01",
		`{"_placeholder":true,"num":"1"}`:        "82ac5f706c616365686f6c646572c3a36e756da131",
		`{"_placeholder":true,"num":-1}`:         "82ac5f706c616365686f6c646572c3a36e756dff",
		`{"num":1,"num":1}`:                      "82a36e756d01a36e756d01",
	} {
		got, err := wire.AppendMsgpack(nil, []byte(text), attachments)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: got %x, %v, want %s", text, got, err, want)
		}
		for end := range text {
			if got, err := wire.AppendMsgpack(nil, []byte(text[:end]), attachments); !errors.Is(err, wire.ErrJSON) {
				t.Errorf("%s: got %x, %v, want an error", text[:end], got, err)
			}
		}
	}
	for text, want := range map[string]error{
		`{"_placeholder":true,"num":}`:          wire.ErrJSON,
		`{"_placeholder":true,"num": }`:         wire.ErrJSON,
		`{"num":,"_placeholder":true}`:          wire.ErrJSON,
		`{"_placeholder":true,"num":00}`:        wire.ErrJSON,
		`{"_placeholder":true,"num":01}`:        wire.ErrJSON,
		`{"_placeholder":true,"num":2}`:         wire.ErrPlaceholder,
		`{"_placeholder":true,"num":100000000}`: wire.ErrPlaceholder,
	} {
		if got, err := wire.AppendMsgpack(nil, []byte(text), attachments); !errors.Is(err, want) {
			t.Errorf("%s: got %x, %v, want %v", text, got, err, want)
		}
	}
}
