// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package web is all that the server shows over HTTP:
//
//	/xmpp-websocket   clients log in here (package ws), from wherever their page comes
//	/events           what the Keeper does, as it does it, as server-sent events
//	/config           what a page needs to log in by itself, on loopback alone
//	/debug/waiting    what waits for whom; an operator redelivers or drops it; loopback alone
//	/metrics          the same in numbers, for Prometheus
//	/debug/pprof/     what the program is busy with, for developers; loopback alone
//	/                 two phones, and what the server does for them: Page, or another page
//
// # For a page
//
// A page is an http.Handler, with its files embedded, that is given to Config.Page. It gets
// every path that is not listed above. Its script connects to /xmpp-websocket on its own
// host, and listens to /events:
//
//	const events = new EventSource('/events')
//	events.onmessage = e => show(JSON.parse(e.data))
//
// Each event is one JSON object:
//
//	{"seq": 17, "time": "2026-01-02T15:04:05.123456Z", "reason": "admitted",
//	 "recipient": "juliet@localhost", "resource": "phone",
//	 "sender": "romeo@localhost/phone", "id": "m1", "error": "…"}
//
// reason is a word of untilack.Reason: "admitted" (kept, and its deadline runs), "kept"
// (nobody is online: it is in the store), "redelivered", "settled" (its receipt came),
// "finished", "acted", "expired", "probed", "answered", "dead", "opened", "closed" and so on.
// Fields without a value are left out, and long ones are cut. seq counts events and is the event's id, so that an
// EventSource that connects anew goes on where it was, if that is not too long ago. One who reads too slowly
// misses some, and gets the event "missed" with a number:
//
//	events.addEventListener('missed', e => reload())
//
// What waits at a moment, with its state, comes from GET /debug/waiting: see package waiting
// of this server. How long a deadline is says GET /config:
//
//	{"domain": "localhost", "ackWaitMs": 30000, "probeWaitMs": 5000,
//	 "accounts": [{"address": "juliet@localhost", "password": "…"}]}
//
// Only who asks from loopback gets an answer, and not through a proxy; accounts is empty unless they are those that
// were made at the first start.
package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// A Config says what is served. What is nil is not there.
type Config struct {
	WebSocketPath string // where WebSocket is
	WebSocket     http.Handler
	Events        http.Handler
	Waiting       http.Handler
	Metrics       http.Handler
	Page          http.Handler
	Settings      Settings
}

// Settings are what a page needs to know.
type Settings struct {
	Domain    string
	AckWait   time.Duration
	ProbeWait time.Duration
	Passwords map[string]string // by account
}

// New returns the handler of everything.
func New(c Config) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.Handler) {
		if h != nil {
			mux.Handle(pattern, h)
		}
	}
	handle("GET "+c.WebSocketPath, c.WebSocket)
	handle("GET /events", local(c.Events))
	handle("GET /config", local(c.Settings))
	handle("/debug/waiting", local(c.Waiting))
	handle("/debug/waiting/", local(c.Waiting))
	handle("GET /metrics", c.Metrics)
	handle("GET /debug/pprof/", local(http.HandlerFunc(pprof.Index)))
	handle("GET /debug/pprof/profile", local(http.HandlerFunc(pprof.Profile)))
	handle("/", c.Page)
	return mux
}

// local lets in who is on loopback, and asks for it by a name of loopback: pages of others
// that a browser here shows do not, whatever their names resolve to.
func local(h http.Handler) http.Handler {
	if h == nil {
		return nil
	}
	protected := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r) {
			http.Error(w, "only on loopback", http.StatusForbidden)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

// isLocal reports whether a request is from loopback. One that a proxy hands on is not: it would
// let in everybody.
func isLocal(r *http.Request) bool {
	if r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" {
		return false
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// ServeHTTP tells the settings.
func (s Settings) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	type account struct {
		Address  string `json:"address"`
		Password string `json:"password"`
	}
	accounts := []account{}
	for name, password := range s.Passwords {
		accounts = append(accounts, account{name + "@" + s.Domain, password})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // or it has gone
		"domain": s.Domain, "ackWaitMs": s.AckWait.Milliseconds(), "probeWaitMs": s.ProbeWait.Milliseconds(), "accounts": accounts,
	})
}
