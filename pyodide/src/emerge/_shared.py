"""Plain classes that several stored classes use by the same source: there they are one, as where they come from.

An enumeration's member is the same in all of them, an exception that one raises another catches, and ``isinstance`` holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._names import names_in
from ._texts import unmarked

_Key = tuple[Any, ...]

_made: dict[_Key, Any] = {}

PUT = "__put"
"""How the names of entries end that put something in what a class holds: once, for who uses the class may have changed it since."""


class Shared:
    """The plain classes of one stored class, while that is made."""

    def __init__(
        self, owner: str, address: bytes, bases: list[tuple[str, bytes]], captures: list[tuple[Any, ...]]
    ) -> None:
        self._entries: dict[str, tuple[Any, ...]] = {name: ("class", base) for name, base in bases}
        self._entries.update((name, tuple(rest)) for name, *rest in captures)
        self._entries[owner] = ("class", address)
        self._mine: dict[_Key, Any] = {}

    def give(self, name: str, scope: dict[str, Any], run: Callable[[], None]) -> None:
        """Gives a scope what a source defines: the class that another stored class has of it, or what ``run`` defines there."""
        key = self._key(name)
        is_put = name.endswith(PUT)
        if key in _made:
            if not is_put:
                scope[name] = _made[key]
            return
        run()
        if key and (is_put or isinstance(scope.get(name), type)):
            self._mine[key] = scope.get(name)

    def publish(self) -> None:
        """Lets others have them: all that they use is there by now."""
        _made.update(self._mine)

    def _key(self, name: str) -> _Key:
        """A source and all that it uses, and that uses in turn; nothing for a function."""
        if self._entries[name][1].startswith(("def ", "async def ")):
            return ()
        used: dict[str, Any] = {}
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each in used or each not in self._entries:
                continue
            kind, *rest = self._entries[each]
            if kind == "source":
                needed, wished = names_in(unmarked(rest[0])[0], each)
                waiting += needed + wished
            elif kind == "value":
                from ._wire import dumps

                rest = [dumps(rest[0])[0]]
            used[each] = (kind, *rest)
        return (name, *sorted(used.items()))
