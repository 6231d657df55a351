// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "encoding/xml"

// start checks a start tag.
func (c *checker) start(t xml.StartElement) error {
	switch {
	case c.level() == MaxDepth:
		return c.fail(ErrLimit, "it is too deep")
	case len(t.Attr) > MaxAttributes:
		return c.fail(ErrLimit, "an element has too many attributes")
	case !validName(t.Name.Local):
		return c.fail(ErrSyntax, "a name has characters that it may not have")
	}
	c.started = true
	o := opened{name: t.Name}
	for i, a := range t.Attr {
		if isDeclaration(a.Name) {
			o.declares++
		}
		if err := c.attribute(t.Attr[:i], a); err != nil {
			return err
		}
	}
	if c.declared += o.declares; c.declared > MaxDeclarations {
		return c.fail(ErrLimit, "too many namespaces are declared")
	}
	c.open = append(c.open, o)
	return c.grow(len(t.Name.Local))
}

// isDeclaration reports whether an attribute of this name declares a namespace.
func isDeclaration(name xml.Name) bool {
	return name.Space == "xmlns" || name.Space == "" && name.Local == "xmlns"
}

// declaredPrefix returns the prefix that the attribute of this name declares, ""
// for the default namespace.
func declaredPrefix(name xml.Name) string {
	if name.Space == "" {
		return ""
	}
	return name.Local
}

// attribute checks an attribute that comes after others.
func (c *checker) attribute(before []xml.Attr, a xml.Attr) error {
	if !validName(a.Name.Local) {
		return c.fail(ErrSyntax, "a name has characters that it may not have")
	}
	if illegal([]byte(a.Value)) >= 0 {
		return c.fail(ErrSyntax, "it has bytes that are no character of XML")
	}
	for _, b := range before {
		if b.Name.Local == a.Name.Local && spaced(b.Name.Space) == spaced(a.Name.Space) {
			return c.fail(ErrSyntax, "an attribute is there twice")
		}
	}
	if isDeclaration(a.Name) {
		prefix, space := []byte(declaredPrefix(a.Name)), []byte(spaced(a.Value))
		if reason := declarable(prefix, space); reason != "" {
			return c.fail(ErrSyntax, reason)
		}
	}
	return c.grow(len(a.Name.Local) + len(a.Value))
}
