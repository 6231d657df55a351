// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package gate

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A source is a connection from which pieces come.
type source struct {
	net.Conn
	pieces []string
	reads  int
}

func (s *source) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	if s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (*source) Close() error { return nil }

// readAll returns what each Read gives.
func readAll(c io.Reader) (parts []string, err error) {
	p := make([]byte, 100)
	for {
		n, err := c.Read(p)
		if n > 0 {
			parts = append(parts, string(p[:n]))
		}
		if err != nil {
			return parts, err
		}
	}
}

// TestElements cuts a stream at each place, and expects its elements.
func TestElements(t *testing.T) {
	const stream = " \n<?xml version='1.0'?>\n<stream:stream to=\"a>b\" xmlns:stream='x'>\n\t<auth>AA==</auth>" +
		"<?xml version='1.0'?><stream:stream><iq><stream><q a='/>'/></stream></iq>\n<a/> <m>1 &gt; ]]<![CDATA[<x>]]]>></m></stream:stream>"
	want := []string{
		"<?xml version='1.0'?>", "<stream:stream to=\"a>b\" xmlns:stream='x'>", "<auth>AA==</auth>",
		"<?xml version='1.0'?>", "<stream:stream>", "<iq><stream><q a='/>'/></stream></iq>", "<a/>",
		"<m>1 &gt; ]]<![CDATA[<x>]]]>></m>", "</stream:stream>",
	}
	for at := range len(stream) {
		got, err := readAll(New(&source{pieces: []string{stream[:at], stream[at:]}}, Limits{}))
		if err != io.EOF {
			t.Fatalf("cut at %d: got error %v, want EOF", at, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", at, diff)
		}
	}
}

// TestMuch checks that one who reads little at a time costs no more reads of the connection
// than one who reads much, when there is much to be read.
func TestMuch(t *testing.T) {
	const elements = 10 * readSize / len("<a/>")
	from := &source{pieces: []string{strings.Repeat("<a/>", elements)}}
	got, err := readAll(New(from, Limits{}))
	if err != io.EOF || len(got) != elements {
		t.Errorf("got %d elements and %v, want %d and EOF", len(got), err, elements)
	}
	if from.reads > 13 {
		t.Errorf("%d reads of the connection for ten times %d bytes", from.reads, readSize)
	}
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   error
	}{
		"size":        {"<a>" + strings.Repeat("x", 1000), ErrTooLarge},
		"tag":         {"<a b='" + strings.Repeat("x", 1000), ErrTooLarge},
		"just within": {"<a>" + strings.Repeat("x", 993) + "</a>", io.EOF},
		"depth":       {strings.Repeat("<a>", 9), ErrTooDeep},
		"comment":     {"<a><!-- x --></a>", ErrRestricted},
		"type":        {"<!DOCTYPE x>", ErrRestricted},
		"data":        {"<![CDATA[x]]>", ErrRestricted},
		"text":        {"<a/>x<a/>", ErrText},
		"no tag":      {"<>", io.EOF},
		"instruction": {"<a><?x?></a>", ErrRestricted},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(New(&source{pieces: []string{test.stream}}, Limits{Size: 1000, Depth: 8}))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestRaw(t *testing.T) {
	c := New(&source{pieces: []string{"<starttls/>\n", " \n", "\n\x16\x03<", "<<"}}, Limits{})
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if !c.Raw() {
		t.Error("white space is taken for something")
	}
	got, _ := readAll(c)
	if diff := cmp.Diff([]string{"\x16\x03<", "<<"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c = New(&source{pieces: []string{"<starttls/><auth/>"}}, Limits{})
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if c.Raw() {
		t.Error("what came in the clear goes unnoticed")
	}
}

// TestRate checks that a client that sends too fast is held back, and that Close ends that.
func TestRate(t *testing.T) {
	c := New(&source{pieces: []string{strings.Repeat("<a/>", 1000)}}, Limits{Size: 1, Rate: 1})
	c.limits.Size = 100
	time.AfterFunc(20*time.Millisecond, func() { c.Close() })
	got, err := readAll(c)
	if err == nil || err == io.EOF || len(got) > 20 {
		t.Errorf("got %d elements and %v, want few, and an error", len(got), err)
	}
}
