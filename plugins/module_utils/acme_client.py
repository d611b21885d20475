# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ACME client: lego in a container, the same on every system; nothing is installed on the host for it."""

from __future__ import annotations

import dataclasses
import re
import shutil
from typing import TYPE_CHECKING

from . import engine
from .errors import MoorageError
from .places import make_private, make_readable

if TYPE_CHECKING:
    from pathlib import Path

# Of the 4th line: the 5th calls its options otherwise.
IMAGE = "goacme/lego:v4.35.2"
_SECONDS = 300.0
_PULL_SECONDS = 600.0
_TIME = re.compile(r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2} ")
_LONGEST_REASON = 500
# What a server says that has lost its accounts, as one for tests does.
_NO_ACCOUNT = "accountDoesNotExist"


class RefusedError(MoorageError):
    """No certificate was issued; the message is what client or server say."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What is wanted from whom.

    Attributes:
        directory: The URL of the server's directory.
        email: Whom the server writes to.
        names: The names, the first one first in the certificate.
        folder: Keeps the account; nobody but root reads it.
        webroot: Where the gateway serves the answers to challenges from.
        authority: The file of the authority that the server's own certificate is of; None for a public one.
        binding: Key id and HMAC of an account that the server knows by other means (EAB).
    """

    directory: str
    email: str
    names: tuple[str, ...]
    folder: Path
    webroot: Path
    authority: Path | None = None
    binding: tuple[str, str] | None = None


def obtain(order: Order, container: str) -> tuple[bytes, bytes]:
    """Have a certificate issued; return its chain and its key, which are not kept here.

    Args:
        order: What is wanted.
        container: What the client's container is called: one that was cut off earlier is removed.

    Raises:
        RefusedError: None was issued.
    """
    _provide_image()
    make_private(order.folder)
    make_readable(order.webroot)
    made = order.folder / "certificates"
    try:
        status, output = _run(order, container)
        if _NO_ACCOUNT in output:
            shutil.rmtree(order.folder / "accounts")
            status, output = _run(order, container)
        if status != 0:
            raise RefusedError(reason(output) or f"the ACME client ended with {status}", key=order.directory)
        first = order.names[0]
        return (made / f"{first}.crt").read_bytes(), (made / f"{first}.key").read_bytes()
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _provide_image() -> None:
    if not engine.image(IMAGE):
        status, output = engine.run(["docker", "pull", "--quiet", IMAGE], wait=_PULL_SECONDS)
        if status != 0:
            said = output.splitlines()[-1] if output else "no answer"
            raise RefusedError(f"the image of the ACME client cannot be pulled: {said}", key=IMAGE)


def _run(order: Order, container: str) -> tuple[int, str]:
    engine.call("DELETE", f"/containers/{container}", force="1", absent=(404, 409))
    values = {"LEGO_EAB_KID": order.binding[0], "LEGO_EAB_HMAC": order.binding[1]} if order.binding else {}
    # of a secret the command has the name alone: its words are everybody's to read
    environment = {**engine.ENVIRONMENT, **values, **({"LEGO_EAB": "true"} if values else {})}
    status, output = engine.run(command(order, container), wait=_SECONDS, environment=environment)
    if status == 124:
        engine.call("DELETE", f"/containers/{container}", force="1", absent=(404, 409))
    return status, output


def command(order: Order, container: str) -> list[str]:
    """Return the command that has a certificate issued.

    The container has the host's network: its name servers, its hosts file, its way out.
    """
    words = ["docker", "run", "--rm", "--pull", "never", "--name", container, "--network", "host"]
    words += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "256m"]
    words += ["-v", f"{order.folder}:/lego", "-v", f"{order.webroot}:/webroot"]
    if order.authority:
        words += ["-v", f"{order.authority}:/authority.pem:ro", "-e", "LEGO_CA_CERTIFICATES=/authority.pem"]
    if order.binding:
        words += ["-e", "LEGO_EAB", "-e", "LEGO_EAB_KID", "-e", "LEGO_EAB_HMAC"]
    words += [IMAGE, "--server", order.directory, "--accept-tos", "--email", order.email, "--path", "/lego"]
    words += ["--http", "--http.webroot", "/webroot", "--key-type", "ec256"]
    return [*words, *(word for name in order.names for word in ("--domains", name)), "run"]


def reason(output: str) -> str:
    """Return why the client failed, out of what it wrote: its last message, in one line."""
    messages = [text.strip() for text in _TIME.split(output) if text.strip() and not text.startswith("[INFO]")]
    text = " ".join(messages[-1].split()) if messages else ""
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
