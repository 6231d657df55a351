"""An aioxmpp client that is driven. See driver.py."""

import asyncio
import datetime

import aioxmpp
import aioxmpp.dispatcher
import aioxmpp.mdr
import aioxmpp.misc

from driver import drive, tell


class Client:
    def __init__(self, login):
        self.answer = login.get("answer", False)
        host, port = login["server"].split(":")
        self.client = aioxmpp.PresenceManagedClient(
            aioxmpp.JID.fromstr(login["address"]), aioxmpp.make_security_layer(login["password"]),
            override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())])
        self.client.backoff_start = datetime.timedelta(milliseconds=100)
        self.client.backoff_cap = datetime.timedelta(milliseconds=100)
        self.online = False
        self.client.on_stream_established.connect(self.on_start)
        self.client.on_stream_resumed.connect(self.on_start)
        self.client.on_stream_suspended.connect(self.on_end)
        self.client.on_failure.connect(lambda error: tell("trouble", body=repr(error)))
        messages = self.client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        messages.register_callback(None, None, self.on_message)
        self.client.presence = aioxmpp.PresenceState(available=True)

    def on_start(self):
        if self.online:
            return  # a new stream after another one is called resumed, too
        self.online = True
        asyncio.ensure_future(self.be_seen())

    async def be_seen(self):
        domain = self.client.local_jid.replace(localpart=None, resource=None)
        ping = aioxmpp.IQ(aioxmpp.IQType.GET, to=domain, payload=aioxmpp.ping.Ping())
        try:
            await self.client.send(ping)  # the server has seen the presence when it answers
        except ConnectionError:
            return  # and again
        tell("online", address=str(self.client.local_jid))

    def on_end(self, reason):
        self.online = False
        tell("offline")

    def on_message(self, message):
        sender, body = str(message.from_), message.body.any() if message.body else ""
        if message.type_ == aioxmpp.MessageType.ERROR:
            tell("failure", **{"from": sender, "id": message.id_})
        elif message.xep0184_received:
            tell("receipt", **{"from": sender, "id": message.xep0184_received.message_id})
        elif body:
            tell("message", **{"from": sender, "id": message.id_, "body": body, "delayed": bool(message.xep0203_delay)})
            if self.answer and message.xep0184_request_receipt:
                self.client.enqueue(aioxmpp.mdr.compose_receipt(message))

    async def do(self, command):
        message = aioxmpp.Message(aioxmpp.MessageType.CHAT, to=aioxmpp.JID.fromstr(command["to"]), id_=command["id"])
        message.body[None] = command["body"]
        message.xep0184_request_receipt = True
        self.client.enqueue(message)


asyncio.run(drive(Client))
