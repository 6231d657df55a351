// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/examples/server/hosts"
	"github.com/untilack/untilack/examples/server/waiting"
)

// get asks the web of a server.
func (s *Server) get(t *testing.T, method, path string, header http.Header) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr.HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Host = header.Get("Host")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestWaiting checks that an operator sees what waits, and what he can do about it.
func TestWaiting(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.AckWait, config.ProbeWait = time.Minute, time.Second
	s := start(t, config)
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	for _, id := range []string{"m1", "m2"} {
		romeo.stanza("<message to='juliet@localhost' id='%s' type='chat'><body>%s, a secret</body></message>", id, id)
	}
	romeo.sync()
	_, list := s.get(t, "GET", "/debug/waiting?recipient=juliet@localhost", nil)
	var got struct {
		Recipients []struct {
			Recipient string
			Stored    struct{ Messages int }
			Waiting   []struct {
				ID, State string
				Row       int
			}
		}
	}
	if err := json.Unmarshal([]byte(list), &got); err != nil || len(got.Recipients) != 1 || got.Recipients[0].Stored.Messages != 2 {
		t.Errorf("got %s, %v", list, err)
	}
	asleep := got.Recipients[0].Waiting
	if len(asleep) != 2 || asleep[0].ID != "m1" || asleep[0].State != "asleep" {
		t.Fatalf("got %v, want two that are asleep", asleep)
	}
	_, list = s.get(t, "GET", fmt.Sprint("/debug/waiting?recipient=juliet@localhost&row=", asleep[0].Row), nil)
	contains(t, list, `"id":"m2"`)
	if strings.Contains(list, `"id":"m1"`) {
		t.Errorf("m1 is listed behind its own row: %s", list)
	}
	message := "?recipient=juliet@localhost&sender=" + url.QueryEscape("romeo@localhost/orchard") + "&id="
	_, peeked := s.get(t, "GET", "/debug/waiting/peek"+message+"m1", nil)
	contains(t, peeked, "m1, a secret")
	r, w := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/debug/waiting/peek"+message+"m1", nil), httptest.NewRecorder()
	r.RemoteAddr = "127.0.0.1:1"
	s.web[0].Handler.ServeHTTP(w, r)
	if policy := w.Header().Get("Content-Security-Policy"); policy != "default-src 'none'; sandbox" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %v, want that a browser does nothing with it", w.Header())
	}
	_, dropped := s.get(t, "POST", "/debug/waiting/drop"+message+"m1", nil)
	contains(t, dropped, `{"messages dropped":1}`)

	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	juliet.element("message", "id='m2'")
	juliet.acknowledge("romeo@localhost/orchard", "m2")
	s.empties(t)
	juliet.not("id='m1'")
	juliet.mute = true
	romeo.stanza("<message to='juliet@localhost' id='m3' type='chat'><body>m3</body></message>")
	juliet.element("message", "id='m3'")
	_, list = s.get(t, "GET", "/debug/waiting", nil)
	contains(t, list, `"recipient":"juliet@localhost"`, `"online":["balcony"]`, `"id":"m3"`, `"state":"on stream"`, `"deadline":"20`)
	_, probed := s.get(t, "POST", "/debug/waiting/redeliver?recipient=juliet@localhost", nil)
	contains(t, probed, `{"streams probed":1}`)
	juliet.await("<ping xmlns='urn:xmpp:ping'/>")
	contains(t, juliet.ends(), "</stream:stream>") // she is mute
	juliet = dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	juliet.element("message", "id='m3'")
	_, dropped = s.get(t, "POST", "/debug/waiting/drop"+message+"m3", nil)
	contains(t, dropped, `{"messages dropped":1}`)
	s.empties(t)
	if got := s.keeper.Count(untilack.Dropped); got != 2 {
		t.Errorf("%d messages were dropped, want 2", got)
	}
	if got := s.keeper.Count(untilack.Settled); got != 1 {
		t.Errorf("%d messages were settled, want m2 alone", got)
	}
}

// A counting store counts how often it is asked.
type counting struct {
	waiting.Store
	volatile bool
	asked    int
}

// Volatile says whether it is in memory: see actions.Store.
func (c *counting) Volatile() bool { return c.volatile }

// Used implements waiting.Store.
func (c *counting) Used(ctx context.Context, recipient string) (actions.Usage, error) {
	c.asked++
	return c.Store.Used(ctx, recipient)
}

// TestWaitingForMany checks that what waits for many is one question to a database, and that
// memory is asked for each who is online.
func TestWaitingForMany(t *testing.T) {
	for name, memory := range map[string]bool{"database": false, "memory": true} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t)
			config.Memory, config.AckWait = memory, time.Minute
			s := start(t, config)
			romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
			for _, to := range []string{"juliet", "nurse"} {
				romeo.stanza("<message to='%s@localhost' id='m1' type='chat'><body>x</body></message>", to)
			}
			romeo.sync()
			store := &counting{Store: s.mail, volatile: memory}
			desk := &waiting.Desk{Keeper: s.keeper, Store: store, Router: s.router}
			w := httptest.NewRecorder()
			desk.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/debug/waiting", nil))
			contains(t, w.Body.String(), `{"recipient":"romeo@localhost","online":["orchard"],"stored":{"messages":0,"bytes":0}`)
			if !memory {
				contains(t, w.Body.String(), `{"recipient":"juliet@localhost","online":[],"stored":{"messages":1,`, `{"recipient":"nurse@localhost"`)
			}
			if want := map[bool]int{true: 1, false: 0}[memory]; store.asked != want {
				t.Errorf("the store was asked %d times, want %d", store.asked, want)
			}
		})
	}
}

