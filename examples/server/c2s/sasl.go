// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/untilack/untilack/examples/server/accounts"
	"github.com/xdg-go/scram"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

const nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"

// maxTries is how often a client may try to authenticate on one stream.
const maxTries = 3

// sasl is authentication (RFC 6120 §6). It is our own because mellium's has no SCRAM for
// servers, tells clients of few failures, and lets them try once.
func (l *login) sasl() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsSASL, Local: "mechanisms"},
		Prohibited: xmpp.Authn,
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (required bool, err error) {
			var names []xml.TokenReader
			for _, name := range l.mechanisms() {
				names = append(names, xmlstream.Wrap(xmlstream.Token(xml.CharData(name)), xml.StartElement{Name: xml.Name{Local: "mechanism"}}))
			}
			if names != nil {
				_, err = xmlstream.Copy(w, xmlstream.Wrap(xmlstream.MultiReader(names...), start))
			}
			return true, err
		},
		Negotiate: func(_ context.Context, session *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			reader := session.TokenReader()
			defer reader.Close()
			e := &exchange{login: l, decoder: xml.NewTokenDecoder(reader)}
			if err := e.run(); err != nil {
				return 0, nil, err
			}
			l.conn.opened = false // a new stream begins
			return xmpp.Authn, l.conn, nil
		},
	}
}

// mechanisms returns what a client may choose from, the best first. Passwords are not said
// in the clear beyond loopback, nor there unless that is asked for.
func (l *login) mechanisms() (names []string) {
	if l.secure || l.local {
		names = append(names, "SCRAM-SHA-256", "SCRAM-SHA-1")
	}
	if l.secure || l.local && l.server.Plain {
		names = append(names, "PLAIN")
	}
	return names
}

// A failure is a SASL error (RFC 6120 §6.5): the client may try again.
type failure string

func (f failure) Error() string { return "c2s: SASL " + string(f) }

const (
	aborted           failure = "aborted"
	incorrectEncoding failure = "incorrect-encoding"
	invalidAuthzID    failure = "invalid-authzid"
	invalidMechanism  failure = "invalid-mechanism"
	malformedRequest  failure = "malformed-request"
	notAuthorized     failure = "not-authorized"
	tooManyGuesses    failure = "temporary-auth-failure" // later it may be right
)

// An exchange is what is said between a client and us until it is known who it is.
type exchange struct {
	*login
	decoder *xml.Decoder
}

// said is what a client says in it.
type said struct {
	XMLName   xml.Name
	Mechanism string `xml:"mechanism,attr"`
	Data      string `xml:",chardata"`
}

// run lets the client try.
func (e *exchange) run() error {
	for range maxTries {
		var s said
		if err := e.decoder.Decode(&s); err != nil {
			return err
		}
		if s.XMLName != (xml.Name{Space: nsSASL, Local: "auth"}) {
			return stream.NotAuthorized
		}
		last, err := e.authenticate(s)
		if err == nil {
			return e.say("success", last)
		}
		var reason failure
		if !errors.As(err, &reason) {
			return err
		}
		e.server.Log.Info("authentication failed", "remote", e.remote, "reason", string(reason))
		if _, err := io.WriteString(e.conn, "<failure xmlns='"+nsSASL+"'><"+string(reason)+"/></failure>"); err != nil {
			return err
		}
	}
	return violation("too many tries to authenticate")
}

// authenticate finds out who the client is, and returns the last thing to tell it.
func (e *exchange) authenticate(s said) (last string, err error) {
	offered := false
	for _, name := range e.mechanisms() {
		offered = offered || name == s.Mechanism
	}
	if !offered {
		return "", invalidMechanism
	}
	first, err := e.initial(s)
	if err != nil {
		return "", err
	}
	if s.Mechanism == "PLAIN" {
		return "", e.plain(first)
	}
	return e.scram(s.Mechanism, first)
}

// initial returns the client's first message, which it may have left for a second element.
func (e *exchange) initial(s said) (string, error) {
	switch s.Data {
	case "":
		return e.ask("")
	case "=": // empty (RFC 6120 §6.4.2)
		return "", nil
	}
	return decode(s.Data)
}

// ask gives the client a challenge, and returns its response.
func (e *exchange) ask(challenge string) (response string, err error) {
	if err := e.say("challenge", challenge); err != nil {
		return "", err
	}
	var s said
	if err := e.decoder.Decode(&s); err != nil {
		return "", err
	}
	switch s.XMLName {
	case xml.Name{Space: nsSASL, Local: "response"}:
		return decode(s.Data)
	case xml.Name{Space: nsSASL, Local: "abort"}:
		return "", aborted
	}
	return "", stream.NotAuthorized
}

// say writes an element with data.
func (e *exchange) say(name, data string) error {
	encoded := base64.StdEncoding.EncodeToString([]byte(data))
	_, err := io.WriteString(e.conn, "<"+name+" xmlns='"+nsSASL+"'>"+encoded+"</"+name+">")
	return err
}

func decode(data string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", incorrectEncoding
	}
	return string(raw), nil
}

// plain is SASL PLAIN (RFC 4616).
func (e *exchange) plain(message string) error {
	parts := strings.Split(message, "\x00")
	if len(parts) != 3 {
		return malformedRequest
	}
	name, ok := e.normalised(parts[1])
	switch {
	case !e.mayGuess(name):
		return tooManyGuesses
	case !ok || !e.server.Accounts.Check(name, parts[2]):
		e.guessed(name)
		return notAuthorized
	}
	return e.is(name, parts[0])
}

// scram is SCRAM (RFC 5802).
func (e *exchange) scram(mechanism, message string) (last string, err error) {
	var name string
	var refused bool
	server, err := scram.HashGeneratorFcn(accounts.Mechanism(mechanism)).NewServer(func(claimed string) (scram.StoredCredentials, error) {
		normalised, ok := e.normalised(claimed)
		if ok {
			name = normalised // or "", whom there is not
		}
		if refused = !e.mayGuess(name); refused { // before there is work to do
			return scram.StoredCredentials{}, tooManyGuesses
		}
		return e.server.Accounts.Credentials(mechanism, name)
	})
	if err != nil {
		return "", err
	}
	conversation := server.NewConversation()
	challenge, err := conversation.Step(message)
	switch {
	case refused:
		return "", tooManyGuesses
	case err != nil:
		return "", malformedRequest
	}
	response, err := e.ask(challenge)
	if err != nil {
		return "", err
	}
	last, err = conversation.Step(response)
	if err != nil || !conversation.Valid() {
		e.guessed(name)
		return "", notAuthorized
	}
	return last, e.is(name, conversation.AuthzID())
}

// normalised returns a user's name as it is in addresses.
func (e *exchange) normalised(name string) (string, bool) {
	address, err := jid.New(name, e.server.Domain, "")
	return address.Localpart(), err == nil && name != ""
}

// is takes note of who the client is. It may act for nobody else.
func (e *exchange) is(name, actsFor string) error {
	if actsFor != "" {
		address, err := jid.Parse(actsFor)
		if err != nil || address.String() != name+"@"+e.server.Domain {
			return invalidAuthzID
		}
	}
	e.user = name
	return nil
}
