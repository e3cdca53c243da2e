"""Class versions whose methods a program lends all of its user's rights on the node. The list is the client's own: it goes along with each call."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ._address import folder
from .errors import BadArgumentError


@dataclass(frozen=True)
class TrustedClass:
    """A class version that is trusted."""

    hash: str
    """The address of the version, in hexadecimal. Another version of the class has another, and is not trusted."""
    name: str
    """The class's name; empty when it was kept without."""
    owner: str
    """Who stored it first; empty when it was kept without."""
    kept: bool
    """Whether it is trusted in later programs too."""


class Trusts:
    """What a program trusts: what it said so far, and what is kept in the user's folder, by the ``emerge`` command too."""

    def __init__(self) -> None:
        # What a page writes is gone with the page, and a method has no folder.
        kept_in = None if sys.platform in ("emscripten", "wasi") else folder()
        self._file = None if kept_in is None else kept_in / "trusted"
        self._classes: dict[bytes, TrustedClass] = {}
        for hash_, name, owner in self._lines():
            self._classes[bytes.fromhex(hash_)] = TrustedClass(hash_, name, owner, True)
        self.hashes: tuple[bytes, ...] = ()
        self._changed()

    def add(self, address: bytes, name: str, owner: str, keep: bool) -> None:
        known = self._classes.get(address)
        if known is not None and (known.kept or not keep):
            return
        if keep:
            if self._file is None:
                raise BadArgumentError(
                    "there is no folder to keep trust in here: it lasts as long as this program", field="keep"
                )
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(f"{address.hex()} {name} {owner}\n")
        self._classes[address] = TrustedClass(address.hex(), name, owner, keep)
        self._changed()

    def remove(self, address: bytes) -> bool:
        known = self._classes.pop(address, None)
        if known is None:
            return False
        if known.kept and self._file is not None:
            left = [line for line in self._lines() if line[0] != known.hash]
            part = self._file.with_name("trusted.part")
            part.write_text("".join(f"{' '.join(line).strip()}\n" for line in left), encoding="utf-8")
            os.replace(part, self._file)
        self._changed()
        return True

    def all(self) -> list[TrustedClass]:
        return list(self._classes.values())

    def _changed(self) -> None:
        self.hashes = tuple(self._classes)

    def _lines(self) -> list[tuple[str, str, str]]:
        """What the file says: an address on each line, and for people the class's name and its owner."""
        try:
            text = "" if self._file is None else self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BadArgumentError(f"{self._file} cannot be read: {error}") from None
        lines = []
        for line in text.splitlines():
            hash_, name, owner = (line.split(" ", 2) + ["", "", ""])[:3]
            if len(hash_) == 32 and all(digit in "0123456789abcdef" for digit in hash_):
                lines.append((hash_, name, owner))
        return lines
