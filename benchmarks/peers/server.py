"""A server with OpenAI's HTTP interface that answers every request after the same time, so many at once.

    python benchmarks/peers/server.py LOG [--latency 0.1] [--at-once 32]

Prints its port once it listens on loopback. A request beyond `--at-once` waits for a place, as in the queue of a real
server. LOG gets a line for each answered request: the number of the row that it asked about. One process, of the
standard library alone, so that it takes little of the cores that are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any, TextIO

_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n%s"
_MODELS: dict[str, Any] = {"data": [{"id": "m", "object": "model"}]}
_UNKNOWN: dict[str, Any] = {"error": {"message": "the prompt holds no row's instruction"}}
_WORDS = (  # a word for each digit, other ones at each place: a text that says a word thrice is refused
    ["market", "bridge", "garden", "harbor", "museum", "castle", "station", "library", "theater", "village"],
    ["quiet", "busy", "sunny", "rainy", "windy", "dusty", "cozy", "narrow", "pretty", "famous"],
    ["red", "blue", "green", "yellow", "brown", "purple", "orange", "silver", "golden", "white"],
    ["north", "south", "east", "west", "old", "new", "upper", "lower", "inner", "outer"],
    ["oak", "pine", "maple", "willow", "birch", "cedar", "cherry", "elm", "poplar", "palm"],
    ["lion", "eagle", "rabbit", "dolphin", "horse", "tiger", "falcon", "otter", "panda", "swan"],
)


_NAMED = re.compile(r"far away the ([a-z ]+) is\?")


def instruction(row: int) -> str:
    """What the row of this number asks, in words: a prompt that reads numbers out would make digits unrecognizable.

    >>> instruction(40)
    'Could you say how far away the market purple is?'
    """
    return f"Could you say how far away the {_name(row)} is?"


def row_of(text: str) -> int | None:
    """The number of the row whose instruction is in `text`; None where none is."""
    found = _NAMED.findall(text)
    return sum(words.index(w) * 10**n for n, (words, w) in enumerate(_pairs(found[-1]))) if found else None


def answer(row: int) -> str:
    """What the model says about the row: a question without digits, another for each of a million rows."""
    return f"Could you please tell me how far away from here the {_name(row)} is, in minutes on foot?"


def _name(row: int) -> str:
    return " ".join(words[int(digit)] for words, digit in zip(_WORDS, reversed(str(row)), strict=False))


def _pairs(name: str) -> Iterable[tuple[list[str], str]]:
    return zip(_WORDS, name.split(), strict=False)


class FixedLatency:
    """Answers after `latency` seconds, `at_once` at once; writes the rows' numbers to `log`."""

    def __init__(self, latency: float, at_once: int, log: TextIO) -> None:
        self._latency, self._places, self._log = latency, asyncio.Semaphore(at_once), log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client leaves."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                row = row_of(body.decode())
                found = _MODELS if not body else _UNKNOWN if row is None else await self._complete(row, body)
                status = b"400 Bad Request" if found is _UNKNOWN else b"200 OK"
                data = json.dumps(found).encode()
                last = b"connection: close" in head.lower()  # datatrove reads an answer until its connection ends
                writer.write(_HEAD % (status, b"close" if last else b"keep-alive", len(data), data))
                await writer.drain()
                if last:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left, or was killed
        finally:
            writer.close()

    async def _complete(self, row: int, body: bytes) -> dict[str, Any]:
        async with self._places:
            await asyncio.sleep(self._latency)
            self._log.write(f"{row}\n")
            self._log.flush()
        text = answer(row)
        content = json.dumps({"question": text}) if b'"response_format"' in body else text
        message = {"role": "assistant", "content": content}
        return {
            "id": f"row-{row}",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        }


async def _main(latency: float, at_once: int, log: str) -> None:
    with open(log, "a") as out:
        server = await asyncio.start_server(FixedLatency(latency, at_once, out).serve, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds of every answer")
    parser.add_argument("--at-once", type=int, default=32)
    options = parser.parse_args()
    asyncio.run(_main(options.latency, options.at_once, options.log))
