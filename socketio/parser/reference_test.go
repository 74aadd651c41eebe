package parser_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/parser"
)

var update = flag.Bool("update", false, "write "+goldenFile+" anew")

const encodeJS = `
	const encoder = new sioParser.Encoder();
	return args[0].map((packet) => ({ packet: structuredClone(packet), messages: encoder.encode(packet) }));`

const decodeJS = `
	return args[0].map((messages) => {
		const decoder = new sioParser.Decoder();
		let result = { error: "incomplete" };
		decoder.on("decoded", (packet) => { result = { packet }; });
		try {
			for (const m of messages) decoder.add(m);
		} catch (e) {
			return { error: e.message };
		}
		return result;
	});`

// verdict is what the reference makes of some messages.
type verdict struct {
	Packet *jsPacket `json:"packet"`
	Error  string    `json:"error"`
}

// TestReference has the reference encode the packets of the golden file, and
// decode them as this package encodes them.
func TestReference(t *testing.T) {
	node := peers.Node(t)
	packets := randomPackets(t, 250)

	var fresh []golden
	node.Eval(t, &fresh, encodeJS, packets)
	var text []byte
	for _, g := range fresh {
		line, err := (parser.JSON{}).Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	if *update {
		if err := os.WriteFile(filepath.FromSlash(goldenFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(filepath.FromSlash(goldenFile)); err != nil || !bytes.Equal(text, old) {
		t.Errorf("the reference does not write %s any more (%v)", goldenFile, err)
	}

	written := make([][]any, len(packets))
	for i, js := range packets {
		p := encode(t, js)
		line, _, err := new(parser.Default).Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		written[i] = []any{string(line)}
		for _, b := range p.Attachments {
			written[i] = append(written[i], binaries(b))
		}
	}
	var verdicts []verdict
	node.Eval(t, &verdicts, decodeJS, written)
	for i, v := range verdicts {
		if v.Packet == nil {
			t.Errorf("%s: the reference says %s", written[i][0], v.Error)
		} else {
			compare(t, fmt.Sprint(written[i][0]), *v.Packet, packets[i])
		}
	}
}

// compare compares two packets as the reference sees them.
func compare(t *testing.T, text string, got, want jsPacket) {
	t.Helper()
	if got.Type != want.Type || got.Nsp != want.Nsp || !reflect.DeepEqual(got.ID, want.ID) {
		t.Errorf("%q: type %d, namespace %q, want %d, %q", text, got.Type, got.Nsp, want.Type, want.Nsp)
	}
	if (got.Data == nil) != (want.Data == nil) {
		t.Errorf("%q: payload %q, want %q", text, got.Data, want.Data)
	} else if got.Data != nil && !reflect.DeepEqual(tree(t, got.Data), tree(t, want.Data)) {
		t.Errorf("%q: payload %s, want %s", text, got.Data, want.Data)
	}
}

// TestReferenceVerdicts spoils packets in all sorts of ways and has the
// reference judge them too. What is taken here the reference takes, with the
// same result. What the reference takes is taken here but for the rules that are
// stricter on purpose.
func TestReferenceVerdicts(t *testing.T) {
	spoiled := spoil(t, readGolden(t), 4000)
	texts := make([][]any, len(spoiled))
	for i, s := range spoiled {
		texts[i] = []any{s}
		for range attachments(s) {
			texts[i] = append(texts[i], binaries([]byte("x")))
		}
	}
	var verdicts []verdict
	peers.Node(t).Eval(t, &verdicts, decodeJS, texts)

	var taken, refused int
	for i, v := range verdicts {
		s := spoiled[i]
		p, err := decodeText(t, s, len(texts[i])-1)
		switch {
		case err == nil && v.Packet == nil:
			t.Errorf("%q is taken; the reference says %s", s, v.Error)
		case err == nil:
			taken++
			if !beyondJavaScript.MatchString(s) {
				compare(t, s, asReference(t, p), *v.Packet)
			}
		case v.Packet != nil && !stricter(s, err):
			t.Errorf("%q is refused with %v; the reference takes it as %+v", s, err, *v.Packet)
		default:
			refused++
		}
	}
	t.Logf("%d taken, %d refused", taken, refused)
	if taken < len(spoiled)/10 || refused < len(spoiled)/10 {
		t.Error("the packets are not spoiled well")
	}
}

// spoil returns count texts of packets with small mistakes.
func spoil(t *testing.T, from []golden, count int) []string {
	t.Helper()
	rnd := rand.New(rand.NewPCG(3, 4))
	const letters = `0123456789-+,./{}[]":\ ntefausl_`
	texts := make([]string, count)
	for i := range texts {
		s := from[rnd.IntN(len(from))].messages(t)[0].data
		for range 1 + rnd.IntN(2) {
			// Most rules are about how a packet begins.
			at := rnd.IntN(min(len(s), []int{4, 25, len(s)}[rnd.IntN(3)]))
			c := letters[rnd.IntN(len(letters))]
			switch rnd.IntN(4) {
			case 0:
				s = append(s[:at:at], s[at+1:]...)
			case 1:
				s = append(append(s[:at:at], c), s[at:]...)
			case 2:
				s = append(append(s[:at:at], c), s[at+1:]...)
			default:
				s = s[:at]
			}
			if len(s) == 0 {
				s = []byte("2")
			}
		}
		texts[i] = string(bytes.ToValidUTF8(s, []byte("?")))
	}
	return texts
}

var attachmentCount = regexp.MustCompile(`^[56]0*([1-9]|10)-`)

// attachments returns how many attachments the packet asks for.
func attachments(text string) int {
	var n int
	if m := attachmentCount.FindStringSubmatch(text); m != nil {
		_, _ = fmt.Sscan(m[1], &n) // it is a number
	}
	return n
}

// decodeText decodes a text and some attachments.
func decodeText(t *testing.T, text string, attachments int) (*adapter.Packet, error) {
	t.Helper()
	var st parser.State
	p := new(adapter.Packet)
	complete, err := new(parser.Default).Decode(&st, []byte(text), false, p)
	for i := 0; i < attachments && err == nil; i++ {
		complete, err = new(parser.Default).Decode(&st, []byte("x"), true, p)
	}
	if err == nil && !complete {
		t.Errorf("%q is not complete", text)
	}
	return p, err
}

// asReference returns the packet as the reference would show it.
func asReference(t *testing.T, p *adapter.Packet) jsPacket {
	t.Helper()
	js := jsPacket{Type: int(p.Type), Nsp: p.Namespace}
	if p.HasID {
		js.ID = &p.ID
	}
	if p.Data == nil {
		return js
	}
	var v any
	if err := new(parser.Coder).Decode(p.Data, p.Attachments, &v); err != nil {
		t.Errorf("%s: %v", p.Data, err)
	}
	var err error
	if js.Data, err = json.Marshal(binaries(v)); err != nil {
		t.Error(err)
	}
	return js
}

var (
	spaceInID      = regexp.MustCompile(`^([23]|[56]\d+-)(/[^,]*,)?\d*[ \t\n\r]+\d`)
	oddCount       = regexp.MustCompile(`^[56](\d*[^\d-]|-)`)
	withoutTheRest = regexp.MustCompile(`^([234]|[56]\d+-)(/[^,]*,?)?[\d ]*$`)
)

// beyondJavaScript finds ids that the reference rounds, spaces that it takes for
// ids, and numbers that are infinite there.
var beyondJavaScript = regexp.MustCompile(`^[^"]*[1-9]\d{15}|^\d(\d*-)?(/[^,]*,)?\d* |e\+?\d{3}`)

// stricter reports whether the error is one of a rule that the reference lacks:
// a space is no type, a payload may not be missing, an id has digits only and no more than fit, only
// events and acknowledgements have one, the latter always; the number of
// attachments is written in digits; placeholders are numbered with integers.
func stricter(text string, err error) bool {
	switch {
	case errors.Is(err, parser.ErrID), errors.Is(err, parser.ErrPlaceholder):
		return true
	case errors.Is(err, parser.ErrType):
		return text[0] == ' '
	case errors.Is(err, parser.ErrPayload) && text[0] == '1':
		return text[len(text)-1] == ' '
	case errors.Is(err, parser.ErrPayload):
		return withoutTheRest.MatchString(text)
	case errors.Is(err, parser.ErrSyntax):
		return spaceInID.MatchString(text) || withoutTheRest.MatchString(text)
	case errors.Is(err, parser.ErrAttachmentCount):
		return oddCount.MatchString(text)
	}
	return false
}
