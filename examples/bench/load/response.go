package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

var errMalformedResponse = errors.New("malformed HTTP response")

// parseResponse parses the HTTP response at the start of b. It returns its body
// and its length, which is zero if b does not hold all of it. Any status but 200
// is an error.
func parseResponse(b []byte) (body []byte, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	head, rest := b[:end], b[end+4:]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return nil, 0, fmt.Errorf("%w: %.300q", errRefused, b)
	}
	length, chunked := -1, false
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return nil, 0, fmt.Errorf("%w: %.300q", errMalformedResponse, head)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	if chunked {
		body, n, err = parseChunks(rest)
		if n > 0 {
			n += end + 4
		}
		return body, n, err
	}
	switch {
	case length < 0:
		return nil, 0, fmt.Errorf("%w, without a length: %.300q", errMalformedResponse, head)
	case len(rest) < length:
		return nil, 0, nil
	}
	return rest[:length], end + 4 + length, nil
}

// parseChunks parses a chunked body without trailers, in the same way.
func parseChunks(b []byte) (body []byte, n int, err error) {
	for {
		line, rest, found := bytes.Cut(b[n:], []byte("\r\n"))
		if !found {
			return nil, 0, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: chunk size %.20q", errMalformedResponse, line)
		}
		if len(rest) < int(size)+2 {
			return nil, 0, nil
		}
		n += len(line) + 2 + int(size) + 2
		if size == 0 {
			return body, n, nil
		}
		body = append(body, rest[:size]...)
	}
}
