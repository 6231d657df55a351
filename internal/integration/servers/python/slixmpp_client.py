"""A slixmpp client that is driven. See driver.py."""

import asyncio

import slixmpp

from driver import drive, tell


class Client(slixmpp.ClientXMPP):
    def __init__(self, login):
        super().__init__(login["address"], login["password"])
        self.target = tuple(login["server"].split(":"))
        self.ca_certs = login["ca"]
        self.work = login.get("work", 0)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0184", {"auto_request": False, "auto_ack": not self.work})
        self.register_plugin("xep_0199")
        self.register_plugin("xep_0203")
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("disconnected", self.on_end)
        self.add_event_handler("message", self.on_message_later if self.work else self.on_message)
        self.add_event_handler("receipt_received", self.on_receipt)
        self.add_event_handler("message_error", self.on_error)
        self.log_in()

    def log_in(self):
        self.connect(self.target)

    async def on_start(self, _):
        self.send_presence()
        await self.get_roster()  # the server has seen the presence when it answers
        tell("online", address=self.boundjid.full)

    def on_end(self, _):
        tell("offline")
        self.loop.call_later(0.1, self.log_in)

    def on_message(self, message):
        if message["type"] != "error":
            tell("message", **{"from": message["from"].full, "id": message["id"], "body": message["body"],
                               "delayed": bool(message["delay"]["stamp"])})

    async def on_message_later(self, message):
        await asyncio.sleep(self.work)
        self.on_message(message)
        if message["request_receipt"]:
            self["xep_0184"].ack(message)

    def on_receipt(self, message):
        tell("receipt", **{"from": message["from"].full, "id": message["receipt"]})

    def on_error(self, message):
        tell("failure", **{"from": message["from"].full, "id": message["id"]})

    async def do(self, command):
        message = self.make_message(mto=command["to"], mbody=command["body"], mtype="chat")
        message["id"] = command["id"]
        message["request_receipt"] = True
        message.send()


asyncio.run(drive(Client))
