"""Versions of objects, as coroutines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ._arguments import version_of, whole
from ._meta import ClassAt, Diff, FieldChange, VersionInfo, moment
from ._paths import At


class Versions:
    """What a file system has of versions."""

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        raise NotImplementedError

    async def history(
        self, path: At, *, before: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> tuple[VersionInfo, ...]:
        """The newest versions of an object or a directory, newest first.

        Args:
            path: of what.
            before: goes on with the versions below this number.
            limit: how many, at most 1000; that many when left out.
            timeout: seconds.
        """
        versions = await self._ask("history", path, whole(before, "before"), whole(limit, "limit"), timeout=timeout)
        return tuple(map(_version_info, versions))

    async def diff(
        self, path: At, old: int | datetime, new: int | datetime | None = None, *, timeout: float | None = None
    ) -> Diff:
        """What differs between two versions of an object.

        Args:
            path: which object.
            old: a version's number, or a moment (with a time zone), which means the version that was current then.
            new: the same; the current version when it is left out.
            timeout: seconds.

        Raises:
            NotFoundError: there is no such object, or that version of it is not kept.
        """
        first, second, fields, *classes = await self._ask(
            "diff", path, version_of(old), version_of(new), timeout=timeout
        )
        old_class, new_class = (ClassAt(each[0], each[1], each[2].hex()) if each else None for each in classes)
        changes = tuple(FieldChange(*each) for each in fields)
        return Diff(_version_info(first), _version_info(second), changes, old_class, new_class)

    async def restore(
        self, path: At, version: int | datetime, *, base: int | None = None, timeout: float | None = None
    ) -> int:
        """Makes a version of an object with the state and the class of an earlier one, and gives its number.

        Args:
            path: which object.
            version: the version's number, or a moment (with a time zone) at which it was current.
            base: the version that the object should be at; it is a conflict when it is at another.
            timeout: seconds.

        Raises:
            NotFoundError: there is no such object, or that version of it is not kept.
            ConflictError: the object is not at ``base``.
        """
        stored = await self._ask("restore", path, version_of(version), whole(base, "base"), timeout=timeout)
        return int(stored[1])

    async def purge(self, path: At, *, recursive: bool = False, timeout: float | None = None) -> None:
        """Removes as :meth:`rm` does, and forgets all versions at once."""
        await self._ask("purge", path, recursive, timeout=timeout)


def _version_info(raw: Any) -> VersionInfo:
    return VersionInfo(raw[0], moment(raw[1]), *raw[2:])
