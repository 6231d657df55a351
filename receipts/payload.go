// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"encoding/xml"
	"fmt"

	"mellium.im/xmlstream"
)

var (
	requestName  = xml.Name{Space: NS, Local: "request"}
	receivedName = xml.Name{Space: NS, Local: "received"}
)

// A Request is the payload that asks for a receipt (XEP-0184 §7).
//
// In a struct that embeds a stanza it has to be a named field, since an embedded
// one would take over how the struct is encoded.
type Request struct{}

// TokenReader implements xmlstream.Marshaler.
func (Request) TokenReader() xml.TokenReader {
	return xmlstream.Wrap(nil, xml.StartElement{Name: requestName})
}

// WriteXML implements xmlstream.WriterTo.
func (r Request) WriteXML(w xmlstream.TokenWriter) (int, error) {
	return xmlstream.Copy(w, r.TokenReader())
}

// MarshalXML implements xml.Marshaler.
func (r Request) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	_, err := r.WriteXML(e)
	return err
}

// UnmarshalXML implements xml.Unmarshaler.
// What the element holds is ignored (RFC 6120 §8.4).
func (*Request) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if start.Name != requestName {
		return unexpected(start.Name, requestName)
	}
	return d.Skip()
}

// A Received is the payload that acknowledges a message (XEP-0184 §7).
//
// In a struct that embeds a stanza it has to be a named field, since an embedded
// one would take over how the struct is encoded.
type Received struct {
	// ID is the id of the message that is acknowledged.
	// Encoding without it fails with [ErrNoID]; decoding does not, because the
	// first versions of XEP-0184 had none.
	ID string
}

// TokenReader implements xmlstream.Marshaler.
func (r Received) TokenReader() xml.TokenReader {
	if r.ID == "" {
		return xmlstream.ReaderFunc(func() (xml.Token, error) { return nil, ErrNoID })
	}
	return xmlstream.Wrap(nil, xml.StartElement{
		Name: receivedName,
		Attr: []xml.Attr{{Name: xml.Name{Local: "id"}, Value: r.ID}},
	})
}

// WriteXML implements xmlstream.WriterTo.
func (r Received) WriteXML(w xmlstream.TokenWriter) (int, error) {
	return xmlstream.Copy(w, r.TokenReader())
}

// MarshalXML implements xml.Marshaler.
func (r Received) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	_, err := r.WriteXML(e)
	return err
}

// UnmarshalXML implements xml.Unmarshaler.
// White space in the id is treated as described at [Text].
func (r *Received) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if start.Name != receivedName {
		return unexpected(start.Name, receivedName)
	}
	r.ID = spaced(valueOf(start, "id"))
	return d.Skip()
}

// unexpected returns the error for an element of the wrong name.
func unexpected(got, want xml.Name) error {
	return fmt.Errorf("receipts: element is %q in %q instead of %q in %q",
		got.Local, got.Space, want.Local, want.Space)
}
