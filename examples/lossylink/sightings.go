// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"net"
	"regexp"
)

// A tap is a connection whose incoming bytes somebody else sees too.
type tap struct {
	net.Conn
	see func([]byte)
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.see(p[:n])
	return n, err
}

// sightings finds whole messages in a raw stream. It does not parse XML, so what
// it counts depends on no parser: a message is what stands between its tags.
type sightings struct {
	seen func(id string)
	rest []byte
}

var (
	messageStart = regexp.MustCompile(`<message[\s/>]`)
	messageTag   = regexp.MustCompile(`^<message(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>`)
	messageEnd   = []byte("</message>")
	idAttribute  = regexp.MustCompile(`\sid\s*=\s*(?:"([^"]*)"|'([^']*)')`)
	errorType    = regexp.MustCompile(`\stype\s*=\s*["']error["']`)
)

// look takes the next bytes of the stream, cut anywhere.
func (s *sightings) look(data []byte) {
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
			s.seen(string(id[1]) + string(id[2]))
		}
		s.rest = s.rest[length:]
	}
}

// length returns how long the message is that the rest begins with, or -1.
func (s *sightings) length(tag []byte) int {
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
