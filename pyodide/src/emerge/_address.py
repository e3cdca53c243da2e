"""Where the node is, and the token for it, when a program does not say all of it.

``conformance/addresses.json`` is the table of this; ``www/src/address.ts`` reads it the same way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from .errors import BadArgumentError

DEFAULT = "ws://127.0.0.1:5558"
_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_PORTS = {"ws": 80, "wss": 443}


class Address(NamedTuple):
    """A node's address, ``ws://host:port``, and the token for it."""

    url: str
    token: str


def resolve(url: str | None, token: str = "") -> Address:
    """The node that a program means.

    Without a ``url`` it is that of ``EMERGE_URL``, or else the one that ``emerge init`` remembered, or else this machine's. A token that
    belongs to a node is sent to no other: ``EMERGE_TOKEN`` to that of ``EMERGE_URL`` when both are set, a remembered one to the remembered.

    Raises:
        BadArgumentError: the URL is none of a node, or what is remembered cannot be read.
    """
    return choose(url, token, os.environ, remembered)


def choose(
    url: str | None, token: str, environment: Mapping[str, str], remember: Callable[[], Address | None]
) -> Address:
    """As :func:`resolve`, of what is given; what is remembered is read when it is needed."""
    named = environment.get("EMERGE_URL", "")
    known = remember() if url is None and not named else None
    address, own = parse(url if url is not None else named or (known.url if known else DEFAULT))
    if token or own:
        return Address(address, token or own)
    from_environment = environment.get("EMERGE_TOKEN", "")
    if from_environment and (not named or _place(address) == _place(parse(named).url)):
        return Address(address, from_environment)
    known = known or remember()
    return Address(address, known.token if known and _place(address) == _place(known.url) else "")


def parse(url: str) -> Address:
    """Reads an address, or the whole link that a node printed: ``http://127.0.0.1:5558/?token=…``.

    Raises:
        BadArgumentError: it is none.
    """
    parts = _split(url)
    if parts is None:
        raise BadArgumentError(f"{url!r} is not the URL of a node, such as ws://localhost:5558", field="url")
    if parts.fragment.startswith("token="):
        raise BadArgumentError(
            "this is the link of the node's notebook, which a browser opens: connect to the node's own, such as ws://localhost:5558 or "
            "http://localhost:5558/?token=…",
            field="url",
        )
    return Address(f"{_SCHEMES[parts.scheme]}://{parts.netloc}", parse_qs(parts.query).get("token", [""])[0])


def _split(url: str) -> SplitResult | None:
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _place(url: str) -> tuple[str, str, int]:
    """What tells a node from others: this machine has several names for itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        host = "localhost"
    return parts.scheme, host, parts.port or _PORTS[parts.scheme]


def folder() -> Path | None:
    """Where the ``emerge`` command keeps what it remembers of this user; none where there is no such place."""
    try:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "emerge")
    except RuntimeError:
        return None


def remembered() -> Address | None:
    """What ``emerge init`` wrote down; none where it did not run.

    Raises:
        BadArgumentError: the file cannot be read.
    """
    kept_in = folder()
    if kept_in is None:
        return None
    file = kept_in / "node.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Address(parse(kept["url"]).url, str(kept["token"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, BadArgumentError) as error:
        raise BadArgumentError(f"{file} cannot be used: {error}; run `emerge init` again") from None
