// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"iter"
	"strconv"
	"time"

	"mellium.im/xmpp/stanza"
)

// A Message is what a stanza says about receipts and about its own delivery.
type Message struct {
	// Element is what the stanza is. Of anything but a stanza, nothing else is
	// known.
	Element Element
	// Kind says which receipts elements are direct children of a message. It is
	// purely syntactic: an error that echoes a request is of kind KindRequest.
	Kind Kind
	// Type is the type of a message; missing, empty and unknown types are normal
	// (RFC 6121 §5.2.2). It is empty for anything but a message.
	Type stanza.MessageType
	// ID, From and To are the stanza's attributes.
	ID, From, To Text
	// Marks are further facts about a message.
	Marks Marks
	// ExpireAt is the time from which on the message must not be delivered
	// (XEP-0079 §3.3.2). It is the zero time if there is none that can be read.
	ExpireAt time.Time
	// ExpireAfter is for how long after its first reception the message may be
	// delivered (XEP-0023 §3). It is 0 if there is no limit, and never shorter
	// than a nanosecond otherwise.
	ExpireAfter time.Duration

	space    string  // the namespace of the stanza, "" if it is none
	count    int     // of receipts
	received [4]Text // the first receipts
	more     []Text  // and the others
}

// Received returns the ids of the acknowledged messages in document order.
// A receipt without an id gives an empty Text (XEP-0184 §7 demands one).
// Receipts beyond [MaxReceived] are left out.
func (m *Message) Received() iter.Seq[Text] {
	return func(yield func(Text) bool) {
		for i := range m.count {
			var id Text
			if i < len(m.received) {
				id = m.received[i]
			} else {
				id = m.more[i-len(m.received)]
			}
			if !yield(id) {
				return
			}
		}
	}
}

// open takes in the name of the outermost element.
func (m *Message) open(space, local []byte) {
	content := contentSpace(space)
	if content == "" {
		return
	}
	switch string(local) {
	case "message":
		m.Element, m.Type = MessageStanza, stanza.NormalMessage
	case "iq":
		m.Element = IQStanza
	case "presence":
		m.Element = PresenceStanza
	}
	m.space = content
}

// attribute takes in an attribute of the stanza that is in no namespace.
func (m *Message) attribute(local []byte, value Text) {
	if m.Element == Other {
		return
	}
	switch string(local) {
	case "id":
		m.ID = value
	case "from":
		m.From = value
	case "to":
		m.To = value
	case "type":
		m.kind(value)
	}
}

// kind takes in the type of the stanza.
func (m *Message) kind(value Text) {
	plain, ok := value.Plain()
	if !ok {
		plain = []byte(value.String())
	}
	switch m.Element {
	case MessageStanza:
		m.Type = messageType(plain)
	case IQStanza:
		if string(plain) == "result" || string(plain) == "error" {
			m.Marks = Answer
		}
	}
}

// messageType returns the type of a message by the value of its attribute.
func messageType(value []byte) stanza.MessageType {
	switch string(value) {
	case "chat":
		return stanza.ChatMessage
	case "groupchat":
		return stanza.GroupChatMessage
	case "headline":
		return stanza.HeadlineMessage
	case "error":
		return stanza.ErrorMessage
	}
	return stanza.NormalMessage
}

// meaning returns what a direct child of a message means by its name.
func (m *Message) meaning(space, local []byte) Marks {
	if string(space) == m.space {
		return content(local)
	}
	if string(space) == NS {
		return receipt(local)
	}
	if marks, ok := children[childName{string(space), string(local)}]; ok {
		return marks
	}
	return Content
}

// child takes in a direct child of a message by its meaning and the value of the
// attribute that telling names.
func (m *Message) child(marks Marks, value Text) {
	m.Marks |= marks &^ internal
	switch {
	case marks&asks != 0:
		m.Kind |= KindRequest
	case marks&acknowledges != 0:
		m.Kind |= KindReceived
		m.acknowledge(value)
	case marks&expires != 0:
		m.expireAfter(value)
	}
}

// acknowledge takes in a receipt.
func (m *Message) acknowledge(id Text) {
	if m.count == MaxReceived {
		return
	}
	if m.count < len(m.received) {
		m.received[m.count] = id
	} else {
		m.more = append(m.more, id)
	}
	m.count++
}

// expireAfter takes in a number of seconds; the shortest time counts.
func (m *Message) expireAfter(value Text) {
	seconds, err := strconv.ParseUint(value.String(), 10, 32)
	if err != nil {
		return
	}
	after := max(time.Duration(seconds)*time.Second, 1)
	if m.ExpireAfter == 0 || after < m.ExpireAfter {
		m.ExpireAfter = after
	}
}

// rule takes in one of the rules of XEP-0079 §3.3.
func (m *Message) rule(condition, action, value string) {
	switch condition {
	case "match-resource":
		if value == "exact" {
			m.Marks |= MatchExact
		}
	case "deliver":
		if value == "stored" && prevents(action) {
			m.Marks |= DeliverNotStored
		}
	case "expire-at":
		at, err := time.Parse(time.RFC3339, value)
		if err != nil || !prevents(action) {
			return
		}
		if m.ExpireAt.IsZero() || at.Before(m.ExpireAt) {
			m.ExpireAt = at.UTC()
		}
	}
}

// prevents reports whether a message to which the action is applied is not
// delivered (XEP-0079 §3.4).
func prevents(action string) bool {
	return action == "drop" || action == "error" || action == "alert"
}

// close ends the message.
func (m *Message) close() {
	if m.Type == stanza.ErrorMessage {
		m.Marks &^= hints // they are echoed (XEP-0334 §5)
	}
}
