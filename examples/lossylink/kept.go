// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// kept delivers through untilack: a message that asks for a receipt is kept
// until the receipt has come.
type kept struct {
	keeper *untilack.Keeper
	config Config
}

// newKept makes the delivery through untilack's cache.
func newKept(config Config) (delivery, error) {
	keeper, err := untilack.New(untilack.Config{
		Domain:    domain,
		AckWait:   config.AckWait,
		ProbeWait: config.ProbeWait,
		Logger:    config.Log,
		Seed:      config.Seed,
	})
	if err != nil {
		return nil, err
	}
	return &kept{keeper: keeper, config: config}, nil
}

// run lets the keeper work. Its end is the end of ctx, which is no error.
func (k *kept) run(ctx context.Context) error {
	if err := k.keeper.Run(ctx); !errors.Is(err, ctx.Err()) {
		return err
	}
	return nil
}

func (k *kept) patience() time.Duration { return k.config.AckWait + k.config.ProbeWait }

func (k *kept) open(session *xmpp.Session, _ net.Conn, address jid.JID) (door, error) {
	wrapped, err := middleware.Wrap(k.keeper, session, address, &middleware.Options{
		WebSocket: k.config.Transport == WebSocket,
	})
	if err != nil {
		return nil, err
	}
	return keptDoor{wrapped}, nil
}

func (k *kept) offline(ctx context.Context, _ string, message element) error {
	raw, err := message.encode()
	if err != nil {
		return err
	}
	return k.keeper.Offline(ctx, raw)
}

// A keptDoor is a client's session as the middleware wraps it.
type keptDoor struct {
	session *middleware.Session
}

func (d keptDoor) write(stanza element) error {
	raw, err := stanza.encode()
	if err != nil {
		return err
	}
	return d.session.WriteStanza(context.Background(), raw)
}

func (d keptDoor) receive(stanza element) (forward bool, err error) {
	raw, err := stanza.encode()
	if err != nil {
		return false, err
	}
	return d.session.Receive(raw), nil
}

func (d keptDoor) close() { _ = d.session.Close() }
