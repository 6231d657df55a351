// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/receipts"
)

//go:embed testdata/vectors.json
var vectorsJSON []byte

// A vector is one of the shared test vectors.
type vector struct {
	Name   string
	XML    string
	Base64 string `json:"xml_base64"`
	Expect struct {
		Kind       string
		ID         string
		ReceivedID string `json:"received_id"`
		ShouldAck  bool   `json:"should_ack"`
		Reason     string
	}
}

// vectors returns the shared test vectors.
func vectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	if err := json.Unmarshal(vectorsJSON, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 101 {
		t.Fatalf("there are %d vectors instead of 101", len(all))
	}
	for i, v := range all {
		if v.Base64 == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(v.Base64)
		if err != nil {
			t.Fatal(err)
		}
		all[i].XML = string(raw)
	}
	return all
}

const (
	streamStart = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	streamEnd   = `</stream:stream>`
)

// within returns a decoder inside of a client's stream that carries stanza and
// ends.
func within(stanza string) *xml.Decoder {
	d := xml.NewDecoder(strings.NewReader(streamStart + stanza + streamEnd))
	if _, err := d.Token(); err != nil {
		panic(err)
	}
	return d
}

var errMore = errors.New("there is more than one element")

// readOnly is Read for a stream with one stanza only.
func readOnly(stanza string) (receipts.Message, error) {
	d := within(stanza)
	m, err := receipts.Read(d)
	if err != nil {
		return m, err
	}
	for {
		token, err := d.Token()
		switch t := token.(type) {
		case nil:
			if err != io.EOF {
				return receipts.Message{}, err
			}
			return m, nil
		case xml.EndElement:
			if t.Name.Local != "stream" {
				return receipts.Message{}, errMore
			}
		case xml.CharData:
			if strings.Trim(string(t), " \t\r\n") != "" {
				return receipts.Message{}, errMore
			}
		default:
			return receipts.Message{}, errMore
		}
	}
}

// same compares what two messages say.
var same = cmp.AllowUnexported(receipts.Message{})

// ids returns the ids of the receipts in a message.
func ids(m receipts.Message) []string {
	var all []string
	for id := range m.Received() {
		all = append(all, id.String())
	}
	return all
}

// describe tells in one line what a message says, or why there is none.
func describe(m receipts.Message, err error) string {
	switch {
	case errors.Is(err, receipts.ErrSyntax), errors.Is(err, errMore), errors.As(err, new(*xml.SyntaxError)):
		return "not well-formed"
	case errors.Is(err, receipts.ErrLimit):
		return "beyond the limits"
	case err != nil:
		return err.Error()
	}
	parts := []string{m.Element.String()}
	if m.Type != "" {
		parts = append(parts, string(m.Type))
	}
	if m.Kind != receipts.KindNone {
		parts = append(parts, m.Kind.String())
	}
	for _, a := range []struct {
		name  string
		value receipts.Text
	}{{"id", m.ID}, {"from", m.From}, {"to", m.To}} {
		if !a.value.IsEmpty() {
			parts = append(parts, fmt.Sprintf("%s=%q", a.name, a.value.String()))
		}
	}
	if all := ids(m); all != nil {
		parts = append(parts, fmt.Sprintf("for %q", all))
	}
	if m.Marks != 0 {
		parts = append(parts, m.Marks.String())
	}
	if !m.ExpireAt.IsZero() {
		parts = append(parts, "until "+m.ExpireAt.String())
	}
	if m.ExpireAfter != 0 {
		parts = append(parts, "for "+m.ExpireAfter.String())
	}
	return strings.Join(parts, " ")
}

// opening returns the name of a start tag.
func opening(token xml.Token) (xml.Name, bool) {
	start, ok := token.(xml.StartElement)
	return start.Name, ok
}

// closes reports whether a token is an end tag.
func closes(token xml.Token) bool {
	_, ok := token.(xml.EndElement)
	return ok
}
