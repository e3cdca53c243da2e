"""The file system of a node with plain calls, which wait; and connecting."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from datetime import datetime
from os import PathLike, fsdecode
from typing import Any, TypeVar

from . import _address, _host
from ._aio import AsyncFileSystem, Children
from ._meta import (
    Called,
    Diff,
    GroupInfo,
    MemberResult,
    Meta,
    Method,
    Mixed,
    NewToken,
    Progress,
    QuotaInfo,
    TokenInfo,
    UserInfo,
    VersionInfo,
)
from ._begin import Begins
from ._bulk import Bulk
from ._calls import Several
from ._object import Object
from ._paths import At, path_of
from ._proxy import Proxy
from ._search import IndexInfo, Search
from ._trusted import TrustedClass
from ._values import Ref
from ._watch import Watches

T = TypeVar("T", bound=Object)
R = TypeVar("R")


class Waiting(_host.Connection):
    """A connection whose coroutines wait in place, so that they end at their first step."""

    is_plain = True

    def __init__(self, connection: _host.Connection) -> None:
        self._inner = connection

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self._inner.ask(request, timeout)

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self._inner.ask(request, timeout)

    def stream(self, request: bytes, timeout: float | None, credit: int = _host.CREDIT) -> _host.Items:
        return _WaitingItems(self._inner.stream(request, timeout, credit))

    def close(self) -> None:
        self._inner.close()

    async def close_soon(self) -> None:
        self._inner.close()

    @property
    def state(self) -> str:
        return self._inner.state


class _WaitingItems(_host.Items):
    def __init__(self, inner: _host.Items) -> None:
        self._inner = inner

    def take(self) -> tuple[bool, bytes] | None:
        return self._inner.take()

    async def take_soon(self) -> tuple[bool, bytes] | None:
        return self._inner.take()

    def abandon(self) -> None:
        self._inner.abandon()


def run(operation: Coroutine[Any, Any, R]) -> R:
    """The result of an operation of a :class:`Waiting` connection."""
    value: R = _host.finish(operation)
    return value


def _iterate(items: Any) -> Iterator[Any]:
    while True:
        try:
            yield run(items.__anext__())
        except StopAsyncIteration:
            return


class _AllWaiting(AsyncFileSystem):
    """All operations, whose coroutines wait in place."""

    def _rest_of(self, path: str, after: str) -> Any:
        return _iterate(super()._rest_of(path, after))


class FileSystem(Begins, Bulk, Watches):
    """The object file system of a node. Its calls wait; ``fs.aio`` has the same ones to be awaited.

    All raise :class:`emerge.EmergeError` by its subclasses in ``emerge.errors``. ``timeout`` is in seconds; after it the
    node gives up with ``deadline_exceeded``. Safe to use from several threads.
    """

    def __init__(self, connection: _host.Connection) -> None:
        self._connection = connection
        self._all = _AllWaiting(Waiting(connection))
        self.aio = AsyncFileSystem(connection)
        self.aio._trusts = self._all._trusts
        """The asynchronous twin of every call."""

    def __repr__(self) -> str:
        return f"<FileSystem {self._connection.state}>"

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> FileSystem:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aio.close()

    def close(self) -> None:
        """Waits for what is under way and ends the connection."""
        self._connection.close()

    def define(self, *classes: type[Object]) -> None:
        """Makes fetched objects of these classes' names their instances; a class statement or a store does so too, unless classes of
        several modules have the name."""
        self._all.define(*classes)

    def trust(self, path: At, *, here: bool = True, keep: bool = False, timeout: float | None = None) -> type[Object]:
        """Trusts an object's class, here and on the node; see :meth:`AsyncFileSystem.trust`."""
        return run(self._all.trust(path, here=here, keep=keep, timeout=timeout))

    def trusted(self) -> list[TrustedClass]:
        """The class versions that this program trusts; see :meth:`AsyncFileSystem.trusted`."""
        return self._all.trusted()

    def distrust(self, hash: str) -> bool:
        """Trusts a class version no longer; see :meth:`AsyncFileSystem.distrust`."""
        return self._all.distrust(hash)

    def store(
        self, path: str, value: T, *, overwrite: bool = False, create: bool = False, timeout: float | None = None
    ) -> T:
        """Stores an object; see :meth:`AsyncFileSystem.store`."""
        return run(self._all.store(path, value, overwrite=overwrite, create=create, timeout=timeout))

    def get(self, path: At, *, version: int | datetime | None = None, timeout: float | None = None) -> Any:
        """Fetches an object; see :meth:`AsyncFileSystem.get`."""
        return run(self._all.get(path, version=version, timeout=timeout))

    def children(
        self,
        path: At,
        field: str | None = None,
        *,
        version: int | datetime | None = None,
        timeout: float | None = None,
    ) -> builtins.list[Any]:
        """Fetches the objects that a list of references leads to; see :meth:`AsyncFileSystem.children`."""
        return run(self._all.children(path, field, version=version, timeout=timeout))

    def add(self, parent: At, field: str, children: Children, *, timeout: float | None = None) -> int:
        """Makes objects the children of another; see :meth:`AsyncFileSystem.add`."""
        return run(self._all.add(parent, field, children, timeout=timeout))

    def set(self, path: str, value: Any, *, base: int | None = None, timeout: float | None = None) -> int:
        """Sets one place inside an object; see :meth:`AsyncFileSystem.set`."""
        return run(self._all.set(path, value, base=base, timeout=timeout))

    def stat(self, path: At, *, timeout: float | None = None) -> Meta:
        """Fetches the properties of what is stored at a path."""
        return run(self._all.stat(path, timeout=timeout))

    def exists(self, path: At, *, timeout: float | None = None) -> bool:
        """Whether anything is stored at a path."""
        return run(self._all.exists(path, timeout=timeout))

    def list(
        self,
        path: str = "/",
        *,
        glob: str | None = None,
        sort: str | None = None,
        descending: bool = False,
        after: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Meta]:
        """Lists a directory: ``for meta in fs.list("/")``; see :meth:`AsyncFileSystem.list`."""
        listed = self._all.list(path, glob=glob, sort=sort, descending=descending, after=after, page_size=page_size)
        return _iterate(listed)

    def page(
        self,
        path: str = "/",
        *,
        glob: str | None = None,
        sort: str | None = None,
        descending: bool = False,
        after: str | None = None,
        page_size: int | None = None,
        timeout: float | None = None,
    ) -> tuple[builtins.list[Meta], str | None]:
        """One page of a listing, and the cursor to go on after; see :meth:`AsyncFileSystem.page`."""
        given: dict[str, Any] = {"glob": glob, "sort": sort, "descending": descending, "after": after}
        return run(self._all.page(path, page_size=page_size, timeout=timeout, **given))

    def call(self, path: At, method: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Runs a method on the node; see :meth:`AsyncFileSystem.call`."""
        return run(self._all.call(path, method, *args, timeout=timeout, **kwargs))

    def invoke(
        self,
        path: At,
        method: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        log: bool = False,
        deadline: float | None = None,
        timeout: float | None = None,
    ) -> Called:
        """Runs a method of one object on the node; see :meth:`AsyncFileSystem.invoke`."""
        given: dict[str, Any] = {"kwargs": kwargs, "log": log, "deadline": deadline, "timeout": timeout}
        return run(self._all.invoke(path, method, *args, **given))

    def call_each(
        self,
        path: Several,
        method: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        atomic: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[MemberResult]:
        """Runs a method on each member of a directory, or on each of several objects; see :meth:`AsyncFileSystem.call_each`."""
        given: dict[str, Any] = {"kwargs": kwargs, "deadline": deadline, "atomic": atomic, "progress": progress}
        return _iterate(self._all.call_each(path, method, *args, **given))

    def query(self, path: At, *, frames: bool = False, timeout: float | None = None) -> Any:
        """Runs a query object's query and keeps what it gives in the object; see :meth:`AsyncFileSystem.query`."""
        return run(self._all.query(path, frames=frames, timeout=timeout))

    def mixin(self, first: At, second: At, to: str, *, name: str | None = None, timeout: float | None = None) -> Mixed:
        """Mixes two objects into a new one; see :meth:`AsyncFileSystem.mixin`."""
        return run(self._all.mixin(first, second, to, name=name, timeout=timeout))

    def migrate(
        self,
        path: At,
        cls: type[Object],
        how: str | Callable[[Any], Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> int | None:
        """Gives an object another class version; see :meth:`AsyncFileSystem.migrate`."""
        return run(self._all.migrate(path, cls, how, timeout=timeout))

    def migrate_each(
        self,
        path: str,
        cls: type[Object],
        how: str | Callable[[Any], Any] | None = None,
        *,
        of: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[MemberResult]:
        """Migrates each member of a directory; see :meth:`AsyncFileSystem.migrate_each`."""
        return _iterate(self._all.migrate_each(path, cls, how, of=of, progress=progress))

    def proxy(self, path: At, *, timeout: float | None = None) -> Any:
        """Stands for an object on the node: ``fs.proxy("/a").total_cost()`` runs there; see :meth:`AsyncFileSystem.proxy`."""
        return Proxy(
            path_of(path), lambda at, name, args, kwargs: run(self._all._call(at, name, args, kwargs, timeout))
        )

    def search(
        self,
        wanted: Any = None,
        params: dict[str, Any] | None = None,
        *,
        directory: str = "/",
        class_: Any = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        fields: Any = None,
        page_size: int | None = None,
        text: str | None = None,
        text_fields: Any = None,
    ) -> Search:
        """Finds objects: ``for item in fs.search(lambda o: o.unit_price < 3.5)``; see :meth:`AsyncFileSystem.search`."""
        search = self._all.search(
            wanted, params, directory=directory, class_=class_, order=order, descending=descending, limit=limit,
            fields=fields, page_size=page_size, text=text, text_fields=text_fields,
        )  # fmt: skip
        return Search(search, run, _iterate)

    def search_text(
        self,
        text: str,
        wanted: Any = None,
        params: dict[str, Any] | None = None,
        *,
        text_fields: Any = None,
        directory: str = "/",
        class_: Any = None,
        limit: int | None = None,
        fields: Any = None,
        page_size: int | None = None,
    ) -> Search:
        """Finds objects whose texts hold some words: ``for match in fs.search_text("red wid*")``; see :meth:`AsyncFileSystem.search_text`."""
        search = self._all.search_text(
            text, wanted, params, text_fields=text_fields, directory=directory, class_=class_, limit=limit, fields=fields,
            page_size=page_size,
        )  # fmt: skip
        return Search(search, run, _iterate)

    def create_index(self, class_: Any, field: str, *, unique: bool = False, timeout: float | None = None) -> IndexInfo:
        """Makes an index by a class and a field; see :meth:`AsyncFileSystem.create_index`."""
        return run(self._all.create_index(class_, field, unique=unique, timeout=timeout))

    def drop_index(self, class_: Any, field: str, *, timeout: float | None = None) -> bool:
        """Drops an index; gives whether there was one."""
        return run(self._all.drop_index(class_, field, timeout=timeout))

    def indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """All indexes."""
        return run(self._all.indexes(timeout=timeout))

    def mkdir(self, path: str, *, exist_ok: bool = False, timeout: float | None = None) -> None:
        """Makes a directory and those above it."""
        run(self._all.mkdir(path, exist_ok=exist_ok, timeout=timeout))

    def rm(self, path: At, *, recursive: bool = False, timeout: float | None = None) -> None:
        """Removes an object or an empty directory; with ``recursive`` a directory and all in it."""
        run(self._all.rm(path, recursive=recursive, timeout=timeout))

    def mv(self, source: At, target: str, *, timeout: float | None = None) -> None:
        """Moves or renames; identities stay. Onto a directory: into it."""
        run(self._all.mv(source, target, timeout=timeout))

    def cp(
        self,
        source: str,
        target: str,
        *,
        recursive: bool = False,
        on_progress: Callable[[int, str], object] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Copies; see :meth:`AsyncFileSystem.cp`."""
        run(self._all.cp(source, target, recursive=recursive, on_progress=on_progress, timeout=timeout))

    def history(
        self, path: At, *, before: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> tuple[VersionInfo, ...]:
        """The newest versions of an object or a directory; see :meth:`AsyncFileSystem.history`."""
        return run(self._all.history(path, before=before, limit=limit, timeout=timeout))

    def purge(self, path: At, *, recursive: bool = False, timeout: float | None = None) -> None:
        """Removes as :meth:`rm` does, and forgets all versions at once."""
        run(self._all.purge(path, recursive=recursive, timeout=timeout))

    def set_rules(
        self, path: At, *, keep: str | None = None, mask: str | int | None = None, timeout: float | None = None
    ) -> int:
        """Sets rules for all that lies below a directory; see :meth:`AsyncFileSystem.set_rules`."""
        return run(self._all.set_rules(path, keep=keep, mask=mask, timeout=timeout))

    def users(self, *, timeout: float | None = None) -> tuple[UserInfo, ...]:
        """The users that the node knows, which only the administrator may see and change."""
        return run(self._all.users(timeout=timeout))

    def add_user(self, name: str, groups: Iterable[str] = (), *, timeout: float | None = None) -> str:
        """Makes a user, in some groups. Gives the token, which is kept nowhere."""
        return run(self._all.add_user(name, groups, timeout=timeout))

    def new_token(self, name: str, *, timeout: float | None = None) -> str:
        """Gives a user another token; the present one is not valid any more."""
        return run(self._all.new_token(name, timeout=timeout))

    def remove_user(self, name: str, *, timeout: float | None = None) -> None:
        """Forgets a user, whose token is not valid any more. Their objects stay."""
        run(self._all.remove_user(name, timeout=timeout))

    def tokens(self, user: str | None = None, *, timeout: float | None = None) -> tuple[TokenInfo, ...]:
        """The tokens that the caller may see; see :meth:`AsyncFileSystem.tokens`."""
        return run(self._all.tokens(user, timeout=timeout))

    def create_token(
        self,
        user: str | None = None,
        *,
        scope: str | Iterable[str] | None = None,
        expires: datetime | None = None,
        note: str | None = None,
        timeout: float | None = None,
    ) -> NewToken:
        """Makes a token; see :meth:`AsyncFileSystem.create_token`."""
        return run(self._all.create_token(user, scope=scope, expires=expires, note=note, timeout=timeout))

    def revoke_token(self, id: str, user: str | None = None, *, timeout: float | None = None) -> tuple[TokenInfo, ...]:
        """Takes a token back, and those that were made with it."""
        return run(self._all.revoke_token(id, user, timeout=timeout))

    def quotas(self, user: str | None = None, *, timeout: float | None = None) -> tuple[QuotaInfo, ...]:
        """What users store and may store; see :meth:`AsyncFileSystem.quotas`."""
        return run(self._all.quotas(user, timeout=timeout))

    def set_quota(
        self, user: str, *, objects: int | None = None, bytes: int | None = None, timeout: float | None = None
    ) -> QuotaInfo:
        """Says what a user may store from now on; see :meth:`AsyncFileSystem.set_quota`."""
        return run(self._all.set_quota(user, objects=objects, bytes=bytes, timeout=timeout))

    def groups(self, *, timeout: float | None = None) -> tuple[GroupInfo, ...]:
        """The groups that the node knows, with their members."""
        return run(self._all.groups(timeout=timeout))

    def add_group(self, name: str, *, timeout: float | None = None) -> None:
        """Makes a group."""
        run(self._all.add_group(name, timeout=timeout))

    def remove_group(self, name: str, *, timeout: float | None = None) -> None:
        """Forgets a group; nobody is in it any more."""
        run(self._all.remove_group(name, timeout=timeout))

    def join_group(self, name: str, user: str, *, timeout: float | None = None) -> None:
        """Takes a user into a group."""
        run(self._all.join_group(name, user, timeout=timeout))

    def leave_group(self, name: str, user: str, *, timeout: float | None = None) -> None:
        """Lets a user out of a group."""
        run(self._all.leave_group(name, user, timeout=timeout))

    def diff(
        self, path: At, old: int | datetime, new: int | datetime | None = None, *, timeout: float | None = None
    ) -> Diff:
        """What differs between two versions of an object; see :meth:`AsyncFileSystem.diff`."""
        return run(self._all.diff(path, old, new, timeout=timeout))

    def restore(
        self, path: At, version: int | datetime, *, base: int | None = None, timeout: float | None = None
    ) -> int:
        """Makes a version with the state of an earlier one; see :meth:`AsyncFileSystem.restore`."""
        return run(self._all.restore(path, version, base=base, timeout=timeout))

    def chmod(self, path: At, perms: str | int, *, recursive: bool = False, timeout: float | None = None) -> int:
        """Changes permissions; see :meth:`AsyncFileSystem.chmod`."""
        return run(self._all.chmod(path, perms, recursive=recursive, timeout=timeout))

    def chown(
        self,
        path: At,
        owner: str | None = None,
        *,
        group: str | None = None,
        recursive: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Gives to another owner or group; see :meth:`AsyncFileSystem.chown`."""
        return run(self._all.chown(path, owner, group=group, recursive=recursive, timeout=timeout))

    def methods(self, path: At, *, timeout: float | None = None) -> tuple[Method, ...]:
        """An object's methods, own and inherited."""
        return run(self._all.methods(path, timeout=timeout))

    def code(self, path: At, *, timeout: float | None = None) -> str:
        """The source of an object's class."""
        return run(self._all.code(path, timeout=timeout))

    def help(self, path: At, *, timeout: float | None = None) -> str:
        """What an object's class says of itself, for people."""
        return run(self._all.help(path, timeout=timeout))


class Connecting(Coroutine[Any, Any, "FileSystem"]):
    """A connection in the making: awaited, run as a task, or used with ``async with``."""

    def __init__(self, url: str, token: str, agent: str, ca: str | None) -> None:
        self._args = (url, token, agent, ca)
        self._fs: FileSystem | None = None
        self._running: Coroutine[Any, Any, FileSystem] | None = None

    async def _connect(self) -> FileSystem:
        self._fs = FileSystem(await _host.host().connect_soon(*self._args))
        return self._fs

    def __await__(self) -> Generator[Any, None, FileSystem]:
        return self._connect().__await__()

    def _begun(self) -> Coroutine[Any, Any, FileSystem]:
        if self._running is None:
            self._running = self._connect()
        return self._running

    def send(self, value: Any) -> Any:
        """As a coroutine's, for ``asyncio.run`` and tasks."""
        return self._begun().send(value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """As a coroutine's."""
        # With three arguments Python 3.12 and later warn.
        error = kind if value is None else value if isinstance(value, BaseException) else kind(value)
        return self._begun().throw(error if traceback is None else error.with_traceback(traceback))

    def close(self) -> None:
        """As a coroutine's."""
        if self._running is not None:
            self._running.close()

    async def __aenter__(self) -> FileSystem:
        return await self._connect()

    async def __aexit__(self, *_: object) -> None:
        if self._fs is not None:
            await self._fs.aio.close()


def _file(path: str | PathLike[str] | None) -> str | None:
    return None if path is None else fsdecode(path)


class _Connect:
    """``emerge.connect(url)`` waits; ``await emerge.connect.aio(url)`` lets other tasks run."""

    def __call__(
        self,
        url: str | None = None,
        token: str = "",
        *,
        agent: str = "emerge-python",
        ca: str | PathLike[str] | None = None,
    ) -> FileSystem:
        """Connects to a node, and waits until it has welcomed this program.

        Args:
            url: ``ws://host:port``, or the whole link that the node printed, whose ``?token=…`` counts as ``token``. Without one, that
                of the environment's ``EMERGE_URL``, which a notebook's node sets, or else the one that ``emerge init`` remembered, or
                else ``ws://127.0.0.1:5558``.
            token: who is calling. Without one, that of ``EMERGE_TOKEN`` or the remembered one, if it belongs to this node.
            agent: a name for the node's log.
            ca: a file of certificates (PEM) that are trusted to name the node over TLS, and these alone. Without one, that which the
                environment's ``EMERGE_CA`` names, or else those of the system. In Pyodide the browser decides.

        Raises:
            BadArgumentError: the URL is none of a node.
            DisconnectedError: nobody answers there.
            UnauthenticatedError: the token is missing, wrong or expired.
            UnsupportedVersionError: the node speaks another version of the protocol.
        """
        return FileSystem(_host.host().connect(*_address.resolve(url, token), agent, _file(ca)))

    def aio(
        self,
        url: str | None = None,
        token: str = "",
        *,
        agent: str = "emerge-python",
        ca: str | PathLike[str] | None = None,
    ) -> Connecting:
        """As a plain call, to be awaited: ``fs = await emerge.connect.aio(url)`` or ``async with``."""
        return Connecting(*_address.resolve(url, token), agent, _file(ca))


connect = _Connect()
_guest: FileSystem | None = None


def of_guest() -> FileSystem:
    """The file system of the node that runs this method.

    Raises:
        AttributeError: this Python is no method on a node.
    """
    global _guest
    if _guest is None:
        from ._host_guest import GuestConnection, inside

        if not inside():
            raise AttributeError(
                "emerge.fs is there within methods that run on a node; elsewhere use emerge.connect(url)"
            )
        _guest = FileSystem(GuestConnection())
    return _guest
