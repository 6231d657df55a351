// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"bytes"
	"net"
	"regexp"
)

// A Tap is a connection whose bytes somebody else sees too.
type Tap struct {
	net.Conn
	In  func([]byte) // what comes in; nil: nobody sees it
	Out func([]byte) // what goes out, before it does; nil: nobody sees it
}

// Read implements net.Conn.
func (t Tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if t.In != nil {
		t.In(p[:n])
	}
	return n, err
}

// Write implements net.Conn.
func (t Tap) Write(p []byte) (int, error) {
	if t.Out != nil {
		t.Out(p)
	}
	return t.Conn.Write(p)
}

// Sightings finds whole messages in a raw stream. It does not parse XML, so what
// it counts depends on no parser: a message is what stands between its tags.
type Sightings struct {
	Seen func(id string)

	rest []byte
}

var (
	messageStart = regexp.MustCompile(`<message[\s/>]`)
	messageTag   = regexp.MustCompile(`^<message(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>`)
	messageEnd   = []byte("</message>")
	idAttribute  = regexp.MustCompile(`\sid\s*=\s*(?:"([^"]*)"|'([^']*)')`)
	errorType    = regexp.MustCompile(`\stype\s*=\s*["']error["']`)
)

// Look takes the next bytes of the stream, cut anywhere.
func (s *Sightings) Look(data []byte) {
	s.rest = append(s.rest, data...)
	for {
		at := messageStart.FindIndex(s.rest)
		if at == nil {
			// The start of a message may be cut in two.
			s.rest = s.rest[max(0, len(s.rest)-len("<message")):]
			return
		}
		s.rest = s.rest[at[0]:]
		tag := messageTag.Find(s.rest)
		length := s.length(tag)
		if length < 0 {
			return // not all of it has arrived
		}
		if id := idAttribute.FindSubmatch(tag); id != nil && !errorType.Match(tag) {
			s.Seen(string(id[1]) + string(id[2]))
		}
		s.rest = s.rest[length:]
	}
}

// length returns how long the message is that the rest begins with, or -1.
func (s *Sightings) length(tag []byte) int {
	switch {
	case tag == nil:
		return -1
	case bytes.HasSuffix(tag, []byte("/>")):
		return len(tag)
	}
	end := bytes.Index(s.rest, messageEnd)
	if end < 0 {
		return -1
	}
	return end + len(messageEnd)
}
