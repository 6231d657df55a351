// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// A properEnd is what a client with a client.Responder is: it shows what is new, works
// on it and acknowledges it. It knows by itself what the Responder has to know, and
// checks that.
type properEnd struct {
	client    *Client
	options   client.ResponderOptions
	responder *client.Responder
	journal   *journal // nil: nothing outlives its process

	known map[*Message]*shown
	owes  bool // it will never acknowledge something that it has shown
	count int  // of receipts

	fetched int // of the messages that there are
}

// A shown message is one that the Responder may not have forgotten.
type shown struct {
	since time.Duration // it was shown or acknowledged
	acked bool
	kept  bool // in the journal
}

// properly returns the client's proper end.
func (c *Client) properly() *properEnd {
	if c.proper == nil {
		c.proper = &properEnd{client: c, known: make(map[*Message]*shown)}
		c.account.archives = true
	}
	return c.proper
}

// starts makes the Responder.
func (p *properEnd) starts() {
	c, w := p.client, p.client.world
	p.options = client.ResponderOptions{Policy: client.Always}
	if o := c.manners.Responder; o != nil {
		p.options = *o
	}
	ack := receipts.AckOptions{Account: jid.MustParse(c.address)}
	if p.options.Ack != nil {
		ack = *p.options.Ack
	}
	ack.ToBare = ack.ToBare || c.manners.ToBare
	p.options.Ack = &ack
	if c.manners.Journal && p.journal == nil && p.options.Journal == nil {
		p.journal = new(journal)
	}
	if p.journal != nil {
		p.options.Journal = p.journal
	}
	r, err := client.NewResponder(&p.options)
	if err != nil {
		w.fatal("untilacktest: %v", err)
		return
	}
	p.responder = r
	for _, s := range p.known {
		s.since = w.now
	}
}

// dies is when the client's process ends: the journal is left.
func (p *properEnd) dies() {
	p.responder, p.owes = nil, false
	for m, s := range p.known {
		if !s.kept {
			delete(p.known, m)
		}
	}
}

// forgives has the client start anew if something would be in hand for ever.
func (p *properEnd) forgives() {
	if p != nil && p.owes {
		p.client.life++
		p.dies()
	}
}

// hear has the client read a stanza, which is a message if m is not nil.
func (p *properEnd) hear(conn *connection, m *Message, stanza string) {
	if p.responder == nil {
		p.starts()
	}
	c := p.client
	a := p.responder.Receive(c.world.Now(), []byte(stanza))
	if m == nil {
		c.answerPing(conn, stanza)
		return
	}
	p.checkCopy(m, a)
	if a.Copy() { // there is nothing to work on
		p.answer(m, a)
		return
	}
	p.show(m)
	c.later(func() { p.answer(m, a) })
}

// show shows a message to the user.
func (p *properEnd) show(m *Message) {
	c := p.client
	p.known[m] = &shown{since: c.world.now}
	if m.shown++; !slices.Contains(m.seenBy, c) {
		m.seenBy = append(m.seenBy, c)
	}
	c.world.saw(m, c.address, "shows")
}

// windowAge is how long the Responder remembers a message, at least.
func (p *properEnd) windowAge() time.Duration {
	if age := p.options.WindowAge; age > 0 {
		return age
	}
	return 15 * time.Minute
}

// mostKnown is how many messages the Responder remembers of a sender, at least.
func (p *properEnd) mostKnown() int {
	if n := p.options.Window; n > 0 {
		return n / 16
	}
	return 1024
}

// remembers reports whether the Responder must remember a message.
func (p *properEnd) remembers(s *shown) bool {
	return s != nil && p.client.world.now-s.since <= p.windowAge() && len(p.known) <= p.mostKnown()
}

// checkCopy checks that a message is taken for a copy if it is one, and else is not.
func (p *properEnd) checkCopy(m *Message, a *client.Arrival) {
	w, s := p.client.world, p.known[m]
	switch {
	case a.Copy() && s == nil:
		w.breach("no loss", m, "%s takes it for a copy, and has not shown it", p.client)
	case !a.Copy() && p.asks(m) && p.remembers(s):
		w.breach("shown once", m, "%s shows it again", p.client)
	}
}

// asks reports whether a message is one that can be acknowledged.
func (p *properEnd) asks(m *Message) bool { return m.scan.MayAck(p.options.Ack) == nil }

// answer has the client answer an arrival.
func (p *properEnd) answer(m *Message, a *client.Arrival) {
	c := p.client
	mood := &c.manners
	switch {
	case c.meetsItsEnd():
		if c.chance.IntN(2) == 0 {
			_, _ = p.acknowledge(m, a) // the receipt is not written any more
		}
		c.Dies()
	case mood.ignores(m):
		p.owes = true
	case mood.Rejects && c.chance.IntN(2) == 0:
		a.Drop()
		p.owes = true
		p.checkDone(m, a, "dropped")
		c.sayIfOnline(rejection(m))
	case mood.Fails > 0 && c.chance.IntN(mood.Fails) == 0:
		p.fails(m, a)
	default:
		p.answers(m, a)
	}
}

// answers has the client acknowledge an arrival. A copy of what is in hand may be tried
// again later.
func (p *properEnd) answers(m *Message, a *client.Arrival) {
	c := p.client
	receipt, err := p.acknowledge(m, a)
	switch {
	case err == nil:
		c.sayIfOnline(receipt)
		if c.manners.Twice {
			p.checkDone(m, a, "acknowledged")
		}
	case errors.Is(err, client.ErrInHand) && c.chance.IntN(2) == 0:
		life := c.life
		c.world.after(c.manners.Delay+time.Second, func() {
			if c.life == life {
				p.answers(m, a)
			}
		})
	}
}

