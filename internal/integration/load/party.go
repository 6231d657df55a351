// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// domain is that of all contenders.
const domain = "capulet.example"

const password = "secret"

// loginTime is how long a login may take.
const loginTime = 30 * time.Second

// A party is a client: it sends messages to its peer, each of which asks for a receipt, and
// answers those of its peer. It speaks as little XMPP as that takes, for it must be faster
// than any server.
type party struct {
	conn       net.Conn
	r          *bufio.Reader
	name, peer string // before the "@"

	slots chan struct{} // one for each message that may be under way; nil: there is no limit

	mutex    sync.Mutex // of what follows
	timed    *party     // whose messages are timed when they come; nil: receipts are timed
	untimed  bool       // receipts are not timed
	late     int        // one in so many receipts is; 0: none
	w        *bufio.Writer
	sentAt   []time.Duration // of each message, by number; 0: its receipt has come
	waits    []time.Duration // from a message to its receipt
	answered int
	next     int // the number of the peer's message that is to come next
	twice    int // messages that had come before
	missing  int // messages that did not come before a later one did
	refused  int // messages that came back as errors
	unasked  int // receipts for what was not sent, or had one before
}

// epoch is what times are measured from: none of them is 0.
var epoch = time.Now().Add(-time.Second)

// login returns a client that has logged in and sent its presence.
func login(address, name string, buffer int) (*party, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &party{conn: conn, r: bufio.NewReaderSize(conn, buffer), w: bufio.NewWriterSize(conn, buffer), name: name}
	if err := p.login(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s is not logged in: %w", name, err)
	}
	return p, nil
}

func (p *party) login() error {
	if err := p.conn.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return err
	}
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='" + domain + "' version='1.0'>"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + p.name + "\x00" + password))
	for _, step := range []struct{ say, until string }{
		{header, "</stream:features"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{header, "</stream:features"},
		{"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>", "</iq"},
		{"<presence/><iq type='get' id='sync' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>", "sync"},
	} {
		if _, err := p.conn.Write([]byte(step.say)); err != nil {
			return err
		}
		for {
			tag, err := p.tag()
			if err != nil {
				return err
			}
			if bytes.Contains(tag, []byte("<failure")) || bytes.Contains(tag, []byte("stream:error")) {
				return fmt.Errorf("%s", tag)
			}
			if bytes.Contains(tag, []byte(step.until)) {
				break
			}
		}
	}
	return p.conn.SetDeadline(time.Time{})
}

var errLong = errors.New("tag is too long")

// tag returns what comes up to the next ">", which is valid until the next call.
func (p *party) tag() ([]byte, error) {
	tag, err := p.r.ReadSlice('>')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = errLong
	}
	return tag, err
}

// listen takes what comes until the stream ends, and returns why it did.
func (p *party) listen() error {
	for {
		tag, err := p.tag()
		if err != nil {
			return err
		}
		switch {
		case bytes.HasPrefix(tag, []byte("<message")):
			p.takeMessage(tag)
		case bytes.HasPrefix(tag, []byte("<received")):
			p.takeReceipt(tag)
		case bytes.HasPrefix(tag, []byte("<iq")):
			p.takeIQ(tag)
		}
		if p.r.Buffered() == 0 {
			p.mutex.Lock()
			err = p.w.Flush()
			p.mutex.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// takeMessage answers a message of the peer's. What is no message for people has an id of
// another kind.
func (p *party) takeMessage(tag []byte) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if string(attribute(tag, "type")) == "error" {
		p.refused++
		return
	}
	number, ok := numbered(attribute(tag, "id"), 'm')
	if !ok {
		return
	}
	if number < p.next {
		p.twice++
	} else {
		p.missing += number - p.next
		p.next = number + 1
	}
	if p.timed != nil {
		p.waits = append(p.waits, p.timed.since(number))
	}
	if p.late > 0 && number%p.late == 0 {
		time.AfterFunc(lateness, func() { p.answerLate(number) })
		return
	}
	p.answer(number)
}

// answer writes a receipt.
func (p *party) answer(number int) {
	w := p.w
	w.WriteString("<message to='")
	w.WriteString(p.peer)
	w.WriteString("@" + domain + "/r' id='r")
	writeNumber(w, number)
	w.WriteString("' type='chat'><received xmlns='urn:xmpp:receipts' id='m")
	writeNumber(w, number)
	w.WriteString("'/></message>")
}

// lateness is how late a receipt is that is late.
const lateness = 500 * time.Millisecond

// answerLate writes a receipt at once. If the stream has ended that is told elsewhere.
func (p *party) answerLate(number int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.answer(number)
	_ = p.w.Flush()
}

// time has the messages of another timed when they come here, and not when their receipts do, of
// which one in so many is late.
func (p *party) time(other *party, late int) {
	other.mutex.Lock()
	other.untimed = true
	other.mutex.Unlock()
	p.mutex.Lock()
	p.timed, p.late = other, late
	p.mutex.Unlock()
}

// since returns how long ago a message was sent.
func (p *party) since(number int) time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return time.Since(epoch) - p.sentAt[number]
}

// takeReceipt takes note of a receipt.
func (p *party) takeReceipt(tag []byte) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	number, ok := numbered(attribute(tag, "id"), 'm')
	if !ok || number >= len(p.sentAt) || p.sentAt[number] == 0 {
		p.unasked++
		return
	}
	if !p.untimed {
		p.waits = append(p.waits, time.Since(epoch)-p.sentAt[number])
	}
	p.sentAt[number] = 0
	p.answered++
	if p.slots != nil {
		<-p.slots
	}
}

