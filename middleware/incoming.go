// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"sync"

	"github.com/untilack/untilack/receipts"
)

// An incoming collects an element that comes from the client: its bytes, for the
// Keeper, and its tokens, for the handler.
//
// The parser makes each of its tags anew, and says so. Only text is its own and is
// copied here.
type incoming struct {
	list  []xml.Token // but for the outermost start tag
	text  []byte      // of the tokens
	rest  tokens      // what is left of them for the handler
	plain plain
	rare  bool // whether the element is not plain
	depth int
	size  int // in bytes, roughly
	limit int // of size
}

// incomings keeps memory in use: a client that is idle has none.
var incomings = sync.Pool{New: func() any { return new(incoming) }}

func newIncoming() *incoming { return incomings.Get().(*incoming) }

// release gives back the memory. Nobody may use it any more.
func (in *incoming) release() {
	if cap(in.plain.bytes)+cap(in.text)+tokenSize*cap(in.list) > maxPooled {
		return
	}
	in.reset(0)
	incomings.Put(in)
}

// reset makes in ready for an element of limited size.
func (in *incoming) reset(limit int) {
	clear(in.list)
	in.plain.reset()
	in.list, in.text, in.rest, in.rare = in.list[:0], in.text[:0], tokens{}, false
	in.depth, in.size, in.limit = 0, 0, limit
}

// add adds a token, and reports whether it was the last of an element. White space
// between elements is passed over. The token with which the element is too large is in
// the list.
func (in *incoming) add(t xml.Token) (whole bool, err error) {
	switch t := t.(type) {
	case xml.StartElement:
		return false, in.start(&t, t)
	case xml.EndElement:
		in.depth--
	case xml.CharData:
		if in.depth == 0 && len(bytes.Trim(t, " \t\r\n")) == 0 {
			return false, nil
		}
		in.size += len(t)
	}
	in.list = append(in.list, in.keep(t))
	if in.size += tokenSize; in.size > in.limit {
		return false, ErrTooLarge
	}
	in.rare = in.rare || !in.plain.add(t)
	return in.depth <= 0, nil
}

// start adds a start tag. Of the outermost one there needs to be no token.
func (in *incoming) start(t *xml.StartElement, token xml.Token) error {
	in.depth++
	in.size += sizeOf(t) + tokenSize
	if in.depth > 1 {
		in.list = append(in.list, token)
	}
	if in.size > in.limit || in.depth > maxDepth {
		return ErrTooLarge
	}
	in.rare = in.rare || !in.plain.start(t)
	return nil
}

// keep returns a token that stays as it is.
func (in *incoming) keep(t xml.Token) xml.Token {
	switch t := t.(type) {
	case xml.EndElement:
		return t
	case xml.CharData:
		from := len(in.text)
		in.text = append(in.text, t...)
		return xml.CharData(in.text[from:len(in.text):len(in.text)])
	}
	return xml.CopyToken(t)
}

// encode returns the bytes of the element, which are valid until release, and has
// rest read what comes after its first tag, which is given.
func (in *incoming) encode(start xml.StartElement) ([]byte, error) {
	in.rest.list = in.list
	if !in.rare {
		return in.plain.bytes, nil
	}
	return receipts.Encode(&resumed{token: start, r: &tokens{list: in.list}})
}

// collect reads the rest of an element whose tag is given, of limited size.
func (in *incoming) collect(r xml.TokenReader, start xml.StartElement, limit int) error {
	in.reset(limit)
	whole, err := false, in.start(&start, nil)
	for err == nil && !whole {
		var token xml.Token
		token, err = r.Token()
		if token != nil {
			whole, err = in.add(token)
		}
	}
	switch {
	case whole:
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
