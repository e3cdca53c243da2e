"""The properties of what is stored at a path."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(micros: int) -> datetime:
    """A moment from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


class Rules(NamedTuple):
    """The rules that hold in a directory."""

    keep: str
    """Which versions are kept: ``default``, ``all``, ``10 versions``, ``30 days``."""
    mask: str
    """The permissions that new members do not get, in octal."""
    keep_from: str | None
    """The directory that says what is kept; ``None`` when none does."""
    mask_from: str | None
    """The directory that has the mask; ``None`` when none has."""


class UserInfo(NamedTuple):
    """A user that the node knows."""

    name: str
    groups: tuple[str, ...]
    """What the user makes belongs to the first."""
    created: datetime


class TokenInfo(NamedTuple):
    """A token that the node knows. What it is, is kept nowhere."""

    id: str
    """By which it is taken back."""
    user: str
    """Whom it stands for."""
    scope: tuple[str, ...]
    """What it is for: ``read:/inventory/**``; ``*`` is everything that the user may."""
    created: datetime
    expires: datetime | None
    """When it ends; ``None`` when it does not."""
    note: str | None
    """What it was made for."""
    parent: str | None
    """The id of the token with which it was made, and with which it goes."""


class NewToken(NamedTuple):
    """A token that was made."""

    token: str
    """It is kept nowhere else."""
    info: TokenInfo


class QuotaInfo(NamedTuple):
    """What a user stores, and may store."""

    user: str
    objects: int
    """Objects and directories that the user owns."""
    bytes: int
    """Bytes of their states, of the earlier versions that are kept, and of classes."""
    max_objects: int | None
    """How many objects and directories there may be; ``None`` for any number."""
    max_bytes: int | None
    """How many bytes there may be; ``None`` for any number."""


class GroupInfo(NamedTuple):
    """A group that the node knows."""

    name: str
    members: tuple[str, ...]


class StoredMeta:
    """The properties of an object that was stored.

    What the node does not tell of a store is ``None``, unless the object was fetched from there before; ``fs.stat`` tells it.
    """

    __slots__ = ("_raw", "path")

    def __init__(self, path: str, raw: tuple[Any, ...]) -> None:
        self.path = raw[15] if raw[15] is not None else path
        self._raw = raw

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return str(self._raw[0])

    @property
    def id(self) -> UUID:
        """The identity, for life; survives a move."""
        return UUID(bytes=self._raw[1])

    @property
    def type(self) -> str:
        """``object``, ``directory``, ``file``, ``reference`` or ``node``."""
        return str(self._raw[2])

    @property
    def class_name(self) -> str | None:
        """The class's registered name; ``None`` for a directory."""
        name: str | None = self._raw[3]
        return name

    @property
    def class_hash(self) -> str | None:
        """The address of the class version, 32 hexadecimal digits; ``None`` for a directory."""
        address: bytes | None = self._raw[4]
        return address.hex() if address is not None else None

    @property
    def class_version(self) -> int | None:
        """The number of the class version; ``None`` for a directory."""
        version: int | None = self._raw[5]
        return version

    @property
    def owner(self) -> str | None:
        """The owner's user name."""
        owner: str | None = self._raw[6]
        return owner

    @property
    def group(self) -> str | None:
        """The group's name."""
        group: str | None = self._raw[7]
        return group

    @property
    def perms(self) -> str | None:
        """The permissions, as in ``rwxr-x---``; of a sticky directory ``t`` or ``T`` in the last place, of an object whose methods run with its owner's rights ``s`` or ``S`` in the third."""
        bits: int | None = self._raw[8]
        if bits is None:
            return None
        text = "".join(letter if bits >> (8 - at) & 1 else "-" for at, letter in enumerate("rwxrwxrwx"))
        if bits & 0o4000:
            text = text[:2] + ("s" if bits & 0o100 else "S") + text[3:]
        return text[:8] + ("t" if bits & 1 else "T") if bits & 0o1000 else text

    @property
    def version(self) -> int:
        """1, 2, 3 … one for each committed change."""
        return int(self._raw[9])

    @property
    def created(self) -> datetime | None:
        """When it was made, UTC."""
        return None if self._raw[10] is None else moment(self._raw[10])

    @property
    def modified(self) -> datetime:
        """When it was last changed, UTC."""
        return moment(self._raw[11])

    @property
    def size(self) -> int | None:
        """Bytes of the encoded state; 0 for a directory."""
        size: int | None = self._raw[12]
        return size

    @property
    def node(self) -> str | None:
        """The name of the node that holds it."""
        node: str | None = self._raw[13]
        return node

    @property
    def rules(self) -> Rules | None:
        """The rules that hold in a directory, of ``fs.stat`` of one; else ``None``."""
        rules = self._raw[14]
        return Rules(*rules) if rules is not None else None

    @property
    def requires(self) -> tuple[str, ...]:
        """The packages of native Python that the class requires, of ``fs.stat``; else nothing."""
        return tuple(self._raw[16]) if len(self._raw) > 16 else ()

    def __repr__(self) -> str:
        kind = self.class_name or self.type
        rights = "" if self.perms is None else f" {self.perms} {self.owner}"
        return f"<{type(self).__name__} {self.path} {kind} version {self.version}{rights}>"


