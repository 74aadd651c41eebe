package packet

// skip marks the bytes outside the base64 alphabet in decodeTable.
const skip = 0xff

// decodeTable maps a byte to its six bits. It knows the standard and the
// URL-safe alphabet.
var decodeTable = func() (t [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range t {
		t[i] = skip
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	t['-'], t['_'] = t['+'], t['/']
	return t
}()

// decodeBase64 decodes b in place and returns the decoded part. It is as
// lenient as the reference server: bytes outside the alphabet are skipped, the
// URL-safe alphabet is understood, padding may be missing, and the first
// padding character ends the data.
func decodeBase64(b []byte) []byte {
	n, i := 0, 0
	// Four clean characters at a time: what every well-behaved client sends.
	// Three bytes are written for four that have been read, so the writer
	// never overtakes the reader.
	for ; i+4 <= len(b); i += 4 {
		c0, c1, c2, c3 := decodeTable[b[i]], decodeTable[b[i+1]], decodeTable[b[i+2]], decodeTable[b[i+3]]
		if c0|c1|c2|c3 == skip {
			break
		}
		b[n], b[n+1], b[n+2] = c0<<2|c1>>4, c1<<4|c2>>2, c2<<6|c3
		n += 3
	}
	var acc, bits uint
	for ; i < len(b) && b[i] != '='; i++ {
		c := decodeTable[b[i]]
		if c == skip {
			continue
		}
		acc, bits = acc<<6|uint(c), bits+6
		if bits >= 8 {
			bits -= 8
			b[n] = byte(acc >> bits)
			n++
		}
	}
	return b[:n]
}
