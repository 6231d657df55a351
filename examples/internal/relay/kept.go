// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package relay

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/examples/internal/wire"
	"github.com/untilack/untilack/middleware"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// Kept delivers through untilack: a message that asks for a receipt is kept
// until the receipt has come.
type Kept struct {
	Keeper *untilack.Keeper

	patience time.Duration
}

// NewKept makes the delivery through untilack's cache, for the relay's domain.
func NewKept(config untilack.Config) (*Kept, error) {
	config.Domain = wire.Domain
	keeper, err := untilack.New(config)
	if err != nil {
		return nil, err
	}
	patience := cmp.Or(config.AckWait, untilack.DefaultAckWait) + cmp.Or(config.ProbeWait, untilack.DefaultProbeWait)
	return &Kept{Keeper: keeper, patience: patience}, nil
}

// Run lets the keeper work. Its end is the end of ctx, which is no error.
func (k *Kept) Run(ctx context.Context) error {
	if err := k.Keeper.Run(ctx); !errors.Is(err, ctx.Err()) {
		return err
	}
	return nil
}

// Patience implements Delivery.
func (k *Kept) Patience() time.Duration { return k.patience }

// Open implements Delivery.
func (k *Kept) Open(session *xmpp.Session, _ net.Conn, transport wire.Transport, address jid.JID) (Door, error) {
	wrapped, err := middleware.Wrap(k.Keeper, session, address, &middleware.Options{
		WebSocket: transport == wire.WebSocket,
	})
	if err != nil {
		return nil, err
	}
	return keptDoor{wrapped}, nil
}

// Offline implements Delivery.
func (k *Kept) Offline(ctx context.Context, _ string, message wire.Element) error {
	raw, err := message.Encode()
	if err != nil {
		return err
	}
	return k.Keeper.Offline(ctx, raw)
}

// A keptDoor is a client's session as the middleware wraps it.
type keptDoor struct {
	session *middleware.Session
}

// Write implements Door.
func (d keptDoor) Write(stanza wire.Element) error {
	raw, err := stanza.Encode()
	if err != nil {
		return err
	}
	return d.session.WriteStanza(context.Background(), raw)
}

// Receive implements Door.
func (d keptDoor) Receive(stanza wire.Element) (forward bool, err error) {
	raw, err := stanza.Encode()
	if err != nil {
		return false, err
	}
	return d.session.Receive(raw), nil
}

// Close implements Door.
func (d keptDoor) Close() { _ = d.session.Close() }