// sayIfOnline says something, which is lost if the client is offline.
func (c *Client) sayIfOnline(stanza string) {
	if c.conn != nil {
		c.conn.say(stanza)
	}
}

// fails is when the client can not work on a message: it wants a copy.
func (p *properEnd) fails(m *Message, a *client.Arrival) {
	c := p.client
	c.world.saw(m, c.address, "fails on")
	a.Again()
	p.checkDone(m, a, "given up")
	if s := p.known[m]; !a.Copy() && s != nil && !s.acked {
		delete(p.known, m)
	}
}

// acknowledge returns the receipt for an arrival, if there is one.
func (p *properEnd) acknowledge(m *Message, a *client.Arrival) (string, error) {
	c, w, s := p.client, p.client.world, p.known[m]
	safe := s != nil && (!a.Copy() || s.acked)
	receipt, err := a.Ack(w.Now())
	switch {
	case err != nil:
		w.note(c.address, "does not acknowledge", m.name+": "+err.Error())
		if safe && p.remembers(s) && p.asks(m) && !errors.Is(err, client.ErrRate) && !errors.Is(err, client.ErrPolicy) {
			w.breach("shown once", m, "%s has worked on it, and does not acknowledge it: %v", c, err)
		}
		return "", err
	case !safe:
		w.breach("no forged receipt", m, "%s acknowledges it, and has not worked on it", c)
		return "", nil
	}
	*s = shown{since: w.now, acked: true, kept: p.journal != nil}
	return p.says(receipt), nil
}

// CatchesUp has a proper client fetch from its account's archive (XEP-0313) what servers
// have kept since it did so last, and acknowledge what it has not seen, unless another
// client of the account has.
func (c *Client) CatchesUp() {
	if !c.manners.isProper() || c.conn == nil {
		c.note("catches up", "and can not")
		return
	}
	p := c.properly()
	if p.responder == nil {
		p.starts()
	}
	p.catchUp()
}

// catchUp looks at the archive. What is acknowledged is shown first. Messages of one name
// are passed over: receipts do not tell them apart.
func (p *properEnd) catchUp() {
	c, w := p.client, p.client.world
	results, answered := p.archivedReceipts()
	fetched := make(map[cache.Key]*Message)
	for _, m := range w.ledger.all[min(p.fetched, len(w.ledger.all)):] {
		if m.account == c.account && m.kept && !m.reused && !m.neverStored() && (!m.pinned() || m.resource == c.resource()) {
			results = append(results, p.archived(m.stanza))
			fetched[m.key()] = m
		}
	}
	p.fetched = len(w.ledger.all)
	c.note("catches up", fmt.Sprint(len(fetched), " messages"))
	for _, receipt := range p.responder.AckArchived(w.Now(), results...) {
		m := fetched[cache.Key{To: c.account.bare, From: cache.Bare(receipt.To), ID: receipt.Received}]
		switch {
		case m == nil:
			w.breach("no forged receipt", nil, "%s acknowledges what is not in the archive: %+v", c, receipt)
			return
		case answered[m.key()], p.remembers(p.known[m]):
			w.breach("bounded", m, "%s acknowledges it from the archive, and it is acknowledged or in hand", c)
			return
		}
		p.fetches(m)
		c.sayIfOnline(p.says(receipt))
	}
}

// archivedReceipts returns what the archive has of receipts that clients of the account have
// sent, and the messages that they are for.
func (p *properEnd) archivedReceipts() (results [][]byte, answered map[cache.Key]bool) {
	a := p.client.account
	answered = make(map[cache.Key]bool)
	for _, stanza := range a.receipts {
		results = append(results, p.archived(stanza))
		if m, err := receipts.Scan([]byte(stanza)); err == nil {
			for id := range m.Received() {
				answered[cache.Key{To: a.bare, From: cache.Bare(m.To.String()), ID: id.String()}] = true
			}
		}
	}
	return results, answered
}

// archived returns what the archive answers.
func (p *properEnd) archived(stanza string) []byte {
	c := p.client
	return []byte(archived{c.world.Now(), stanza}.result(c.account.bare, c.address))
}

// says returns a receipt's bytes. A random id would be another one each time.
func (p *properEnd) says(receipt receipts.Ack) string {
	p.count++
	receipt.ID = fmt.Sprint("r", p.count)
	return string(receipt.AppendTo(nil))
}

// fetches takes note of a message that is acknowledged from the archive.
func (p *properEnd) fetches(m *Message) {
	c, w := p.client, p.client.world
	if m.read == 0 {
		w.reads++
		m.firstRead = w.reads
	}
	m.read++
	w.copies++
	p.show(m)
	*p.known[m] = shown{since: w.now, acked: true, kept: p.journal != nil}
	w.saw(m, c.address, "fetches")
}

// checkDone checks that no receipt can come of an arrival any more.
func (p *properEnd) checkDone(m *Message, a *client.Arrival, was string) {
	if _, err := a.Ack(p.client.world.Now()); err == nil {
		p.client.world.breach("bounded", m, "%s acknowledges it twice: it was %s", p.client, was)
	}
}

// A journal is one in memory that outlives the process.
type journal struct{ all []client.Seen }

// Add implements client.Journal.
func (j *journal) Add(s client.Seen) error {
	j.all = append(j.all, s)
	return nil
}

// All implements client.Journal.
func (j *journal) All() iter.Seq2[client.Seen, error] {
	return func(yield func(client.Seen, error) bool) {
		for _, s := range j.all {
			if !yield(s, nil) {
				return
			}
		}
	}
}
