"""Runs go-sendxmpp as a user does who reads the messages that it prints: another one when it
has ended, and one to send each message. It is driven. See driver.py."""

import asyncio
import re
import sys

from driver import drive, tell


class Client:
    printed = re.compile(r"(\S+Z) (\S+): (.*)\n")  # "2006-01-02T15:04:05Z romeo@example: body"
    seen = re.compile(r"<presence [^>]*from='([^']*)'")  # its own, which the server sends it, too
    failed = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d .*")  # an error: it would say so for ever, and do nothing

    def __init__(self, login):
        self.options = ["-u", login["address"], "-p", login["password"], "-j", login["server"]]
        self.reader = None
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        while True:
            self.reader = await asyncio.create_subprocess_exec(
                "go-sendxmpp", "--listen", "--debug", *self.options,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
            said = asyncio.create_task(self.watch(self.reader.stderr))
            async for line in self.reader.stdout:
                if found := self.printed.fullmatch(line.decode()):
                    tell("message", **{"from": found[2], "body": found[3]})
            await said
            await self.reader.wait()
            tell("offline")
            await asyncio.sleep(0.1)

    async def watch(self, errors):
        said, online = "", False
        while part := await errors.read(1 << 16):
            said += part.decode(errors="replace")
            if not online and (found := self.seen.search(said)):
                online = True
                tell("online", address=found[1])
            if self.failed.search(said):
                self.reader.kill()
                break
        print(said[-2000:], file=sys.stderr)

    async def do(self, command):
        sender = await asyncio.create_subprocess_exec(
            "go-sendxmpp", *self.options, command["to"], stdin=asyncio.subprocess.PIPE)
        await sender.communicate(command["body"].encode())
        if sender.returncode:
            tell("trouble", body=f"a message is not sent: {sender.returncode}")

    def end(self):
        self.reading.cancel()
        if self.reader:
            self.reader.kill()


asyncio.run(drive(Client, Client.end))
