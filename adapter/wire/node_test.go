package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tandem-go/tandem/adapter/wire"
	"github.com/tandem-go/tandem/examples/peers"
)

// TestEncodesLikeNotepack compares what AppendMsgpack makes of many JSON texts
// with what the npm package makes of the values that JSON.parse reads from them.
// Integers from 2^64 on, which the package corrupts, are left out.
func TestEncodesLikeNotepack(t *testing.T) {
	texts := []string{
		`null`, `[true,false,null]`, `{"a":{"b":{"c":[]}}}`, `"\ud83d\ude00\u00e9\u2028"`, `-0`, `1.0`, `1e3`, `0.1`, `1e-320`,
		`9007199254740991`, `-9007199254740991`, `4611686018427387904`, `9223372036854775808`, `18446744073709549568`, `-4611686018427387904`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text, err := json.Marshal(randomValue(random, 0))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	var want []string
	peers.Node(t).Eval(t, &want, `return args[0].map((text) => notepack.encode(JSON.parse(text)).toString("base64"))`, texts)
	for i, text := range texts {
		got, err := wire.AppendMsgpack(nil, []byte(text), nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if base64.StdEncoding.EncodeToString(got) != want[i] {
			node, _ := base64.StdEncoding.DecodeString(want[i])
			t.Errorf("%s: got  %x\nwant %x", text, got, node)
		}
	}
}

// randomValue builds a value that JSON and JavaScript both hold exactly.
func randomValue(random *rand.Rand, depth int) any {
	kind := random.IntN(10)
	if depth > 4 {
		kind = random.IntN(8)
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return random.IntN(2) == 0
	case 2:
		return random.Int64N(1<<53) >> random.IntN(53)
	case 3:
		return -(random.Int64N(1<<53) >> random.IntN(53))
	case 4:
		return math.Ldexp(random.Float64()-0.5, random.IntN(350)-300)
	case 5:
		return random.Float64()
	case 6, 7:
		text := make([]rune, random.IntN(50)*random.IntN(2)*(1+random.IntN(9)))
		alphabet := []rune("abcdefghij é€😀\"\\\n\t\x00/<")
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(text)
	case 8:
		list := make([]any, random.IntN(6)*(1+random.IntN(5)))
		for i := range list {
			list[i] = randomValue(random, depth+1)
		}
		return list
	default:
		object := map[string]any{}
		for range random.IntN(20) {
			object[fmt.Sprintf("k%d", random.IntN(1000))] = randomValue(random, depth+1)
		}
		return object
	}
}

// TestDecodesLikeNotepack compares what AppendJSON makes of what the npm package
// has encoded with what JSON.stringify makes of the value that it decodes.
func TestDecodesLikeNotepack(t *testing.T) {
	// Each is [JavaScript value, what JSON.stringify says, the attachments].
	const js = `
		const values = [
			undefined, [undefined, 1], { a: undefined, b: 1 }, -0, NaN, -Infinity, 1e-7, 5e-324, 0.1 + 0.2, 2 ** 53 - 1, 1 - 2 ** 53,
			new Date(0), new Date(1704164645678), new Date(-1), new Date(-1500), new Date(8.64e15), new Date(-8.64e15), new Date(NaN), new Date(253402300800000),
			new Date("0000-01-01T00:00:00Z"), new Date("-000001-06-01T00:00:00.001Z"),
			{ toJSON: () => "tj" }, new Map([[1, 2]]), new Error("x"), [function () {}].map(() => null), { f() {} }, "\u2028\u0007\u007f", "😀".repeat(100),
			Buffer.alloc(0), Buffer.from([1, 2]), new Uint8Array([3]), new ArrayBuffer(2), new Uint16Array([1, 258]), { a: [Buffer.alloc(300, 7), { b: Buffer.alloc(70000, 8) }] },
			Array.from({ length: 70000 }, (_, i) => i), Object.fromEntries(Array.from({ length: 70 }, (_, i) => ["k" + i, i / 7])),
		];
		return values.map((value) => {
			const encoded = notepack.encode(value);
			const attachments = [];
			const placed = (v) => {
				if (Buffer.isBuffer(v)) return { _placeholder: true, num: attachments.push(v) - 1 };
				if (Array.isArray(v)) return v.map(placed);
				if (v && typeof v === "object" && !(v instanceof Date)) return Object.fromEntries(Object.entries(v).map(([k, w]) => [k, placed(w)]));
				return v;
			};
			return { encoded: encoded.toString("base64"), text: JSON.stringify(placed(notepack.decode(encoded))), attachments: attachments.map((a) => a.toString("base64")) };
		})`
	var cases []struct {
		Encoded     []byte   `json:"encoded"`
		Text        string   `json:"text"`
		Attachments [][]byte `json:"attachments"`
	}
	peers.Node(t).Eval(t, &cases, js)
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		got, atts, rest, err := wire.AppendJSON(nil, c.Encoded, nil)
		if err != nil || len(rest) != 0 {
			t.Errorf("%.40x: %v, %d bytes left", c.Encoded, err, len(rest))
			continue
		}
		if string(got) != c.Text {
			t.Errorf("%.40x: got %.200s\nwant %.200s", c.Encoded, got, c.Text)
		}
		if len(atts) != len(c.Attachments) {
			t.Errorf("%.40x: %d attachments, want %d", c.Encoded, len(atts), len(c.Attachments))
			continue
		}
		for i := range atts {
			if !bytes.Equal(atts[i], c.Attachments[i]) {
				t.Errorf("%.40x: attachment %d is %.20x, want %.20x", c.Encoded, i, atts[i], c.Attachments[i])
			}
		}
	}
}

// TestRandomBytesLikeNotepack decodes random bytes with both decoders. Where the
// npm package accepts them, so must AppendJSON, with the same result.
func TestRandomBytesLikeNotepack(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	samples := make([]peers.Bin, 3000)
	for i := range samples {
		samples[i] = randomMsgpack(random)
	}
	const js = `
		return args[0].map((bytes) => {
			try {
				let n = 0;
				const placed = (v) => {
					if (Buffer.isBuffer(v) || v instanceof ArrayBuffer) return { _placeholder: true, num: n++ };
					if (Array.isArray(v)) return v.map(placed);
					if (v && typeof v === "object" && !(v instanceof Date)) return Object.fromEntries(Object.entries(v).map(([k, w]) => [k, placed(w)]));
					return v;
				};
				return JSON.stringify(placed(notepack.decode(bytes))) ?? "null";
			} catch (err) {
				return "";
			}
		})`
	var want []string
	peers.Node(t).Eval(t, &want, js, samples)
	compared := 0
	for i, sample := range samples {
		if want[i] == "" {
			continue
		}
		compared++
		got, _, rest, err := wire.AppendJSON(nil, sample, nil)
		if err != nil || len(rest) != 0 || string(got) != want[i] {
			t.Errorf("%x: got %s, %v, want %s", []byte(sample), got, err, want[i])
		}
	}
	if compared < len(samples)/2 {
		t.Errorf("only %d of %d samples were decodable", compared, len(samples))
	}
}

// randomMsgpack writes a value out of the tokens that differ between JavaScript
// and Go: numbers of every width, extensions, texts in ASCII.
func randomMsgpack(random *rand.Rand) []byte {
	var b []byte
	var value func(depth int)
	raw := func(lead byte, n int) {
		b = append(b, lead)
		for range n {
			b = append(b, byte(random.Uint32()>>random.IntN(24)))
		}
	}
	value = func(depth int) {
		switch kind := random.IntN(18); {
		case kind < 8:
			leads, sizes := []byte{0xcc, 0xcd, 0xce, 0xd0, 0xd1, 0xd2, 0xca, 0xcb}, []int{1, 2, 4, 1, 2, 4, 4, 8}
			raw(leads[kind], sizes[kind])
		case kind == 8:
			raw(byte(random.IntN(128)), 0)
		case kind == 9:
			raw(byte(0xe0+random.IntN(32)), 0)
		case kind == 10:
			b = append(b, []byte{0xc0, 0xc2, 0xc3}[random.IntN(3)])
		case kind == 11:
			b = append(b, 0xd6, 0xff)
			b = append(b, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()))
		case kind == 12:
			raw(0xd7, 0)
			b = append(b, 0xff)
			for range 8 {
				b = append(b, byte(random.Uint32()))
			}
		case kind == 13:
			b = append(b, 0xc7, 12, 0xff)
			for i := range 12 {
				b = append(b, byte(random.Uint32())>>(8*btoi(i >= 4 && i < 9)))
			}
		case kind == 14:
			b = append(b, 0xd7, 0)
			b = append(b, 0, 0, byte(random.IntN(4)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()))
		case kind == 15 || depth > 3:
			b = append(b, 0xa2, byte(' '+random.IntN(95)), byte(random.IntN(128)))
		case kind == 16:
			n := random.IntN(4)
			b = append(b, byte(0x90+n))
			for range n {
				value(depth + 1)
			}
		default:
			n := random.IntN(4)
			b = append(b, byte(0x80+n))
			for i := range n {
				b = append(b, 0xa2, 'k', byte('a'+i))
				value(depth + 1)
			}
		}
	}
	value(0)
	return b
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
