// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"hash/fnv"
	"html"
	"strings"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// A Message is one message on its way through a World.
type Message struct {
	world    *World
	name     string // for people: its number and id
	number   int
	from, id string
	stanza   string
	account  *account
	resource string // of the address it is to
	scan     receipts.Message

	received time.Time // when a node got it, by that node's clock
	first    time.Time // when a Keeper got it for the first time
	kept     bool      // a node said that it keeps it
	written  int       // copies that were written
	read     int       // copies that a client of the recipient has read
	shown    int       // those that a client has shown to its user
	receipts int       // that went on to the sender
	seenBy   []*Client // the clients that have shown it
	acted    []string  // what actions said about it
	last     Event     // where it was seen last

	admittedBy *Node // the first that kept it
	identity   cache.Identity
	placed     bool        // whether identity is known
	queued     *connection // which it waits for
	twin       *Message    // the one before with the same id of the same sender
	reused     bool        // whether there is another one of its name
	again      int         // how often it was sent again
	away       bool        // it came when nobody was online
	mail       bool        // it became offline mail
	acked      bool        // a client of the recipient has answered it
	settled    lifetime    // in which a receipt counted
	settledAt  time.Duration
	dropped    bool // an action ended it
	free       bool // no server owes it anything: it was not kept, or said to be delivered untracked
	hurt       bool // the store has failed on it: rows may be missing or left over
	ended      bool // the Keeper said that it is done with it

	firstRead int         // its place among the messages that were read
	readOn    *connection // where it was read last
	floods    int         // copies that came without a fault
	writtenTo *connection // last
	writtenAt time.Duration
	underWay  int // rows of it that the host is about to put

	tracked *tracked // what its Sender knows of it
}

// ID returns the message's id.
func (m *Message) ID() string { return m.id }

// Stanza returns the message as it was sent.
func (m *Message) Stanza() string { return m.stanza }

// Read returns how many copies of the message the recipient's clients have read.
func (m *Message) Read() int { return m.read }

// Shown returns how often clients have shown the message to their user: a client
// that recognises duplicates shows it once.
func (m *Message) Shown() int { return m.shown }

// Receipts returns how many receipts for the message have reached its sender.
func (m *Message) Receipts() int { return m.receipts }

// Result returns what is known to the Sender of the message by now. It is NotAsked if
// there is no Sender, or the message asks for nothing.
func (m *Message) Result() client.Result {
	if m.tracked == nil {
		return client.Result{ID: m.id, State: client.NotAsked}
	}
	return m.tracked.sent.Result()
}

// Actions returns what the actions of the chain said about the message, in order,
// such as "Notify: pass" and "Offline: stored". An action is called by what its
// String method says, or by its type.
func (m *Message) Actions() []string { return m.acted }

// LastSeen returns where the message was seen last.
func (m *Message) LastSeen() Event { return m.last }

// String returns the message's number and id.
func (m *Message) String() string { return m.name }

// Send sends a chat message that asks for a receipt, from a full address to an
// account or to one of its clients.
func (w *World) Send(from, to, body string) *Message {
	return w.SendStanza(fmt.Sprintf("<message type='chat' from='%s' to='%s' id='%s'><body>%s</body>%s</message>",
		from, to, w.ledger.nextID(), html.EscapeString(body), request))
}

const request = `<request xmlns='urn:xmpp:receipts'/>`

// SendStanza sends any message. Its attributes from, to and id must be there. Nobody
// waits for what becomes of it: a [Sender] does.
func (w *World) SendStanza(stanza string) *Message {
	m, err := w.newMessage(stanza)
	if err != nil {
		w.fatal("%v", err)
	}
	if w.ledger.byStanza[stanza] != nil {
		w.fatal("untilacktest: the same bytes were sent before; a sender that repeats them calls SendAgain: %s", stanza)
	}
	w.ledger.add(m)
	w.saw(m, m.from, "sends")
	w.route(m)
	return m
}

// SendAgain sends a message once more: the same bytes, as a sender does that has
// seen no receipt.
func (w *World) SendAgain(m *Message) {
	m.again++
	w.saw(m, m.from, "sends again")
	w.route(m)
}

// route gives a message to the server.
func (w *World) route(m *Message) {
	if w.live != nil {
		w.live.route(m)
		return
	}
	if w.options.Apart {
		w.nodeFor(m.from).take(m)
		return
	}
	w.nodeOf(m.account).take(m)
}

// nodeFor returns the node to which a sender's messages come, or another that is up.
func (w *World) nodeFor(sender string) *Node {
	sum := fnv.New32a()
	sum.Write([]byte(cache.Bare(sender)))
	first := int(sum.Sum32() % uint32(len(w.nodes)))
	for i := range w.nodes {
		if n := w.nodes[(first+i)%len(w.nodes)]; n.up {
			return n
		}
	}
	return w.nodes[first]
}

// nodeOf returns the node where an account is online, or else one that is up. In a
// World around somebody's own server there is none.
func (w *World) nodeOf(a *account) *Node {
	if best := a.best(); best != nil {
		return best.node
	}
	for _, c := range a.open {
		return c.node
	}
	for _, n := range w.nodes {
		if n.up {
			return n
		}
	}
	if w.live != nil {
		return nil
	}
	return w.nodes[0]
}

