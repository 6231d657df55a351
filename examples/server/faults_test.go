// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/link"
)

var (
	messages = flag.Int("messages", 100, "how many messages TestFaults sends in each of its cases")
	outage   = flag.Duration("outage", 300*time.Millisecond, "for how long the link fails in TestFaults")
	every    = flag.Bool("every", false, "TestFaults: every fault with every transport, resource and address")
)

// flap is a link that is reset again and again.
const flap link.Fault = "flap"

// A phone acknowledges what it is asked to, and counts what it reads.
type phone struct {
	mutex  sync.Mutex
	copies map[string]int // by id
	change chan struct{}  // closed when a message comes
}

// reads is what the phone does with a session until that ends.
func (p *phone) reads(c *raw) {
	question := regexp.MustCompile(`<(message|iq) [^>]*>`)
	id := regexp.MustCompile(`\sid=['"]([^'"]*)`)
	rest, part := c.got, make([]byte, 4096)
	_ = c.conn.SetReadDeadline(time.Time{})
	for {
		for {
			at := question.FindStringIndex(rest)
			if at == nil {
				break
			}
			tag := rest[at[0]:at[1]]
			rest = rest[at[1]:]
			p.answer(c, tag, id.FindStringSubmatch(tag)[1])
		}
		if last := strings.LastIndex(rest, "<"); last > 0 {
			rest = rest[last:]
		}
		n, err := c.conn.Read(part)
		rest += string(part[:n])
		if err != nil && n == 0 {
			return
		}
	}
}

// answer answers a message or a ping. If that fails the session is about to end.
func (p *phone) answer(c *raw, tag, id string) {
	namespace := ""
	if c.webSocket {
		namespace = " xmlns='jabber:client'"
	}
	if strings.HasPrefix(tag, "<iq") {
		fmt.Fprintf(c.conn, "<iq%s type='result' to='localhost' id='%s'/>", namespace, id)
		return
	}
	p.mutex.Lock()
	p.copies[id]++
	close(p.change)
	p.change = make(chan struct{})
	p.mutex.Unlock()
	fmt.Fprintf(c.conn, "<message%s to='romeo@localhost/orchard' type='chat' id='r%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", namespace, id, id)
}

// count returns how many messages were read, and how many copies of them.
func (p *phone) count() (read, copies int, change <-chan struct{}) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, n := range p.copies {
		copies += n
	}
	return len(p.copies), copies, p.change
}

// await returns when so many messages were read.
func (p *phone) await(t *testing.T, count int, limit time.Duration) {
	t.Helper()
	timeout := time.After(limit)
	for {
		read, _, change := p.count()
		if read >= count {
			return
		}
		select {
		case <-change:
		case <-timeout:
			t.Fatalf("%d of %d messages were read", read, count)
		}
	}
}

// A faultCase is one case of TestFaults.
type faultCase struct {
	fault               link.Fault
	transport           string
	sameResource, toAll bool // toAll: to the bare address
}

func (f faultCase) String() string {
	return fmt.Sprintf("%s %s same=%v bare=%v", f.fault, f.transport, f.sameResource, f.toAll)
}

// faultCases returns each fault once, with a bit of everything, or all there are.
func faultCases() (cases []faultCase) {
	for i, fault := range []link.Fault{link.Swallow, link.Stall, link.Reset, link.Finish, flap} {
		for j, transport := range []string{"tcp", "starttls", "websocket"} {
			for k := range 4 {
				if *every || k == (i+j)%4 {
					cases = append(cases, faultCase{fault, transport, k&1 == 0, k&2 == 0})
				}
			}
		}
	}
	return cases
}

// TestFaults has the recipient's link fail while messages come. All of them are read in the
// end, soon after the recipient has come back; none is bounced, and none comes twice that
// was acknowledged before.
func TestFaults(t *testing.T) {
	for _, f := range faultCases() {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			config.ProbeWait = time.Second
			config.Memory = true // what is on the disk is TestKill's
			s := start(t, config)
			at := s.Addr
			lines := through(t, &at.TCP, &at.HTTP)
			connect := func(resource string) *raw { return transports[f.transport](t, at).login("juliet", resource).present() }
			juliet := &phone{copies: make(map[string]int), change: make(chan struct{})}
			first := connect("phone")
			go juliet.reads(first)

			to := "juliet@localhost/phone"
			if f.toAll {
				to = "juliet@localhost"
			}
			romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
			receipts := &ear{}
			go io.Copy(receipts, romeo.conn)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				pace(romeo, to)
			}()

			juliet.await(t, *messages/2, patience)
			readBefore, acknowledgedBefore := strike(t, f.fault, lines, juliet, receipts, func() { go juliet.reads(connect("phone")) })
			resource := "phone"
			if !f.sameResource {
				resource = "other"
			}
			go juliet.reads(connect(resource))
			<-sent
			juliet.await(t, *messages, s.config.AckWait+s.config.ProbeWait+2*time.Second)
			s.settles(t)
			_, copies, _ := juliet.count()
			twice, may := copies-*messages, readBefore-acknowledgedBefore
			t.Logf("%d copies more, %d unanswered at the fault", twice, may)
			if twice > may && f.fault != flap { // each time some, of which nobody knows
				t.Errorf("%d copies more, want at most the %d that were unanswered", twice, may)
			}
			if receipts.count("type='error'") > 0 {
				t.Error("romeo was told of a failure")
			}
		})
	}
}

// through puts a link before each of the addresses.
func through(t *testing.T, addresses ...*string) (lines []*link.Link) {
	t.Helper()
	for _, address := range addresses {
		l, err := link.New(*address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		*address = l.Addr()
		lines = append(lines, l)
	}
	return lines
}

// strike has links fail, and restores them after a while. It returns how many messages the
// phone had read, and how many of these romeo knew to be.
func strike(t *testing.T, fault link.Fault, lines []*link.Link, p *phone, romeo *ear, again func()) (read, acknowledged int) {
	t.Helper()
	if fault == flap {
		for range 4 {
			for _, l := range lines {
				l.Cut()
			}
			again()
			time.Sleep(*outage / 10)
		}
		fault = link.Reset
	}
	for _, l := range lines {
		l.Fail(fault)
	}
	time.Sleep(*outage)
	read, _, _ = p.count()
	acknowledged = romeo.count("<received ")
	for _, l := range lines {
		l.Restore()
	}
	return read, acknowledged
}

// pace sends all messages, 1 ms apart.
func pace(c *raw, to string) {
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for i := range *messages {
		<-ticks.C
		fmt.Fprintf(c.conn, "<message to='%s' id='m%d' type='chat'>%s</message>", to, i, ask)
	}
}

// settles waits until nothing waits in memory.
func (s *Server) settles(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); s.keeper.Stats().Waiting > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d messages wait still", s.keeper.Stats().Waiting)
		}
	}
}

// An ear takes in what comes, and knows what was in it.
type ear struct {
	mutex sync.Mutex
	heard strings.Builder
}

// Write implements io.Writer.
func (e *ear) Write(p []byte) (int, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.heard.Write(p)
}

func (e *ear) count(text string) int {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return strings.Count(e.heard.String(), text)
}
