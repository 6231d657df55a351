// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// An address is a normalised XMPP address and its parts.
type address struct {
	full, bare, local, resource string
}

// parseAddress normalises raw (RFC 7622). It reports false if it is no address.
func parseAddress(raw []byte) (address, bool) {
	if len(raw) == 0 || len(raw) > 3*1023+2 {
		return address{}, false
	}
	if isNormal(raw) {
		return split(string(raw)), true
	}
	parsed, err := jid.Parse(string(raw))
	if err != nil {
		return address{}, false
	}
	return split(parsed.String()), true
}

// textAddress normalises an address that stands in a stanza.
func textAddress(t receipts.Text) (address, bool) {
	if plain, ok := t.Plain(); ok {
		return parseAddress(plain)
	}
	return parseAddress([]byte(t.String()))
}

// peers are addresses that stood in stanzas of one stream: mostly they are of the few
// with whom its client is speaking.
type peers [4]atomic.Pointer[address]

// peer is textAddress, and remembers. A nil Stream does not.
func (s *Stream) peer(t receipts.Text) (address, bool) {
	plain, ok := t.Plain()
	if s == nil || !ok || len(plain) == 0 {
		return textAddress(t)
	}
	switch {
	case string(plain) == s.address.bare:
		return address{full: s.address.bare, bare: s.address.bare, local: s.address.local}, true
	case string(plain) == s.address.full:
		return s.address, true
	}
	place := &s.peers[(len(plain)+int(plain[0])+int(plain[len(plain)-1]))%len(s.peers)]
	if known := place.Load(); known != nil && string(plain) == known.full {
		return *known, true
	}
	parsed, ok := parseAddress(plain)
	if ok && string(plain) == parsed.full {
		place.Store(&parsed)
	}
	return parsed, ok
}

func split(full string) address {
	a := address{full: full, bare: full}
	if slash := strings.IndexByte(full, '/'); slash >= 0 {
		a.bare, a.resource = full[:slash], full[slash+1:]
	}
	if at := strings.IndexByte(a.bare, '@'); at >= 0 {
		a.local = a.bare[:at]
	}
	return a
}

// isNormal reports whether raw is an address in its normal form beyond doubt,
// which spares nearly all of them the full parser.
func isNormal(raw []byte) bool {
	i, at := 0, -1
	start := 0
	for ; i < len(raw) && raw[i] != '/'; i++ {
		switch c := raw[i]; {
		case c == '@':
			if at >= 0 || i == 0 {
				return false
			}
			at, start = i, i+1
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.':
		case c == '_' && at < 0:
			// Right in a local part; whether this is one, the '@' will tell.
		default:
			return false
		}
	}
	domain := raw[start:i]
	if at > 1023 || !isNormalDomain(domain) {
		return false
	}
	if i == len(raw) {
		return true
	}
	return isNormalResource(raw[i+1:])
}

func isNormalDomain(domain []byte) bool {
	if len(domain) == 0 || len(domain) > 253 || domain[0] == '.' || domain[len(domain)-1] == '.' {
		return false
	}
	letters := false
	label := 0
	for i, c := range domain {
		switch {
		case c == '_':
			return false
		case c == '.':
			if i-label == 0 || i-label > 63 || domain[label] == '-' || domain[i-1] == '-' {
				return false
			}
			label = i + 1
		case 'a' <= c && c <= 'z':
			letters = true
		}
		// "xn--" labels are left to the full parser, which knows what they say.
		if c == '-' && i > 0 && domain[i-1] == '-' {
			return false
		}
	}
	last := domain[label:]
	return letters && len(last) <= 63 && last[0] != '-' && last[len(last)-1] != '-'
}

func isNormalResource(resource []byte) bool {
	if len(resource) == 0 || len(resource) > 1023 {
		return false
	}
	for _, c := range resource {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// escape escapes an address for an attribute in single quotes.
func escape(text string) string {
	return attributeEscaper.Replace(text)
}

var attributeEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;")

// recipientOf returns the account that a message is addressed to.
func recipientOf(stanza []byte) (address, error) {
	m, err := receipts.Scan(stanza)
	if err != nil {
		return address{}, fmt.Errorf("untilack: %w", err)
	}
	to, ok := textAddress(m.To)
	if !ok || to.local == "" {
		return address{}, fmt.Errorf("%w: message is to no user", ErrAddress)
	}
	return to, nil
}
