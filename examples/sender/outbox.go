// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/examples/internal/stores"

	"mellium.im/xmpp/delay"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// A letter is a message on its way.
type letter struct {
	id    string
	to    jid.JID
	body  string
	sent  time.Time // first; zero: it was not
	tries int       // how often it expired

	copies []*client.Sent // for whoever sends it
}

// stanza returns the message as it is sent. A copy says when it was sent first.
func (l *letter) stanza() any {
	m := struct {
		stanza.Message
		Body  string       `xml:"body"`
		Delay *delay.Delay `xml:",omitempty"`
	}{Message: stanza.Message{ID: l.id, To: l.to, Type: stanza.ChatMessage}, Body: l.body}
	if l.tries > 0 {
		m.Delay = &delay.Delay{Time: l.sent.UTC()}
	}
	return m
}

// An outbox has messages, and what became of them.
type outbox struct{ db *sql.DB }

// The state is "new", which is not sent, or a client.State. Of what is "waiting" it is known
// only that it was about to be sent.
const outboxSchema = `
CREATE TABLE IF NOT EXISTS messages (
	number    INTEGER PRIMARY KEY,
	id        TEXT NOT NULL UNIQUE,
	recipient TEXT NOT NULL,
	body      TEXT NOT NULL,
	state     TEXT NOT NULL DEFAULT 'new',
	sent      INTEGER NOT NULL DEFAULT 0, -- in nanoseconds since 1970
	result    TEXT NOT NULL DEFAULT ''
)`

func openOutbox(ctx context.Context, path string) (*outbox, error) {
	db, err := stores.OpenFile(ctx, path, outboxSchema)
	if err != nil {
		return nil, err
	}
	// The end of the program is to lose nothing, but that of the computer may.
	if _, err := db.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		db.Close()
		return nil, err
	}
	return &outbox{db}, nil
}

func (o *outbox) close() { _ = o.db.Close() }

// add puts new messages in, all or none.
func (o *outbox) add(to jid.JID, bodies []string) error {
	tx, err := o.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it is an error after a commit
	for _, body := range bodies {
		if _, err := tx.Exec("INSERT INTO messages (id, recipient, body) VALUES (?, ?, ?)", rand.Text(), to.String(), body); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// open returns what is not finished, in order.
func (o *outbox) open() (letters []*letter, err error) {
	rows, err := o.db.Query("SELECT id, recipient, body, state, sent FROM messages WHERE state IN ('new', 'waiting') ORDER BY number")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l letter
		var to, state string
		var sent int64
		if err := rows.Scan(&l.id, &to, &l.body, &state, &sent); err != nil {
			return nil, err
		}
		if l.to, err = jid.Parse(to); err != nil {
			return nil, fmt.Errorf("recipient %q: %w", to, err)
		}
		if state != "new" {
			l.sent = time.Unix(0, sent)
		}
		letters = append(letters, &l)
	}
	return letters, rows.Err()
}

// unsent notes that a letter was not sent after all.
func (o *outbox) unsent(l *letter) error {
	_, err := o.db.Exec("UPDATE messages SET state = 'new' WHERE id = ?", l.id)
	return err
}

// sending notes that a letter is about to be sent.
func (o *outbox) sending(l *letter) error {
	_, err := o.db.Exec("UPDATE messages SET state = 'waiting', sent = ? WHERE id = ?", l.sent.UnixNano(), l.id)
	return err
}

// finish notes what became of a letter.
func (o *outbox) finish(r client.Result) error {
	_, err := o.db.Exec("UPDATE messages SET state = ?, result = ? WHERE id = ?", r.State.String(), r.String(), r.ID)
	return err
}
