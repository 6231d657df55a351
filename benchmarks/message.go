// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"encoding/binary"
	"strings"
	"unsafe"
)

const (
	stanzaSize = 400

	recipientZero = "00000000@montague.london"
	senderZero    = "00000000@tybalt.lit/tomb"
	idZero        = "00000000-4b1d-4184-8184-0a1b00000000"

	opening = "<message type='chat' to='" + recipientZero + "' from='" + senderZero + "' id='" + idZero + "'><body>"
	closing = "</body><request xmlns='urn:xmpp:receipts'/></message>"
)

// template is the stanza of every packet, but for the digits.
var template = opening + strings.Repeat("My lord, dispatch; ", 21)[:stanzaSize-len(opening)-len(closing)] + closing

// Where the texts of the key begin in a stanza, and where the last of them ends.
var (
	toAt   = strings.Index(template, recipientZero)
	fromAt = strings.Index(template, senderZero)
	idAt   = strings.Index(template, idZero)
	keyEnd = idAt + len(idZero)
)

// A message is a packet as a contender is shown it. The strings are cut from the
// stanza, without a copy.
type message struct {
	to, from, id string
	key          string // all three, and the few bytes between them
	stanza       []byte
}

// newMessage returns a message in a stanza of its own.
func newMessage() message {
	stanza := []byte(template)
	return messageIn(stanza)
}

// messageIn returns the message that is written in stanza. Its strings change with
// the bytes.
func messageIn(stanza []byte) message {
	return message{
		to:     textOf(stanza[toAt : toAt+len(recipientZero)]),
		from:   textOf(stanza[fromAt : fromAt+len(senderZero)]),
		id:     textOf(stanza[idAt:keyEnd]),
		key:    textOf(stanza[toAt:keyEnd]),
		stanza: stanza,
	}
}

// clone returns a message in new memory, as one who has to own its bytes makes it.
func (m *message) clone() message {
	stanza := make([]byte, stanzaSize)
	copy(stanza, m.stanza)
	return messageIn(stanza)
}

// textOf returns a string that shares the bytes.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// write makes the stanza that of a number: one of so many recipients, one of the
// four senders who write to it, and an id that no other number has.
func write(stanza []byte, number, recipients uint32) {
	mixed := mix(uint64(number))
	recipient := uint32(mixed >> 32 * uint64(recipients) >> 32)
	sender := recipient*sendersEach + uint32(mixed)%sendersEach
	putHex(stanza[toAt:], recipient)
	putHex(stanza[fromAt:], sender)
	putHex(stanza[idAt:], number)
	putHex(stanza[keyEnd-8:], uint32(mixed))
}

// mix makes numbers that follow one another differ in all bits (the finaliser of
// splitmix64).
func mix(n uint64) uint64 {
	n = (n + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// putHex writes a number as eight digits, without a table, so that the harness
// takes little time and no cache.
func putHex(to []byte, n uint32) {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	letters := (x + 0x0606060606060606) >> 4 & 0x0101010101010101
	binary.BigEndian.PutUint64(to, x+0x3030303030303030+letters*('a'-'9'-1))
}

// numberOf returns the number that a stanza was written for.
func numberOf(stanza []byte) (number uint32) {
	for _, digit := range stanza[idAt : idAt+8] {
		if digit >= 'a' {
			digit -= 'a' - '9' - 1
		}
		number = number<<4 | uint32(digit-'0')
	}
	return number
}