// takeIQ answers what a server asks its client, as a ping.
func (p *party) takeIQ(tag []byte) {
	if kind := string(attribute(tag, "type")); kind != "get" && kind != "set" {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	fmt.Fprintf(p.w, "<iq type='result' to='"+domain+"' id='%s'/>", attribute(tag, "id"))
}

// send sends a message, at once or when what is written before it is.
func (p *party) send(flush bool) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	number := len(p.sentAt)
	p.sentAt = append(p.sentAt, time.Since(epoch))
	w := p.w
	w.WriteString("<message to='")
	w.WriteString(p.peer)
	w.WriteString("@" + domain + "' id='m")
	writeNumber(w, number)
	w.WriteString("' type='chat'><body>Art thou not Romeo, and a Montague? ")
	writeNumber(w, number)
	_, err := w.WriteString("</body><request xmlns='urn:xmpp:receipts'/></message>")
	if err == nil && flush {
		err = w.Flush()
	}
	return err
}

// flush writes what is to be written.
func (p *party) flush() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.w.Flush()
}

func writeNumber(w *bufio.Writer, number int) {
	_, _ = w.Write(strconv.AppendInt(w.AvailableBuffer(), int64(number), 10)) // the next Write tells
}

// numbered returns the number in an id, behind a letter.
func numbered(id []byte, letter byte) (number int, ok bool) {
	if len(id) < 2 || id[0] != letter {
		return 0, false
	}
	for _, digit := range id[1:] {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		number = 10*number + int(digit-'0')
	}
	return number, true
}

// attribute returns an attribute's value, from a tag without references in it.
func attribute(tag []byte, name string) []byte {
	for rest := tag; ; {
		i := bytes.Index(rest, []byte(name))
		if i < 1 {
			return nil
		}
		before, after := rest[i-1], rest[i+len(name):]
		if (before == ' ' || before == '\n') && len(after) > 2 && after[0] == '=' {
			if end := bytes.IndexByte(after[2:], after[1]); end >= 0 {
				return after[2 : 2+end]
			}
		}
		rest = after
	}
}

// A tally is what came of messages.
type tally struct {
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	Lost     int `json:"lost"`    // not answered
	Missing  int `json:"missing"` // had not come when a later one came
	Twice    int `json:"twice"`
	Refused  int `json:"refused"`
	Unasked  int `json:"unaskedReceipts"`
}

// err returns what is wrong.
func (t tally) err() error {
	if t.Lost+t.Missing+t.Twice+t.Refused+t.Unasked > 0 || t.Sent == 0 {
		return fmt.Errorf("not every message came once, in order, and was answered once: %+v", t)
	}
	return nil
}

// tallied adds up what came of the messages of all parties.
func tallied(all []*party) (t tally) {
	for _, p := range all {
		p.mutex.Lock()
		t.Sent += len(p.sentAt)
		t.Answered += p.answered
		t.Missing += p.missing
		t.Twice += p.twice
		t.Refused += p.refused
		t.Unasked += p.unasked
		p.mutex.Unlock()
	}
	t.Lost = t.Sent - t.Answered
	return t
}

// takeWaits returns how long messages have waited for their receipts since the last call.
func takeWaits(all []*party) (waits []time.Duration) {
	for _, p := range all {
		p.mutex.Lock()
		waits = append(waits, p.waits...)
		p.waits = p.waits[:0]
		p.mutex.Unlock()
	}
	return waits
}
