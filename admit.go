// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"cmp"
	"encoding/binary"
	"math/bits"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
	"mellium.im/xmpp/stanza"
)

// An Admit is the policy's word on one message.
type Admit struct {
	Keep bool
	Why  string // in a few words; for watching
}

// DefaultAdmit keeps messages of type normal and chat that ask for a receipt and
// could get one (XEP-0184 §5, §7). It leaves out what must not be kept: hints
// against it (XEP-0334 §4.2), copies that others account for (XEP-0280, 0313,
// 0013), messages from chat rooms (XEP-0045 §7.5), messages of the account to
// itself, and those that hold nothing but a chat state (XEP-0160 §3).
func DefaultAdmit(c Candidate) Admit {
	if why := cmp.Or(impossible(c), excluded(c)); why != "" {
		return Admit{Why: why}
	}
	if c.Message.Kind != receipts.KindRequest {
		return Admit{Why: "no request"}
	}
	return Admit{Keep: true, Why: "asks for a receipt"}
}

// AdmitContent keeps what DefaultAdmit keeps and also messages with a body, or with one that
// is encrypted, that ask for no receipt: whether their recipient lives is found out by a probe.
func AdmitContent(c Candidate) Admit {
	if why := cmp.Or(impossible(c), excluded(c)); why != "" {
		return Admit{Why: why}
	}
	if c.Message.Kind == receipts.KindNone && c.Message.Marks&(receipts.Body|receipts.Encrypted) == 0 {
		return Admit{Why: "no content"}
	}
	return Admit{Keep: true, Why: "has content"}
}

// impossible says why a message can not be kept whatever the policy says: there
// would be no receipt, or nobody to take it from (XEP-0184 §5, §7). It returns ""
// if the message can be kept.
func impossible(c Candidate) string {
	m := c.Message
	switch {
	case m.Element != receipts.MessageStanza:
		return "no message"
	case m.Kind&receipts.KindReceived != 0:
		return "ack message"
	case m.Type == stanza.ErrorMessage:
		return "error"
	case m.Type == stanza.GroupChatMessage:
		return "groupchat"
	case m.ID.IsEmpty():
		return "no id"
	case c.Sender == "":
		return "no sender"
	case cache.Bare(c.Sender) == c.Recipient:
		return "self-addressed"
	}
	return ""
}

// excluded says why a message is not kept by the policies of this package, or "".
func excluded(c Candidate) string {
	m := c.Message
	switch {
	case m.Type == stanza.HeadlineMessage:
		return "headline"
	case m.Marks.Has(receipts.NoStore):
		return "no-store"
	case m.Marks.Has(receipts.RoomUser):
		return "chat room"
	case m.Marks.Has(receipts.Carbon), m.Marks.Has(receipts.Archived):
		return "copy"
	case m.Marks.Has(receipts.Retrieved):
		return "still held by the offline store"
	case m.Marks.Has(receipts.ChatState) && !m.Marks.Has(receipts.Content):
		return "chat state alone"
	}
	return ""
}

// marksOf translates what a message says into where it may go.
func marksOf(m *receipts.Message, to address) cache.Marks {
	var marks cache.Marks
	set := func(mark cache.Marks, is bool) {
		if is {
			marks |= mark
		}
	}
	set(cache.Chat, m.Type == stanza.ChatMessage)
	set(cache.Headline, m.Type == stanza.HeadlineMessage)
	set(cache.NotAsked, m.Kind != receipts.KindRequest)
	set(cache.Room, m.Marks.Has(receipts.RoomUser))
	set(cache.Encrypted, m.Marks.Has(receipts.Encrypted))
	set(cache.Volatile, m.Marks.Has(receipts.NoPermanentStore))
	set(cache.NeverStored, m.Marks.Has(receipts.DeliverNotStored))
	set(cache.Pinned, to.resource != "" && m.Marks&(receipts.NoCopy|receipts.MatchExact|receipts.Private) != 0)
	return marks
}

// sum tells stanzas apart. It is the same on every node, which maphash is not.
func sum(stanza []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	hash := uint64(len(stanza)) * odd
	for ; len(stanza) >= 8; stanza = stanza[8:] {
		hash = bits.RotateLeft64(hash^binary.LittleEndian.Uint64(stanza), 29) * odd
	}
	for _, c := range stanza {
		hash = bits.RotateLeft64(hash^uint64(c), 29) * odd
	}
	return mix(hash)
}

// admit asks the policy about a message, which stays where it is.
func (k *Keeper) admit(recipient, sender string, m *receipts.Message) Admit {
	if k.config.Admit == nil {
		return DefaultAdmit(Candidate{Recipient: recipient, Sender: sender, Message: m})
	}
	own := *m // what is handed to others can not lie on the stack
	return k.config.Admit(Candidate{Recipient: recipient, Sender: sender, Message: &own})
}