// TestLocal checks that nobody but who is on loopback, and means it, gets at what waits.
func TestLocal(t *testing.T) {
	s := start(t, testConfig(t))
	for name, test := range map[string]struct {
		method, path string
		header       http.Header
		want         int
	}{
		"list":            {"GET", "/debug/waiting", nil, http.StatusOK},
		"other name":      {"GET", "/debug/waiting", http.Header{"Host": {"capulet.example"}}, http.StatusForbidden},
		"other page":      {"POST", "/debug/waiting/redeliver", http.Header{"Origin": {"http://capulet.example"}}, http.StatusForbidden},
		"forwarded":       {"GET", "/debug/waiting", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, http.StatusForbidden},
		"by a proxy":      {"GET", "/config", http.Header{"Forwarded": {"for=192.0.2.1"}}, http.StatusForbidden},
		"settings":        {"GET", "/config", nil, http.StatusOK},
		"other's":         {"GET", "/config", http.Header{"Host": {"capulet.example"}}, http.StatusForbidden},
		"metrics":         {"GET", "/metrics", nil, http.StatusOK},
		"no such message": {"GET", "/debug/waiting/peek", nil, http.StatusNotFound},
		"no row":          {"GET", "/debug/waiting?recipient=juliet@localhost&row=x", nil, http.StatusBadRequest},
		"get":             {"GET", "/debug/waiting/drop", nil, http.StatusMethodNotAllowed},
		"page":            {"GET", "/", nil, http.StatusOK},
		"no such file":    {"GET", "/none", nil, http.StatusNotFound},
	} {
		if status, body := s.get(t, test.method, test.path, test.header); status != test.want {
			t.Errorf("%s: got %d %s, want %d", name, status, body, test.want)
		}
	}
}

// TestRemote checks that who is not on loopback does not get at what waits, by whatever name.
func TestRemote(t *testing.T) {
	s := start(t, testConfig(t))
	for remote, want := range map[string]int{
		"127.0.0.1:1": http.StatusOK, "[::1]:1": http.StatusOK, "[::ffff:127.0.0.1]:1": http.StatusOK,
		"192.0.2.1:1": http.StatusForbidden, "[2001:db8::1]:1": http.StatusForbidden, "": http.StatusForbidden,
	} {
		for _, path := range []string{"/debug/waiting", "/config", "/debug/pprof/"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil)
			r.RemoteAddr = remote
			w := httptest.NewRecorder()
			s.web[0].Handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s from %q: got %d, want %d", path, remote, w.Code, want)
			}
		}
	}
}

// TestEvents checks that a page learns what happens, and what has happened while it was gone.
func TestEvents(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	romeo.stanza("<message to='juliet@localhost' id='m1' type='chat'>%s</message>", ask)
	romeo.sync()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.Addr.HTTP+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", "1") // after romeo's login
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	juliet.element("message", "id='m1'")
	juliet.acknowledge("romeo@localhost/orchard", "m1")
	want := map[string]bool{"kept": true, "opened": true, "redelivered": true, "settled": true}
	var got string
	for lines := bufio.NewScanner(answer.Body); len(want) > 0 && lines.Scan(); {
		got += lines.Text() + "\n"
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var event struct{ Reason, Recipient, Sender, ID, Resource string }
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			t.Fatal(err)
		}
		if event.Recipient == "juliet@localhost" {
			delete(want, event.Reason)
		}
	}
	if len(want) > 0 {
		t.Errorf("no events %v in\n%s", want, got)
	}
}

// TestMetrics checks that the numbers are there.
func TestMetrics(t *testing.T) {
	s := start(t, testConfig(t))
	dial(t, s.Addr.TCP).login("romeo", "orchard").present() // when it counts
	_, text := s.get(t, "GET", "/metrics", nil)
	contains(t, text, "xmpp_sessions 1\n", `untilack_events_total{reason="settled"} 0`, `untilack_events_total{reason="opened"} 1`, "go_goroutines ")
}

// TestTooManyPages checks that connections over HTTP are closed that are too many, and that there
// is room when others have gone.
func TestTooManyPages(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = limited(&hosts.Counter{Max: 1, MaxEach: 1})
	server.Start()
	defer server.Close()
	first := dial(t, server.Listener.Addr().String())
	ask := func(c *raw) {
		c.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.await("404")
	}
	ask(first)
	if got := dial(t, server.Listener.Addr().String()).ends(); got != "" {
		t.Errorf("got %s, want the end", got)
	}
	first.say("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	first.ends()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // it counts until it is closed
		c := dial(t, server.Listener.Addr().String())
		fmt.Fprint(c.conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if answer, _ := io.ReadAll(c.conn); strings.Contains(string(answer), "404") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody is let in any more")
		}
	}
}
