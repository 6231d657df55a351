// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package relay is the examples' server: a small XMPP relay on loopback, and how
// it delivers through untilack.
package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/untilack/untilack/examples/internal/wire"
	"golang.org/x/net/websocket"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A Config says how a relay works.
type Config struct {
	Delivery Delivery
	Log      *slog.Logger

	// Received, if set, is shown what came in from a client, after the client's
	// door.
	Received func(stanza wire.Element)

	// Wrap, if set, is put around each connection of a client.
	Wrap func(net.Conn) net.Conn
}

// A Relay is a small XMPP server on loopback: it logs clients in and routes
// what they send to one another. It keeps no roster and no presence: an account
// is there when it has a session.
type Relay struct {
	config Config
	log    *slog.Logger

	listeners map[wire.Transport]net.Listener
	servers   []*http.Server // over WebSocket

	mutex    sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{}
	accounts map[string]*account // by bare address

	wait sync.WaitGroup
}

// A client is one session of an account.
type client struct {
	address   jid.JID
	conn      net.Conn
	transport wire.Transport
	door      Door
}

// Listen starts a relay that has an address for each of the transports.
func Listen(config Config, transports ...wire.Transport) (*Relay, error) {
	r := &Relay{
		config:    config,
		log:       config.Log,
		listeners: make(map[wire.Transport]net.Listener),
		conns:     make(map[net.Conn]struct{}),
		accounts:  make(map[string]*account),
	}
	for _, transport := range transports {
		if err := r.listen(transport); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// listen starts to attend to connections over one transport.
func (r *Relay) listen(transport wire.Transport) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.listeners[transport] = listener
	if transport != wire.WebSocket {
		r.wait.Go(func() { r.acceptAll(listener) })
		return nil
	}
	server := &http.Server{Handler: websocket.Server{
		Handshake: chooseProtocol,
		Handler:   func(conn *websocket.Conn) { r.attend(conn, wire.WebSocket) },
	}}
	r.servers = append(r.servers, server)
	r.wait.Go(func() { _ = server.Serve(listener) })
	return nil
}

// chooseProtocol answers the wire.WebSocket handshake with the one subprotocol we
// speak; browsers insist on it.
func chooseProtocol(config *websocket.Config, request *http.Request) (err error) {
	config.Protocol = []string{"xmpp"}
	config.Origin, err = websocket.Origin(config, request)
	if err == nil && config.Origin == nil {
		config.Origin = config.Location // RemoteAddr needs one
	}
	return err
}

// Addr returns where the relay listens.
func (r *Relay) Addr(transport wire.Transport) string { return r.listeners[transport].Addr().String() }

// acceptAll attends to each connection over TCP.
func (r *Relay) acceptAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go r.attend(conn, wire.TCP)
	}
}

// attend serves one connection until its stream ends.
func (r *Relay) attend(conn net.Conn, transport wire.Transport) {
	if r.config.Wrap != nil {
		conn = r.config.Wrap(conn)
	}
	defer wire.Sever(conn)
	if !r.track(conn) {
		return
	}
	defer r.forget(conn)
	session, address, err := wire.Accept(conn, transport)
	if err != nil {
		r.log.Info("login failed", "error", err)
		return
	}
	c := &client{address: address, conn: conn, transport: transport}
	a := r.account(address)
	if err := a.bind(c, session); err != nil {
		r.log.Info("bind failed", "address", address, "error", err)
		return
	}
	defer c.door.Close()
	defer a.unbind(c)
	err = r.serve(c, session)
	r.log.Info("stream ended", "address", address, "error", err)
}

// serve reads the client's stanzas. It is our own loop because mellium's Serve
// would answer forwarded requests itself, and holds locks while it routes.
func (r *Relay) serve(c *client, session *xmpp.Session) error {
	reader := session.TokenReader()
	defer reader.Close()
	for {
		stanza, err := wire.ReadElement(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		stanza.Set("from", c.address.String())
		forward, err := c.door.Receive(stanza)
		if err != nil {
			return err
		}
		if r.config.Received != nil {
			r.config.Received(stanza)
		}
		if forward {
			r.route(c, stanza)
		}
	}
}

// account returns the account an address belongs to. Everybody has one.
func (r *Relay) account(address jid.JID) *account {
	name := address.Bare().String()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a := r.accounts[name]
	if a == nil {
		a = &account{name: name, delivery: r.config.Delivery}
		r.accounts[name] = a
	}
	return a
}

// track remembers conn until forget is called; false says that the relay has
// closed.
func (r *Relay) track(conn net.Conn) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.closed {
		return false
	}
	r.conns[conn] = struct{}{}
	r.wait.Add(1)
	return true
}

func (r *Relay) forget(conn net.Conn) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.conns, conn)
	r.wait.Done()
}

// Close ends all sessions and waits for them.
func (r *Relay) Close() {
	r.mutex.Lock()
	r.closed = true
	for conn := range r.conns {
		wire.Sever(conn)
	}
	r.mutex.Unlock()
	for _, listener := range r.listeners {
		_ = listener.Close()
	}
	for _, server := range r.servers {
		_ = server.Shutdown(context.Background())
	}
	r.wait.Wait()
}
