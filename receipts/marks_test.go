// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

// marks are the cases about what else a message says.
var marks = []row{
	{name: "every hint is told", stanza: `<message><no-store xmlns='urn:xmpp:hints'/><no-permanent-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/><store xmlns='urn:xmpp:hints'/></message>`, want: "message normal NoStore|NoPermanentStore|NoCopy|Store"},
	{name: "hints in errors are ignored", stanza: `<message type='error'><no-store xmlns='urn:xmpp:hints'/><store xmlns='urn:xmpp:hints'/><body/></message>`, want: "message error Body|Content"},
	{name: "every chat state is told and is no content", stanza: `<message><active xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal ChatState"},
	{name: "composing is a chat state", stanza: `<message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal ChatState"},
	{name: "paused is a chat state", stanza: `<message><paused xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal ChatState"},
	{name: "inactive is a chat state", stanza: `<message><inactive xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal ChatState"},
	{name: "gone is a chat state", stanza: `<message><gone xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal ChatState"},
	{name: "anything else in that namespace is content", stanza: `<message><away xmlns='http://jabber.org/protocol/chatstates'/></message>`, want: "message normal Content"},
	{name: "what is no content is none", stanza: `<message><thread>t</thread><origin-id xmlns='urn:xmpp:sid:0' id='a'/><stanza-id xmlns='urn:xmpp:sid:0' id='a' by='b'/><private xmlns='urn:xmpp:carbons:2'/><markable xmlns='urn:xmpp:chat-markers:0'/><nick xmlns='http://jabber.org/protocol/nick'>n</nick><delay xmlns='urn:xmpp:delay'/></message>`, want: "message normal Delayed|Private"},
	{name: "a displayed marker is told", stanza: `<message><displayed xmlns='urn:xmpp:chat-markers:0' id='a'/></message>`, want: "message normal Content|Displayed"},
	{name: "a message of a room's occupant is told", stanza: `<message><x xmlns='http://jabber.org/protocol/muc#user'/></message>`, want: "message normal Content|RoomUser"},
	{name: "a sent carbon is told", stanza: `<message><sent xmlns='urn:xmpp:carbons:2'/></message>`, want: "message normal Content|Carbon"},
	{name: "a result of the oldest archives is told", stanza: `<message><result xmlns='urn:xmpp:mam:0'/></message>`, want: "message normal Content|Archived"},
	{name: "a result of an older archive is told", stanza: `<message><result xmlns='urn:xmpp:mam:1'/></message>`, want: "message normal Content|Archived"},
	{name: "a result of an archive is told", stanza: `<message><result xmlns='urn:xmpp:mam:2'/></message>`, want: "message normal Content|Archived"},
	{name: "a message fetched from the offline store is told", stanza: `<message><offline xmlns='http://jabber.org/protocol/offline'/></message>`, want: "message normal Content|Retrieved"},
	{name: "an explicit mark of encryption is told", stanza: `<message><encryption xmlns='urn:xmpp:eme:0'/></message>`, want: "message normal Content|Encrypted"},
	{name: "the first encryption of that kind is told", stanza: `<message><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>`, want: "message normal Content|Encrypted"},
	{name: "an older encryption of that kind is told", stanza: `<message><encrypted xmlns='urn:xmpp:omemo:1'/></message>`, want: "message normal Content|Encrypted"},
	{name: "encryption is told", stanza: `<message><encrypted xmlns='urn:xmpp:omemo:2'/></message>`, want: "message normal Content|Encrypted"},

	{name: "a rule against storing is told", stanza: rules(`<rule condition='deliver' action='error' value='stored'/>`), want: "message normal DeliverNotStored"},
	{name: "an alert is against storing, too", stanza: rules(`<rule condition='deliver' action='alert' value='stored'/>`), want: "message normal DeliverNotStored"},
	{name: "a mere notice is not against storing", stanza: rules(`<rule condition='deliver' action='notify' value='stored'/>`), want: "message normal"},
	{name: "a rule about other ways of delivery is not against storing", stanza: rules(`<rule condition='deliver' action='drop' value='direct'/>`), want: "message normal"},
	{name: "a rule for one resource is told", stanza: rules(`<rule condition='match-resource' action='drop' value='exact'/>`), want: "message normal MatchExact"},
	{name: "a rule for any resource is not", stanza: rules(`<rule condition='match-resource' action='drop' value='any'/>`), want: "message normal"},
	{name: "the earliest time counts", stanza: rules(`<rule condition='expire-at' action='drop' value='2004-01-01T00:00:02Z'/><rule condition='expire-at' action='drop' value='2004-01-01T01:00:01+01:00'/><rule condition='expire-at' action='drop' value='2004-01-01T00:00:03Z'/>`), want: "message normal until 2004-01-01 00:00:01 +0000 UTC"},
	{name: "a time of a mere notice does not count", stanza: rules(`<rule condition='expire-at' action='notify' value='2004-01-01T00:00:00Z'/>`), want: "message normal"},
	{name: "a malformed time does not count", stanza: rules(`<rule condition='expire-at' action='drop' value='soon'/>`), want: "message normal"},
	{name: "a rule with references is read", stanza: rules(`<rule condition='d&#101;liver' action='drop' value='stor&#101;d'/>`), want: "message normal DeliverNotStored"},
	{name: "a rule in another namespace is none", stanza: rules(`<rule xmlns='urn:x' condition='deliver' action='drop' value='stored'/>`), want: "message normal"},
	{name: "a rule inside of a rule is none", stanza: rules(`<x><rule condition='deliver' action='drop' value='stored'/></x>`), want: "message normal"},
	{name: "a rule outside of the list is none", stanza: `<message><x xmlns='http://jabber.org/protocol/amp'><rule condition='deliver' action='drop' value='stored'/></x></message>`, want: "message normal Content"},
	{name: "a rule after the list is none", stanza: `<message><amp xmlns='http://jabber.org/protocol/amp'/><x xmlns='http://jabber.org/protocol/amp'><rule condition='deliver' action='drop' value='stored'/></x></message>`, want: "message normal Content"},

	{name: "the shortest time in seconds counts", stanza: `<message><x xmlns='jabber:x:expire' seconds='10'/><x xmlns='jabber:x:expire' seconds='5'/><x xmlns='jabber:x:expire' seconds='7'/></message>`, want: "message normal for 5s"},
	{name: "no seconds at all are a time, too", stanza: `<message><x xmlns='jabber:x:expire' seconds='0'/></message>`, want: "message normal for 1ns"},
	{name: "malformed seconds do not count", stanza: `<message><x xmlns='jabber:x:expire' seconds='-1'/><x xmlns='jabber:x:expire' seconds='99999999999999999999'/><x xmlns='jabber:x:expire'/></message>`, want: "message normal"},
}

// rules returns a message with a list of rules.
func rules(list string) string {
	return `<message><amp xmlns='http://jabber.org/protocol/amp'>` + list + `</amp></message>`
}
