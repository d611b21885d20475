#!/usr/bin/python3
"""Plays the program `nats`: streams are listed, made, edited and removed, messages sent, on a real server."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import nats
from nats.errors import Error
from nats.js.api import StorageType, StreamConfig


def arguments() -> argparse.Namespace:
    """What the real program takes, and nothing else."""
    parser = argparse.ArgumentParser(prog="nats")
    parser.add_argument("-s", "--server", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    parser.add_argument("--user", default=os.environ.get("NATS_USER") or None)
    parser.add_argument("--password", default=os.environ.get("NATS_PASSWORD") or None)
    groups = parser.add_subparsers(dest="group", required=True)
    publish = groups.add_parser("pub")
    publish.add_argument("subject")
    publish.add_argument("body")
    stream = groups.add_parser("stream").add_subparsers(dest="verb", required=True)
    for verb in ("add", "edit"):
        change = stream.add_parser(verb)
        change.add_argument("name")
        change.add_argument("--subjects", required=True)
        if verb == "add":
            change.add_argument("--storage", choices=("file", "memory"), required=True)
            change.add_argument("--defaults", action="store_true", required=True)
        else:
            change.add_argument("-f", "--force", action="store_true", required=True)
    remove = stream.add_parser("rm")
    remove.add_argument("name")
    remove.add_argument("-f", "--force", action="store_true", required=True)
    stream.add_parser("info").add_argument("name")
    stream.add_parser("ls")
    return parser.parse_args()


async def act(given: argparse.Namespace) -> None:
    """Do what was asked."""
    connection = await nats.connect(
        given.server, user=given.user, password=given.password, connect_timeout=5, max_reconnect_attempts=1
    )
    streams = connection.jetstream()
    if given.group == "pub":
        await connection.publish(given.subject, given.body.encode())
        await connection.flush()
    elif given.verb == "add":
        storage = StorageType(given.storage)
        await streams.add_stream(StreamConfig(given.name, subjects=given.subjects.split(","), storage=storage))
    elif given.verb == "edit":
        config = (await streams.stream_info(given.name)).config
        await streams.update_stream(config.evolve(subjects=given.subjects.split(",")))
    elif given.verb == "rm":
        await streams.delete_stream(given.name)
    elif given.verb == "info":
        found = await streams.stream_info(given.name)
        sys.stdout.write(json.dumps({"subjects": found.config.subjects, "messages": found.state.messages}) + "\n")
    else:
        names = [found.config.name for found in await streams.streams_info()]
        sys.stdout.write("".join(f"{name}\n" for name in names))
    await connection.close()


if __name__ == "__main__":
    try:
        asyncio.run(act(arguments()))
    except (Error, OSError) as error:
        sys.exit(f"nats: error: {error}")
