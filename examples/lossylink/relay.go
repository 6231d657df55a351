// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/websocket"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A relay is a small XMPP server on loopback: it logs clients in and routes
// what they send to one another. It keeps no roster and no presence: an account
// is there when it has a session.
type relay struct {
	delivery delivery
	log      *slog.Logger

	// received, if set, is shown what came in from a client.
	received func(stanza element)

	listener net.Listener
	server   *http.Server // over WebSocket

	mutex    sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{}
	accounts map[string]*account // by bare address

	wait sync.WaitGroup
}

// A client is one session of an account.
type client struct {
	address jid.JID
	conn    net.Conn
	door    door
}

// listen starts a relay.
func listen(transport Transport, delivery delivery, log *slog.Logger, received func(element)) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{
		delivery: delivery,
		log:      log,
		received: received,
		listener: listener,
		conns:    make(map[net.Conn]struct{}),
		accounts: make(map[string]*account),
	}
	if transport == WebSocket {
		r.server = &http.Server{Handler: websocket.Server{
			Handshake: chooseProtocol,
			Handler:   func(conn *websocket.Conn) { r.attend(conn, WebSocket) },
		}}
		r.wait.Go(func() { _ = r.server.Serve(listener) })
		return r, nil
	}
	r.wait.Go(r.acceptAll)
	return r, nil
}

// chooseProtocol answers the WebSocket handshake with the one subprotocol we
// speak; browsers insist on it.
func chooseProtocol(config *websocket.Config, request *http.Request) (err error) {
	config.Protocol = []string{"xmpp"}
	config.Origin, err = websocket.Origin(config, request)
	if err == nil && config.Origin == nil {
		config.Origin = config.Location // RemoteAddr needs one
	}
	return err
}

// addr returns where the relay listens.
func (r *relay) addr() string { return r.listener.Addr().String() }

// acceptAll attends to each connection over TCP.
func (r *relay) acceptAll() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.attend(conn, TCP)
	}
}

// attend serves one connection until its stream ends.
func (r *relay) attend(conn net.Conn, transport Transport) {
	defer sever(conn)
	if !r.track(conn) {
		return
	}
	defer r.forget(conn)
	session, address, err := accept(conn, transport)
	if err != nil {
		r.log.Info("login failed", "error", err)
		return
	}
	c := &client{address: address, conn: conn}
	a := r.account(address)
	if err := a.bind(c, session); err != nil {
		r.log.Info("bind failed", "address", address, "error", err)
		return
	}
	defer c.door.close()
	defer a.unbind(c)
	err = r.serve(c, session)
	r.log.Info("stream ended", "address", address, "error", err)
}

// serve reads the client's stanzas. It is our own loop because mellium's Serve
// would answer forwarded requests itself, and holds locks while it routes.
func (r *relay) serve(c *client, session *xmpp.Session) error {
	reader := session.TokenReader()
	defer reader.Close()
	for {
		stanza, err := readElement(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		stanza.set("from", c.address.String())
		if r.received != nil {
			r.received(stanza)
		}
		forward, err := c.door.receive(stanza)
		if err != nil {
			return err
		}
		if forward {
			r.route(c, stanza)
		}
	}
}

// account returns the account an address belongs to. Everybody has one.
func (r *relay) account(address jid.JID) *account {
	name := address.Bare().String()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a := r.accounts[name]
	if a == nil {
		a = &account{name: name, delivery: r.delivery}
		r.accounts[name] = a
	}
	return a
}

// track remembers conn until forget is called; false says that the relay has
// closed.
func (r *relay) track(conn net.Conn) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.closed {
		return false
	}
	r.conns[conn] = struct{}{}
	r.wait.Add(1)
	return true
}

func (r *relay) forget(conn net.Conn) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.conns, conn)
	r.wait.Done()
}

// close ends all sessions and waits for them.
func (r *relay) close() {
	r.mutex.Lock()
	r.closed = true
	for conn := range r.conns {
		sever(conn)
	}
	r.mutex.Unlock()
	_ = r.listener.Close()
	if r.server != nil {
		_ = r.server.Shutdown(context.Background())
	}
	r.wait.Wait()
}
