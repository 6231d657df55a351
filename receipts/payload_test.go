// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"encoding/xml"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/stanza"

	"github.com/untilack/untilack/receipts"
)

var (
	_ xml.Marshaler       = receipts.Request{}
	_ xml.Unmarshaler     = (*receipts.Request)(nil)
	_ xmlstream.Marshaler = receipts.Request{}
	_ xmlstream.WriterTo  = receipts.Request{}

	_ xml.Marshaler       = receipts.Received{}
	_ xml.Unmarshaler     = (*receipts.Received)(nil)
	_ xmlstream.Marshaler = receipts.Received{}
	_ xmlstream.WriterTo  = receipts.Received{}

	_ info.FeatureIter = receipts.Features{}
)

func TestR9ARequestIsEmpty(t *testing.T) {
	got, err := xml.Marshal(receipts.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`<request xmlns="urn:xmpp:receipts"></request>`, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestR11AReceiptHasAnID(t *testing.T) {
	got, err := xml.Marshal(receipts.Received{ID: `a'b"&`})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`<received xmlns="urn:xmpp:receipts" id="a&#39;b&#34;&amp;"></received>`, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := xml.Marshal(receipts.Received{}); !errors.Is(err, receipts.ErrNoID) {
		t.Errorf("the error is %v", err)
	}
}

// A content is a message as an application would declare it.
type content struct {
	stanza.Message
	Body     string             `xml:"body"`
	Request  *receipts.Request  `xml:"urn:xmpp:receipts request"`
	Received *receipts.Received `xml:"urn:xmpp:receipts received"`
}

func TestPayloadsInAStruct(t *testing.T) {
	for _, c := range []struct {
		name   string
		stanza string
		want   content
	}{
		{
			name:   "a request is found whatever it holds",
			stanza: `<message><body>a</body><request xmlns='urn:xmpp:receipts' a='b'>c<d/></request></message>`,
			want:   content{Body: "a", Request: &receipts.Request{}},
		},
		{
			name:   "a receipt is found with its id",
			stanza: "<message><r:received xmlns:r='urn:xmpp:receipts' r:id='no' id='a\tb'/></message>",
			want:   content{Received: &receipts.Received{ID: "a b"}},
		},
		{
			name:   "R22 a receipt of the first versions has no id",
			stanza: "<message><received xmlns='urn:xmpp:receipts'/></message>",
			want:   content{Received: &receipts.Received{}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got content
			if err := xml.Unmarshal([]byte(c.stanza), &got); err != nil {
				t.Fatal(err)
			}
			got.XMLName = xml.Name{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPayloadsOfAnotherName(t *testing.T) {
	const other = `<received xmlns='urn:xmpp:carbons:2'/>`
	if err := xml.Unmarshal([]byte(other), &receipts.Received{}); err == nil {
		t.Error("a carbon is taken for a receipt")
	}
	if err := xml.Unmarshal([]byte(other), &receipts.Request{}); err == nil {
		t.Error("a carbon is taken for a request")
	}
}

func TestFeatures(t *testing.T) {
	var got []string
	add := func(f info.Feature) error {
		got = append(got, f.Var)
		return nil
	}
	for _, node := range []string{"", "a"} {
		if err := (receipts.Features{}).ForFeatures(node, add); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{receipts.NS}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	var got []string
	for _, k := range []receipts.Kind{receipts.KindNone, receipts.KindRequest, receipts.KindReceived, receipts.KindBoth} {
		got = append(got, k.String())
	}
	for _, e := range []receipts.Element{receipts.Other, receipts.MessageStanza, receipts.IQStanza, receipts.PresenceStanza} {
		got = append(got, e.String())
	}
	want := []string{"none", "request", "received", "both", "other", "message", "iq", "presence"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
