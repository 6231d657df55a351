// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/untilack/untilack/examples/server/c2s"
	"github.com/untilack/untilack/examples/server/hosts"
	"github.com/untilack/untilack/examples/server/ws"
)

// listen begins to listen wherever the server is to.
func (s *Server) listen(tlsConfig *tls.Config) error {
	handler := s.handler()
	for _, at := range []struct {
		wanted string
		is     *string
		serve  func(net.Listener)
	}{
		{s.config.Listen.TCP, &s.Addr.TCP, func(l net.Listener) { s.clients.Serve(l, c2s.Transport{}) }},
		{s.config.Listen.TLS, &s.Addr.TLS, func(l net.Listener) { s.clients.Serve(l, c2s.Transport{TLS: true}) }},
		{s.config.Listen.HTTP, &s.Addr.HTTP, s.webServer(handler, nil)},
		{s.config.Listen.HTTPS, &s.Addr.HTTPS, s.webServer(handler, tlsConfig)},
	} {
		if at.wanted == "" {
			continue
		}
		listener, err := net.Listen("tcp", at.wanted)
		if err != nil {
			return fmt.Errorf("%w (there are flags for other addresses)", err)
		}
		*at.is = listener.Addr().String()
		s.wait.Go(func() { at.serve(listener) })
	}
	return nil
}

// How many connections there may be over HTTP, in all and from one host. WebSockets do not count
// here, but as clients.
const (
	maxWeb     = 4096
	maxWebEach = 512
)

// webServer returns what serves HTTP, over TLS if there is a configuration for it.
func (s *Server) webServer(handler http.Handler, tlsConfig *tls.Config) func(net.Listener) {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // WebSockets are not for HTTP/2
	server := &http.Server{
		Handler: handler, Protocols: &protocols, TLSConfig: tlsConfig, MaxHeaderBytes: 16 << 10,
		ReadTimeout:  cmp.Or(s.config.LoginTime, 10*time.Second),
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ConnState: limited(&hosts.Counter{Max: maxWeb, MaxEach: maxWebEach}),
		ErrorLog:  slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	s.web = append(s.web, server)
	return func(l net.Listener) {
		if tlsConfig != nil {
			l = tls.NewListener(l, tlsConfig)
		}
		_ = server.Serve(l) // until it is closed
	}
}

// limited closes connections that are beyond limits, when they come.
func limited(count *hosts.Counter) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if !count.Enter(conn.RemoteAddr()) {
				_ = conn.Close()
			}
		case http.StateHijacked, http.StateClosed:
			count.Leave(conn.RemoteAddr())
		}
	}
}

// webSocketURL returns that of the WebSocket at an address, or "" if there is none.
func webSocketURL(scheme, address string) string {
	if address == "" {
		return ""
	}
	return scheme + "://" + address + ws.Path
}
