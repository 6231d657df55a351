// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/link"
)

var (
	messages = flag.Int("messages", 100, "how many messages TestFaults sends in each of its cases")
	outage   = flag.Duration("outage", 300*time.Millisecond, "for how long the link fails in TestFaults")
	every    = flag.Bool("every", false, "TestFaults: every fault with every transport, address, and place of the recipient afterwards")
)

// flap is a link that is reset again and again.
const flap link.Fault = "flap"

// A phone acknowledges what it is asked to, and counts what it reads.
type phone struct {
	mutex  sync.Mutex
	copies map[string]int // by id
	change chan struct{}  // closed when a message comes
}

// reads is what the phone does with a session until that ends. It notes what it has read in it.
func (p *phone) reads(c *raw, session map[string]bool) {
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
			p.answer(c, session, tag, id.FindStringSubmatch(tag)[1])
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
func (p *phone) answer(c *raw, session map[string]bool, tag, id string) {
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
	session[id] = true
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

// await returns when so many messages were read. It ends the test if none comes for so long.
func (p *phone) await(t *testing.T, count int, limit time.Duration) {
	t.Helper()
	for {
		timeout := time.After(limit)
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
	fault     link.Fault
	transport string
	next      string // where the recipient is afterwards
	bare      bool   // messages are to the bare address
}

// Where the recipient is after the fault.
const (
	same   = "same"   // with the same resource
	other  = "other"  // with another one
	tablet = "tablet" // nowhere new, but another client has been there all the time
	nobody = "nobody" // nowhere, and for a long time
)

func (f faultCase) String() string {
	return fmt.Sprintf("%s/%s/%s/bare=%v", f.fault, f.transport, f.next, f.bare)
}

// returns reports whether a new session comes.
func (f faultCase) returns() bool { return f.next == same || f.next == other }

// faultCases returns each fault with three of the transports, with a bit of everything, or
// all there are.
func faultCases() (cases []faultCase) {
	for i, fault := range []link.Fault{link.Swallow, link.Stall, link.Reset, link.Finish, flap} {
		for j, transport := range []string{"tcp", "websocket", "starttls", "websocket tls", "tls"} {
			for k, next := range []string{same, other, tablet, nobody} {
				for _, bare := range []bool{false, true} {
					few := (i+j)%5 < 3 && k == (i+2*j)%4 && bare == (j%2 == 0)
					if (*every || few) && (fault != flap || next == same || next == other) {
						cases = append(cases, faultCase{fault, transport, next, bare})
					}
				}
			}
		}
	}
	return cases
}

// A drill is one case while it is tried.
type drill struct {
	faultCase
	*testing.T
	server     *Server
	at         Addresses // of the links
	lines      []*link.Link
	juliet     *phone
	receipts   *ear            // romeo's
	session    map[string]bool // what the phone has read in its session
	over       chan struct{}   // when that has ended
	unanswered int             // copies of which the server could not know that they were read
}

// limit is how long it may take until all is delivered, from the new session on, or from the fault
// if there is none. With -every it is judged; else, with much patience, for a machine may be busy.
func (d *drill) limit() time.Duration {
	limit := d.server.config.ProbeWait + 2*time.Second // the new session has the old one probed
	if !d.returns() {
		limit += d.server.config.AckWait
	}
	return limit
}

// TestFaults has the recipient's link fail while messages come. All of them are read in the
// end, soon after the recipient has come back, or by another client; none is bounced, and none
// comes twice that was acknowledged before.
func TestFaults(t *testing.T) {
	t.Parallel()
	results := make(map[string]result)
	var mutex sync.Mutex
	t.Run("all", func(t *testing.T) {
		for _, f := range faultCases() {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				r := newDrill(t, f).run()
				mutex.Lock()
				defer mutex.Unlock()
				key := fmt.Sprintf("%-8s %-7s", f.fault, f.next)
				results[key] = results[key].and(r)
			})
		}
	})
	t.Log("fault    then    cases  slowest of limit  copies more  unanswered")
	for _, key := range slices.Sorted(maps.Keys(results)) {
		r := results[key]
		t.Logf("%s %5d %7s of %-6s %11d %11d", key, r.cases, r.slowest.Round(10*time.Millisecond), r.limit, r.twice, r.unanswered)
	}
}

// A result is what came of some cases.
type result struct {
	cases, twice, unanswered int
	slowest, limit           time.Duration
}

func (r result) and(o result) result {
	return result{r.cases + o.cases, r.twice + o.twice, r.unanswered + o.unanswered, max(r.slowest, o.slowest), o.limit}
}

func newDrill(t *testing.T, f faultCase) *drill {
	config := testConfig(t)
	config.ProbeWait = time.Second
	if f.returns() {
		config.AckWait = time.Minute // it is the new session that has the old one probed
	}
	config.Memory = true // what is on the disk is TestKill's
	s := start(t, config)
	d := &drill{faultCase: f, T: t, server: s, at: s.Addr, receipts: &ear{}}
	d.lines = through(t, &d.at.TCP, &d.at.TLS, &d.at.HTTP, &d.at.HTTPS)
	d.juliet = &phone{copies: make(map[string]int), change: make(chan struct{})}
	return d
}

// enter has the recipient log in, and read.
func (d *drill) enter(at Addresses, resource string, priority int) {
	d.Helper()
	c := transports[d.transport](d, at).login("juliet", resource)
	c.stanza("<presence><priority>%d</priority></presence>", priority)
	c.sync()
	session, over := make(map[string]bool), make(chan struct{})
	if resource != tablet {
		d.session, d.over = session, over
	}
	go func() {
		defer close(over)
		d.juliet.reads(c, session)
	}()
}

// run tries the case.
func (d *drill) run() result {
	if d.next == tablet {
		d.enter(d.server.Addr, tablet, 0)
	}
	d.enter(d.at, "phone", 1)
	to := "juliet@localhost/phone"
	if d.bare {
		to = "juliet@localhost"
	}
	romeo := transports["tcp"](d, d.server.Addr).login("romeo", "orchard").present()
	go io.Copy(d.receipts, romeo.conn)
	sent := make(chan time.Time, 1)
	go func() {
		pace(romeo, to)
		sent <- time.Now()
	}()

	d.juliet.await(d.T, *messages/2, patience)
	began := d.strike()
	switch d.next {
	case same:
		d.enter(d.at, "phone", 1)
		began = time.Now()
	case other:
		d.enter(d.at, "other", 1)
		began = time.Now()
	}
	if last := <-sent; last.After(began) {
		began = last
	}
	limit := d.limit()
	if !*every {
		limit += patience
	}
	if d.next == nobody {
		d.sleep(limit)
	} else {
		d.juliet.await(d.T, *messages, limit)
	}
	took := max(0, time.Since(began))
	if !d.returns() {
		d.unanswered += d.doubtful()
		d.restore()
	}
	if d.next == nobody { // and one day she comes
		d.enter(d.at, "other", 1)
		d.juliet.await(d.T, *messages, patience)
	}
	d.server.settles(d.T)
	_, copies, _ := d.juliet.count()
	twice := copies - *messages
	d.Logf("%v of %v; %d copies more, %d were unanswered", took.Round(time.Millisecond), d.limit(), twice, d.unanswered)
	if twice > d.unanswered {
		d.Errorf("%d copies more, want at most the %d that were unanswered", twice, d.unanswered)
	}
	if d.receipts.count("type='error'") > 0 {
		d.Error("romeo was told of a failure")
	}
	return result{1, twice, d.unanswered, took, d.limit()}
}

// strike has the link fail, and restores it after a while if the recipient is to return. It
// returns when it failed.
func (d *drill) strike() (failed time.Time) {
	fault := d.fault
	if fault == flap {
		for range 4 {
			for _, l := range d.lines {
				l.Cut()
			}
			<-d.over
			time.Sleep(*outage / 10)
			d.unanswered += d.doubtful()
			d.enter(d.at, "phone", 1)
		}
		fault = link.Reset
	}
	failed = time.Now()
	for _, l := range d.lines {
		l.Fail(fault)
	}
	if d.returns() {
		time.Sleep(*outage)
		d.unanswered += d.doubtful()
		d.restore()
	}
	return failed
}

func (d *drill) restore() {
	for _, l := range d.lines {
		l.Restore()
	}
}

// doubtful returns how many messages the phone has read in its session whose receipts have
// not come to romeo.
func (d *drill) doubtful() (count int) {
	acknowledged := d.receipts.acknowledged()
	d.juliet.mutex.Lock()
	defer d.juliet.mutex.Unlock()
	for id := range d.session {
		if !acknowledged["phone "+id] {
			count++
		}
	}
	return count
}

// sleep returns when all that was not read is in the store.
func (d *drill) sleep(limit time.Duration) {
	d.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		usage, err := d.server.mail.Used(d.Context(), "juliet@localhost")
		if err != nil {
			d.Fatal(err)
		}
		asleep := int(usage.Messages)
		if asleep+len(d.receipts.acknowledged()) >= *messages && d.server.keeper.Stats().Waiting == 0 {
			return
		}
		if time.Now().After(end) {
			d.Fatalf("%d messages are in the store, %d wait in memory", asleep, d.server.keeper.Stats().Waiting)
		}
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

var receiptOf = regexp.MustCompile(`<message[^>]*/(phone|tablet|other)['"][^>]*><received [^>]*id=['"]([^'"]*)`)

// acknowledged returns the messages for which receipts have come: "phone m1".
func (e *ear) acknowledged() map[string]bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	all := make(map[string]bool)
	for _, found := range receiptOf.FindAllStringSubmatch(e.heard.String(), -1) {
		all[found[1]+" "+found[2]] = true
	}
	return all
}
