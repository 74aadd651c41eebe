package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// wait tells the client that it has started, then waits for some milliseconds.
func wait(conn io.Writer, args []byte) error {
	milliseconds, err := strconv.Atoi(string(args))
	if err != nil {
		return errUnsupported
	}
	if _, err := conn.Write(frame(`42["started"]`)); err != nil {
		return err
	}
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	return nil
}

// spin keeps a core busy for some microseconds.
func spin(args []byte) error {
	microseconds, err := strconv.Atoi(string(args))
	if err != nil {
		return errUnsupported
	}
	for start := time.Now(); time.Since(start) < time.Duration(microseconds)*time.Microsecond; {
	}
	return nil
}

// sequenceSize is the length of the number that a payload of a burst starts with.
const sequenceSize = 8

// burst writes a number of events one by one.
func burst(conn io.Writer, args []byte) error {
	first, second, _ := bytes.Cut(args, []byte(","))
	count, err := strconv.Atoi(string(first))
	if err != nil {
		return errUnsupported
	}
	size, err := strconv.Atoi(string(second))
	if err != nil || size < sequenceSize {
		return errUnsupported
	}
	rest := strings.Repeat("b", size-sequenceSize)
	for i := range count {
		if _, err := conn.Write(frame(fmt.Sprintf(`42["msg","%0*d%s"]`, sequenceSize, i+1, rest))); err != nil {
			return err
		}
	}
	return nil
}
