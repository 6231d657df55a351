"""Drives a client by lines of JSON: the first one on standard input says how to log in, each later
one is a message to send. What happens goes to standard output. See client.go."""

import asyncio
import json
import os
import sys


def tell(kind, **event):
    print(json.dumps({"kind": kind, **event}), flush=True)


async def drive(start, end=lambda client: None):
    """Has what start makes of the first line do what the others say, and ends with the input."""
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = start(json.loads(await lines.readline()))
    while line := await lines.readline():
        await client.do(json.loads(line))
    end(client)
    os._exit(0)  # nobody waits for an orderly end
