// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// hasBadAddress reports whether a stanza is from or to what is no address. That is taken
// out: mellium answers IQs, and would end the stream. It goes by local names alone, and so
// does this.
func hasBadAddress(start *xml.StartElement) bool {
	bad := false
	for i, a := range start.Attr {
		if a.Name.Local != "from" && a.Name.Local != "to" || a.Value == "" {
			continue
		}
		if _, err := jid.Parse(a.Value); err != nil {
			bad = true
			start.Attr[i].Value = ""
		}
	}
	return bad
}

// isGoodIQ reports whether an IQ has a type, and a payload if it needs one. Otherwise
// mellium answers it, if it is a question.
func isGoodIQ(w *replier, start *xml.StartElement) (bool, error) {
	first, err := w.peek()
	if err != nil {
		return false, err
	}
	_, isElement := first.(xml.StartElement)
	_, isEnd := first.(xml.EndElement)
	switch stanza.IQType(attribute(*start, "type")) {
	case stanza.GetIQ, stanza.SetIQ, stanza.ErrorIQ:
		return isElement, nil
	case stanza.ResultIQ:
		return isElement || isEnd, nil
	}
	return false, nil
}

// peek returns the next token but white space, which is left to be read.
func (w *replier) peek() (xml.Token, error) {
	var list []xml.Token
	for {
		token, err := w.Token()
		if token == nil {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		list = append(list, xml.CopyToken(token))
		if text, ok := token.(xml.CharData); ok && len(bytes.TrimLeft(text, " \t\r\n")) == 0 {
			continue
		}
		w.TokenReader = xmlstream.MultiReader(&tokens{list: list}, w.TokenReader)
		return list[len(list)-1], nil
	}
}
