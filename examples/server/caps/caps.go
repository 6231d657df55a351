// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package caps knows which clients answer requests for receipts, from their entity
// capabilities (XEP-0115): a client's presence says what it can do in the form of a hash, and
// the first client with that hash is asked what that is.
//
// Why a server wants to know: a client that has read a message, and dies before it has worked
// on it, gets it once more if it is known to acknowledge. Without capabilities it is known only
// after its first receipt.
package caps

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/xml"
	"hash"
	"slices"
	"sync"

	"github.com/untilack/untilack/receipts"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
)

// most is how many hashes are remembered. Those of one day's clients are some tens.
const most = 1000

// maxText is how long a node or a hash may be.
const maxText = 256

// Caps are what a presence says.
type Caps struct {
	Hash string `xml:"hash,attr"`
	Node string `xml:"node,attr"`
	Ver  string `xml:"ver,attr"`
}

// In returns the capabilities in a presence, if there are any of which the hash can be checked.
func In(presence []byte) (Caps, bool) {
	var p struct {
		Caps Caps `xml:"http://jabber.org/protocol/caps c"`
	}
	if xml.Unmarshal(presence, &p) != nil {
		return Caps{}, false
	}
	c := p.Caps
	return c, hashes[c.Hash] != nil && c.Ver != "" && len(c.Ver) <= maxText && len(c.Node) <= maxText
}

var hashes = map[string]func() hash.Hash{"sha-1": sha1.New, "sha-256": sha256.New}

// Query returns what the client is to be asked.
func (c Caps) Query() disco.InfoQuery { return disco.InfoQuery{Node: c.Node + "#" + c.Ver} }

// name is what a hash is remembered by.
func (c Caps) name() string { return c.Hash + " " + c.Ver }

// Clients are those who are online, and what is known of them. It is safe for concurrent use
// by multiple goroutines.
type Clients struct {
	mutex sync.RWMutex
	caps  map[string]entry // by full address
	known map[string]bool  // whether who has a hash acknowledges
}

// An entry is what the session has said that has an address.
type entry struct {
	session any
	caps    Caps
}

// New returns Clients of whom nothing is known.
func New() *Clients {
	return &Clients{caps: make(map[string]entry), known: make(map[string]bool)}
}

// Set notes the capabilities of the session that has a full address. It reports whether the
// client has to be asked what they are.
func (k *Clients) Set(address string, session any, c Caps) (ask bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.caps[address] = entry{session, c}
	_, known := k.known[c.name()]
	return !known
}

// Remove forgets a session, unless another one has its address by now. That is not to be done
// before the Keeper knows that it has ended, and has decided about what it has not acknowledged.
func (k *Clients) Remove(address string, session any) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.caps[address].session == session {
		delete(k.caps, address)
	}
}

// Learn takes a client's answer to the query, an IQ. It reports whether the answer fits the
// hash: another one is not believed.
func (k *Clients) Learn(c Caps, iq []byte) bool {
	var result struct {
		Info disco.Info `xml:"http://jabber.org/protocol/disco#info query"`
	}
	if xml.Unmarshal(iq, &result) != nil {
		return false
	}
	answer := result.Info
	for i := range answer.Form {
		if answer.Form[i].Len() == 0 { // which Hash can not take
			return false
		}
	}
	if answer.Hash(hashes[c.Hash]()) != c.Ver {
		return false
	}
	acknowledges := slices.ContainsFunc(answer.Features, func(f info.Feature) bool { return f.Var == receipts.NS })
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if len(k.known) >= most {
		clear(k.known) // they are asked again
	}
	k.known[c.name()] = acknowledges
	return true
}

// Acknowledge reports whether the client with a full address is known to answer requests for
// receipts. It is for untilack.Config.
func (k *Clients) Acknowledge(address string) bool {
	k.mutex.RLock()
	defer k.mutex.RUnlock()
	e, ok := k.caps[address]
	return ok && k.known[e.caps.name()]
}