func (w *World) newMessage(stanza string) (*Message, error) {
	scan, err := receipts.Scan([]byte(stanza))
	if err != nil {
		return nil, fmt.Errorf("untilacktest: %w: %s", err, stanza)
	}
	m := &Message{world: w, stanza: stanza, scan: scan, from: scan.From.String(), id: scan.ID.String()}
	to := scan.To.String()
	if m.from == "" || to == "" || scan.Element != receipts.MessageStanza {
		return nil, fmt.Errorf("untilacktest: a message needs its attributes from and to: %s", stanza)
	}
	m.account = w.account(cache.Bare(to))
	if _, resource, full := strings.Cut(to, "/"); full {
		m.resource = resource
	}
	return m, nil
}

func (m *Message) chat() bool { return m.scan.Type == "chat" }

// pinned reports whether the message is for the addressed resource alone.
func (m *Message) pinned() bool {
	return m.resource != "" && m.scan.Marks&(receipts.NoCopy|receipts.MatchExact|receipts.Private) != 0
}

// neverStored reports whether no store that lasts may have the message.
func (m *Message) neverStored() bool {
	return m.scan.Marks.Has(receipts.NoPermanentStore) && m.world.store.lasting
}

// expired reports whether the time is over that the sender has given it.
func (m *Message) expired(now time.Time) bool {
	end := m.scan.ExpireAt
	if after := m.scan.ExpireAfter; after > 0 {
		if relative := m.first.Add(after); end.IsZero() || relative.Before(end) {
			end = relative
		}
	}
	return !end.IsZero() && !now.Before(end)
}

// over reports whether the message may have come to an end: then nothing of it
// need be left.
func (m *Message) over() bool {
	return m.read > 0 || m.acked || m.dropped || m.free || m.account.blocked[cache.Bare(m.from)] ||
		m.expired(m.world.latest()) || m.reused && m.twinAcked()
}

// twinAcked reports whether a message of that name was acknowledged: which of them
// was meant is in doubt.
func (m *Message) twinAcked() bool {
	for twin := m.world.ledger.named(m.key()); twin != nil; twin = twin.twin {
		if twin.acked {
			return true
		}
	}
	return false
}

// A lifetime is one run of a node's process, between jumps of its clock. What one has
// settled the next may find in the store yet, and remember nothing of it.
type lifetime struct {
	node        *Node
	life, jumps int
}

func (n *Node) lifetime() lifetime { return lifetime{n, n.life, n.jumps} }

// key is what a receipt can name, by bare addresses.
func (m *Message) key() cache.Key {
	return cache.Key{To: m.account.bare, From: cache.Bare(m.from), ID: m.id}
}

// A ledger knows all messages, or the last of them.
type ledger struct {
	count    int
	byStanza map[string]*Message
	byName   map[cache.Key]*Message
	all      []*Message // unless some are forgotten
	ended    []*Message // to be forgotten, the first to end first
	remember int
	foretold map[cache.Key]bool // acknowledged before it was sent
	domain   string             // of the delay stamps that nodes make
}

func newLedger(remember int, domain string) ledger {
	return ledger{byStanza: make(map[string]*Message), byName: make(map[cache.Key]*Message), foretold: make(map[cache.Key]bool), remember: remember, domain: domain}
}

func (l *ledger) nextID() string { return fmt.Sprint("m", l.count+1) }

func (l *ledger) add(m *Message) {
	l.count++
	m.number, m.name = l.count, fmt.Sprintf("message %d (id %s)", l.count, m.id)
	l.byStanza[m.stanza] = m
	if twin := l.byName[m.key()]; twin != nil {
		m.twin, m.reused, twin.reused = twin, true, true
	}
	l.byName[m.key()] = m
	m.acked = l.foretold[m.key()]
	if l.remember == 0 {
		l.all = append(l.all, m)
	}
}

// of returns the message with those bytes, delay stamps aside.
func (l *ledger) of(stanza string) (m *Message, stamps []string) {
	if m := l.byStanza[stanza]; m != nil || !strings.Contains(stanza, delayNS) {
		return m, nil
	}
	plain, stamps := undelayed(stanza, l.domain)
	return l.byStanza[plain], stamps
}

// named returns the newest message of a name.
func (l *ledger) named(key cache.Key) *Message { return l.byName[key] }

// end takes note that a message came to its end, and forgets older ones.
func (w *World) end(m *Message) {
	l := &w.ledger
	if l.remember == 0 || m.ended {
		return
	}
	m.ended = true
	l.ended = append(l.ended, m)
	if len(l.ended) >= 2*l.remember {
		old := l.ended[:l.remember]
		l.ended = append([]*Message(nil), l.ended[l.remember:]...)
		w.forget(old)
	}
}

// forget forgets messages, but for those whose row stands: a call of the store failed,
// and the node crashed before it could call again. Such a message may come once more.
func (w *World) forget(old []*Message) {
	l := &w.ledger
	stands := w.store.stands(old)
	for _, m := range old {
		if stands[m] {
			l.ended = append(l.ended, m)
			continue
		}
		delete(l.byStanza, m.stanza)
		if l.byName[m.key()] == m {
			delete(l.byName, m.key())
		}
	}
}