class Meta(StoredMeta):
    """The properties of what is stored at a path: ``o.meta`` of what was fetched, and the members of a listing. All are known."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def owner(self) -> str: ...
        @property
        def group(self) -> str: ...
        @property
        def perms(self) -> str: ...
        @property
        def created(self) -> datetime: ...
        @property
        def size(self) -> int: ...
        @property
        def node(self) -> str: ...


class VersionInfo(NamedTuple):
    """One version of an object's history."""

    version: int
    modified: datetime
    author: str
    method: str | None
    """The method that made it; ``None`` when it was stored."""
    size: int
    """Bytes of its encoded state."""
    restored: int | None = None
    """The version whose state it has again; ``None`` when it was not restored."""
    operation: str | None = None
    """The operation that made it, when it changed no state (``chmod``, ``chown``); else ``None``."""


class FieldChange(NamedTuple):
    """A field that differs between two versions."""

    field: str
    kind: str
    """``changed``, ``added`` or ``removed``."""
    old: Any
    """Its earlier value; ``None`` when it was added."""
    new: Any
    """Its later value; ``None`` when it was removed."""


class ClassAt(NamedTuple):
    """A class version, as people name it."""

    name: str
    version: int
    hash: str
    """The address, 32 hexadecimal digits."""


class Diff(NamedTuple):
    """What differs between two versions of an object."""

    old: VersionInfo
    new: VersionInfo
    fields: tuple[FieldChange, ...]
    old_class: ClassAt | None
    """The earlier class; ``None``, as ``new_class`` is, when both have the same."""
    new_class: ClassAt | None


class Method(NamedTuple):
    """A method of a class, as the node's analysis found it."""

    name: str
    signature: str
    doc: str | None
    is_async: bool
    is_static: bool
    is_property: bool
    requires: tuple[str, ...] = ()
    """The packages of native Python that its class requires; methods of such a class run there."""


class MemberResult(NamedTuple):
    """One member's outcome in a call on a directory: a result, or an error."""

    name: str
    path: str
    result: Any
    error: Exception | None
    version: int | None = None
    """The object's version after the call; ``None`` when the call changed nothing."""


class Progress(NamedTuple):
    """How far an operation on several objects is."""

    done: int
    failed: int
    total: int | None
    """How many there are; ``None`` when it is not known, which it is when the objects were named one by one."""
    path: str


class Clash(NamedTuple):
    """A name that both of two mixed objects have, and whose member counts."""

    name: str
    kind: str
    """``field`` or ``method``."""
    kept: str
    """The class whose member counts."""
    hidden: str
    """The class whose member is hidden."""


class Mixed(NamedTuple):
    """What a mixin came to."""

    version: int
    cls: ClassAt
    clashes: tuple[Clash, ...]


class Called(NamedTuple):
    """What a call came to."""

    result: Any
    version: int | None
    """The object's version after the call; ``None`` when the call changed nothing."""
    log: str | None
    """What the method printed, when that was asked for."""


class TransactionInfo(NamedTuple):
    """An open transaction."""

    id: str
    name: str | None
    """The name by which the user's clients find it."""
    began: datetime
    expires: datetime
    """When the node rolls it back."""
    operations: int
    """Operations that have been done in it."""
    bytes: int
    """Bytes of memory that it holds."""


def requires_of(lineage: Any) -> tuple[str, ...]:
    """The packages of native Python that a class version and those above it require."""
    return tuple(dict.fromkeys(package for version in lineage if len(version[5]) > 8 for package in version[5][8]))


def methods_of(lineage: Any) -> tuple[Method, ...]:
    """Methods of a class version and those above it."""
    found: dict[str, Method] = {}
    packages = requires_of(lineage)
    for version in lineage:
        for name, params, doc, is_async, is_static, is_property, returns in version[6]:
            if name not in found:
                shown = ", ".join(starmap(_param, params))
                signature = (name if is_property else f"{name}({shown})") + (f" -> {returns}" if returns else "")
                found[name] = Method(name, signature, doc, is_async, is_static, is_property, packages)
    return tuple(found.values())


def _param(name: str, default: str | None, kind: str | None) -> str:
    if kind is not None:
        return f"{name}: {kind}" + (f" = {default}" if default is not None else "")
    return name if default is None else f"{name}={default}"
