// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// An identity is a hash of a cache.Identity. Ids can be long, and indexes cannot: it stands
// for them, the same in every process. Nobody can find two with the same hash.
type identity [20]byte

func identityOf(id cache.Identity) identity {
	b := make([]byte, 0, 512)
	for _, part := range [...]string{id.To, id.From, id.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint64(b, id.Sum)
	sum := sha256.Sum256(b)
	return identity(sum[:])
}

// rowOverhead is about what a row takes besides its bytes: columns, hash and indexes.
const rowOverhead = 384

// sizeOf returns what keeping p takes.
func sizeOf(p *cache.Packet) int64 {
	return int64(rowOverhead + len(p.Key.To) + len(p.Key.From) + len(p.Key.ID) + len(p.Resource) + len(p.Stanza))
}

// maxRecipient is the length of the longest bare address (RFC 7622 §3.1). Much longer ones
// have no room in PostgreSQL's indexes.
const maxRecipient = 1023 + 1 + 1023

var (
	// errText is returned for texts that not every database can keep. XML cannot have
	// them either.
	errText      = errors.New("sqlstore: text is not UTF-8 without NUL")
	errRecipient = fmt.Errorf("sqlstore: recipient is longer than %d bytes", maxRecipient)
)

// check returns a permanent error for a packet that can not be kept.
func check(p *cache.Packet) error {
	if len(p.Key.To) > maxRecipient {
		return actions.Permanent(errRecipient)
	}
	for _, text := range [...]string{p.Key.To, p.Key.From, p.Key.ID, p.Resource} {
		if !isText(text) {
			return actions.Permanent(fmt.Errorf("%w: %q", errText, text))
		}
	}
	return nil
}

func isText(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }

// noTime stands for the zero time.
const noTime = math.MinInt64

// micros returns a time as the database keeps it: microseconds since 1970.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMicro()
}

func timeOf(micros int64) time.Time {
	if micros == noTime {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// rowColumns are what a row is read from.
const rowColumns = `number, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, stanza`

func scanRow(rows *sql.Rows) (r actions.Row, err error) {
	var number, sum, marks, custody, received, attempt int64
	var expires sql.NullInt64
	p := &r.Packet
	err = rows.Scan(&number, &p.Key.To, &p.Key.From, &p.Key.ID, &sum, &p.Resource, &marks, &custody, &received, &expires, &attempt, &p.Stanza)
	r.Number, r.Custody = uint64(number), custody != 0
	p.Sum, p.Marks, p.Attempt = uint64(sum), cache.Marks(marks), int(attempt)
	p.Received = timeOf(received)
	if expires.Valid {
		p.Expires = timeOf(expires.Int64)
	}
	return r, err
}

// insertColumns are those that an insertion fills: so many columns, of which the stanza is
// the last and this one after number.
const (
	insertColumns = `number, identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, stanza`
	columns       = 14
	stanzaColumn  = columns - 2
)

const insertRows = `INSERT INTO untilack_rows (` + insertColumns + `) VALUES {14}`

// values returns what a row is written with after its number.
func (e *entry) values() []any {
	p := &e.row.Packet
	var expires any
	if !p.Expires.IsZero() {
		expires = micros(p.Expires)
	}
	stanza := p.Stanza
	if stanza == nil {
		stanza = []byte{} // not NULL
	}
	return []any{
		e.id[:], p.Key.To, p.Key.From, p.Key.ID, int64(p.Sum), p.Resource, int64(p.Marks), asInt(e.row.Custody),
		micros(p.Received), expires, int64(p.Attempt), e.size, stanza,
	}
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
