"""The file system of a node: every operation once, as a coroutine."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, Union

from . import _classes, _host, _wire
from ._directory import Directory, Told
from ._begin import AsyncBegins
from ._arguments import version_of, whole
from ._bulk import AsyncBulk
from ._calls import Calls
from ._meta import Clash, ClassAt, MemberResult, Meta, Method, Mixed, Progress, methods_of, requires_of
from ._watch import Watches
from ._object import Head, Object, head_of, set_head
from ._paths import At, inside, join, normal, path_of, with_paths
from ._rights import Rights
from ._searches import Searches
from ._trust import Trust
from ._trusted import Trusts
from ._values import Ref, Table
from ._versions import Versions
from .errors import (
    BadArgumentError,
    ConflictError,
    NotFoundError,
    TooDeepError,
    TooLargeError,
    UnmappableValueError,
    from_wire,
)

T = TypeVar("T", bound=Object)
Child = Union[str, Ref, Object]
Children = Union[Child, Iterable[Child], Mapping[str, Object]]


class AsyncFileSystem(AsyncBegins, AsyncBulk, Calls, Rights, Searches, Trust, Versions, Watches):
    """The object file system of a node, with awaitable operations: ``await fs.aio.get("/a")``.

    All raise :class:`emerge.EmergeError` by its subclasses in ``emerge.errors``. ``timeout`` is in seconds; after it the
    node gives up with ``deadline_exceeded``.
    """

    def __init__(self, connection: _host.Connection) -> None:
        self._connection = connection
        self._sent: set[bytes] = set()
        self._trusts = Trusts()
        # Classes on their way, by the loop whose task sends them: many tasks store at once, and one class is enough.
        self._sending: dict[tuple[bytes, Any], asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._connection.state}>"

    async def __aenter__(self) -> AsyncFileSystem:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for what is under way and ends the connection."""
        await self._connection.close_soon()

    async def _reply(self, request: bytes, timeout: float | None) -> Any:
        return await self._read(_host.answer(await self._connection.ask_soon(request, timeout)))

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        request, used = _wire.dumps(with_paths(op))
        if used:
            await self._send_classes(used)
        return await self._reply(request, timeout)

    async def _send_classes(self, used: Iterable[_classes.Record]) -> None:
        for record in used:
            if record.hash not in self._sent:
                await self._send(record)

    async def _send(self, record: _classes.Record) -> None:
        if self._connection.is_plain:
            if record.hash not in self._sent:
                await self._put(record)
            return
        here = record.hash, asyncio.get_running_loop()
        while record.hash not in self._sent:
            other = self._sending.get(here)
            if other is not None:
                # It may fail or be cancelled, and then it is this task's turn.
                await other.wait()
                continue
            arrived = self._sending[here] = asyncio.Event()
            try:
                await self._put(record)
            finally:
                del self._sending[here]
                arrived.set()

    async def _put(self, record: _classes.Record) -> None:
        for needed in record.needs:
            await self._send(needed)
        if record.source is not None:
            await self._ask("put_class", record.source)
        self._sent.add(record.hash)

    def define(self, *classes: type[Object]) -> None:
        """Makes fetched objects of these classes' names their instances; a class statement or a store does so too, unless classes of
        several modules have the name."""
        for cls in classes:
            _classes.define(cls)

    async def store(
        self, path: str, value: T, *, overwrite: bool = False, create: bool = False, timeout: float | None = None
    ) -> T:
        """Stores an object; directories are made on the way.

        Of an object that was fetched from there, or stored there, only the fields that changed are sent.

        Args:
            path: where.
            value: the object; its ``meta`` is new afterwards, and has ``None`` for what the node does not tell of a store.
            overwrite: stores also when the object has changed at the node since it was fetched.
            create: fails with ``already_exists`` when something is there.
            timeout: seconds.

        Raises:
            ConflictError: the object has moved on since it was fetched.
        """
        if isinstance(value, Object) and value._emerge_is_part:
            raise UnmappableValueError(
                f"an object that came with some of its fields cannot be stored: fs.get({value.meta and value.meta.path!r}) gives the whole",
                path=path,
            )
        if not isinstance(value, Object):
            raise UnmappableValueError(
                f"only an instance of a class that extends emerge.Object can be stored, not a {type(value).__qualname__}",
                path=path,
            )
        try:
            return await self._store(normal(path), value, overwrite, create, timeout)
        except (TooLargeError, TooDeepError) as error:
            if error.field is not None:
                raise
            raise _wire.of_field(error, _classes.fields_of(value)) from None

    async def _store(self, path: str, value: T, overwrite: bool, create: bool, timeout: float | None) -> T:
        cls = type(value)
        record = _classes.record_of(cls)
        address = record.hash
        state, used = _wire.dumps(_classes.fields_of(value), keeps=True)
        await self._send_classes([record, *used])
        head = head_of(value)
        if head is not None and head.version == 0 and head.path == path:
            raise BadArgumentError(
                "the object of a running method is stored by itself when the method ends, with all that the method set: leave the store out",
                path=path,
            )
        if head is not None and head.path == path and not create and not head.historic:
            changed, removed = _host.host().changes(head.state(), state)
            fields = _classes.fields_of(value)
            patch = {name: fields[name] for name in changed}
            mode = "overwrite" if overwrite else "patch"
            op: tuple[Any, ...] = (
                "store", path, address, patch, mode, head.version, removed, head.meta._raw[1],
            )  # fmt: skip
        elif head is not None and head.historic and head.path == path and not overwrite:
            raise ConflictError(
                f"version {head.version} of {path} is not its newest; overwrite to restore it", path=path
            )
        else:
            op = ("store", path, address, _classes.fields_of(value), "create" if create else "put")
        request, used = _wire.dumps(op, keeps=True)
        await self._send_classes(used)
        made, version, modified = await self._reply(request, timeout)
        known = head.meta._raw if head is not None and head.path == path else _UNKNOWN
        raw = (
            path.rpartition("/")[2], made, "object", cls.__name__, address, known[5] if known[4] == address else None,
            known[6], known[7], known[8], version, modified if version == 1 else known[10], modified, None, known[13], None, None,
        )  # fmt: skip
        set_head(value, Head(path, raw, version, lambda: state, False))
        return value

    async def get(self, path: At, *, version: int | datetime | None = None, timeout: float | None = None) -> Any:
        """Fetches an object, as an instance of this program's class of that name; or a :class:`Directory`.

        Nothing stored is ever run by it: of a class that this program lacks the object shows its fields, and its
        methods say where they run.

        Args:
            path: which; or a path into an object, such as ``/customers/c0#farms[0].name``, which gives what is there. A
                reference at that place leads on to its object.
            version: an earlier version, by its number or by a moment (with a time zone) at which it was current.
            timeout: seconds.
        """
        if type(path) is not str:
            path = path_of(path)
        request, _ = _wire.dumps(("get", path, version_of(version)))
        good, payload = await self._connection.ask_soon(request, timeout)
        if not good:
            raise _host.failure(payload)
        raw, fields, *led = await self._read(payload)
        if raw[4] is None:
            return self._told(normal(path), raw, fields, led[3] if led else None)
        if led:
            if led[1] is not None:
                return fields
            path, version = str(led[0]), None
        cls = _classes.known(raw[4], raw[3]) or await self._shown_class(raw[4])
        value = _classes.instance(cls, raw[4], fields)
        path = normal(path)

        def state() -> bytes:
            return _wire.dumps_known(_wire.loads(payload)[1])

        set_head(value, Head(path, raw, raw[9], state, version is not None))
        return value

    async def children(
        self,
        path: At,
        field: str | None = None,
        *,
        version: int | datetime | None = None,
        timeout: float | None = None,
    ) -> builtins.list[Any]:
        """Fetches the objects that a list of references leads to, in one request unless they are many or large.

        For a child that was deleted, or that the caller may not read, there is ``None`` in its place.

        Args:
            path: whose children, or a path into an object to the list.
            field: the field path of the list, such as ``farms``.
            version: an earlier version of the list.
            timeout: seconds.
        """
        at = inside(path_of(path), field)
        found: list[Any] = []
        while True:
            *_, (total, items) = await self._ask("get", at, version_of(version), len(found), timeout=timeout)
            for child in items:
                found.append(await self._child(*child))
            if not items or len(found) >= total:
                return found

    async def _child(self, path: str, raw: Any, fields: Any, error: Any) -> Any:
        if error is not None:
            if error[0] in ("not_found", "permission_denied"):
                return None
            raise from_wire(error)
        state = _wire.dumps_known(fields)
        cls = _classes.known(raw[4], raw[3]) or await self._shown_class(raw[4])
        value = _classes.instance(cls, raw[4], fields)
        set_head(value, Head(path, raw, raw[9], lambda: state, False))
        return value

    async def add(self, parent: At, field: str, children: Children, *, timeout: float | None = None) -> int:
        """Makes objects the children of another, and gives the parent's version.

        References to them are added to the list in a field of the parent, which is made when it is not there.

        Args:
            parent: whose children they become.
            field: the field path of the list, such as ``farms``.
            children: a path, a reference or a stored object, or several; or, to be stored by the same transaction, a
                dict from path to new object.
            timeout: seconds.

        Raises:
            AlreadyExistsError: a child is in the list already, or something is stored at the path of a new one.
        """
        raw: list[tuple[Any, ...]] = []
        new: builtins.list[_classes.Record] = []
        if isinstance(children, Mapping):
            for path, child in children.items():
                if not isinstance(child, Object):
                    raise UnmappableValueError(
                        f"what is to be stored at {path} is no instance of emerge.Object", path=path
                    )
                new.append(_classes.record_of(type(child)))
                raw.append((path, new[-1].hash, _classes.fields_of(child)))
        elif isinstance(children, (str, Ref, Object)):
            raw.append((path_of(children),))
        else:
            raw += [(path_of(child),) for child in children]
        request, used = _wire.dumps(("add", path_of(parent), field, raw), keeps=True)
        await self._send_classes([*new, *used])
        return int((await self._reply(request, timeout))[1])

    async def set(self, path: str, value: Any, *, base: int | None = None, timeout: float | None = None) -> int:
        """Sets one place inside an object, and gives the object's version: ``fs.set("/customers/c0#address.city", "Ulm")``.

        Args:
            path: a path into an object; its last name may be new.
            value: what is to be there.
            base: the version that the object should be at; it is a conflict when it is at another.
            timeout: seconds.
        """
        request, used = _wire.dumps(("set", path, value, base), keeps=True)
        await self._send_classes(used)
        return int((await self._reply(request, timeout))[1])

    def _told(self, path: str, raw: Any, fields: dict[str, Any], members: Any) -> Directory | Told:
        """What has no class: a directory, or what the node itself tells."""
        meta = Meta(path, raw)
        if members is None:
            return Told(meta, fields)
        first = tuple(Meta(join(meta.path, each[0]), each) for each in members[0])
        return Directory(meta, first, members[1], lambda after: self._rest_of(meta.path, after))

    def _rest_of(self, path: str, after: str) -> Any:
        return self._listed(path, after, None, None, None, False)

    async def stat(self, path: At, *, timeout: float | None = None) -> Meta:
        """Fetches the properties of what is stored at a path."""
        path = path_of(path)
        return Meta(normal(path), await self._ask("stat", path, timeout=timeout))

    async def exists(self, path: At, *, timeout: float | None = None) -> bool:
        """Whether anything is stored at a path, or at a place inside an object."""
        try:
            await self.stat(path, timeout=timeout)
        except NotFoundError:
            return False
        except BadArgumentError as error:
            # A part that is there is no object, which has properties: it is said in which object it is.
            if error.path is None:
                raise
        return True

    def list(
        self,
        path: str = "/",
        *,
        glob: str | None = None,
        sort: str | None = None,
        descending: bool = False,
        after: str | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[Meta]:
        """Lists a directory with the properties of its members: ``async for meta in fs.aio.list("/")``.

        Args:
            path: which.
            glob: only members whose names match: ``*.txt``, ``?``, ``[a-z]``, ``{a,b}``.
            sort: ``name``, ``size``, ``modified``, ``created`` or ``class``; by another than the name, a directory has at most 20,000
                members.
            descending: whether the last comes first.
            after: goes on after this name; of a sorted listing, after the cursor that :meth:`page` gave.
            page_size: members fetched at a time, at most 1000.
        """
        return self._listed(path, after, page_size, glob, sort, descending)

    async def _listed(
        self,
        path: str,
        after: str | None,
        page_size: int | None,
        glob: str | None,
        sort: str | None,
        descending: bool,
    ) -> AsyncIterator[Meta]:
        request, _ = _wire.dumps(("list", path, after, whole(page_size, "page_size"), glob, sort, descending))
        async for page in _host.each(self._connection.stream(request, None)):
            for raw in _wire.loads(page)[0]:
                yield Meta(join(path, raw[0]), raw)

    async def page(
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
        """One page of a listing, and the cursor to go on after; ``None`` on the last page.

        Args:
            path: which.
            glob: as in :meth:`list`.
            sort: as in :meth:`list`.
            descending: as in :meth:`list`.
            after: the cursor that the page before gave.
            page_size: members at most, at most 1000.
            timeout: seconds.

        Raises:
            BadArgumentError: the cursor is one of another order.
        """
        page = await self._ask(
            "list", path, after, whole(page_size, "page_size"), glob, sort, descending, timeout=timeout
        )
        return [Meta(join(path, raw[0]), raw) for raw in page[0]], page[1]

    async def query(self, path: At, *, frames: bool = False, timeout: float | None = None) -> Any:
        """Runs a query object's own ``query(fs)`` on the node, with the rights of who asks, and gives what it gave.

        The object keeps it in its field ``results``, with ``results_at`` and ``results_by``: read it later by
        ``fs.get("/queries/q1#results")``. Objects are kept as references; :meth:`children` fetches them.

        Args:
            path: which query object.
            frames: gives a table as a ``pandas.DataFrame``.
            timeout: seconds.
        """
        trusted = self._trusts.hashes
        (result, *_) = await self._ask("query", path_of(path), *((trusted,) if trusted else ()), timeout=timeout)
        return result.to_pandas() if frames and isinstance(result, Table) else result

    async def mixin(
        self, first: At, second: At, to: str, *, name: str | None = None, timeout: float | None = None
    ) -> Mixed:
        """Mixes two objects: a new object with the fields of both, of a new class with the methods of both.

        Args:
            first: the object whose members count where both have one of a name.
            second: the other.
            to: where the new object is to be.
            name: the name of the new class; both names together when it is left out.
            timeout: seconds.

        Raises:
            ClassInvalidError: there can be no such class.
        """
        op = ("mixin", path_of(first), path_of(second), to, name)
        stored, at, clashes = await self._ask(*op, timeout=timeout)
        told = (Clash(each[0], "method" if each[1] else "field", each[2], each[3]) for each in clashes)
        return Mixed(int(stored[1]), ClassAt(at[0], at[1], at[2].hex()), tuple(told))

    async def migrate(
        self,
        path: At,
        cls: type[Object],
        how: str | Callable[[Any], Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> int | None:
        """Gives an object another class version, and its fields what that declares.

        Args:
            path: which object.
            cls: the class that it is to have, as this program has it.
            how: what gives the new fields for the old ones: the name of a method of ``cls``, or a function, which is sent by its
                source and uses nothing from around it. Without it the fields stay, and new ones have their defaults, or what
                their factories make on the node.
            timeout: seconds.

        Returns:
            The object's new version; ``None`` when it had that class version already.

        Raises:
            BadArgumentError: a new field has no default.
        """
        called = await self._ask("migrate", path_of(path), await self._version(cls), _how(how), timeout=timeout)
        version: int | None = called[1]
        return version

    async def migrate_each(
        self,
        path: str,
        cls: type[Object],
        how: str | Callable[[Any], Any] | None = None,
        *,
        of: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> AsyncIterator[MemberResult]:
        """Migrates each member of a directory that has another version of the class, each in a transaction of its own.

        Args:
            path: the directory.
            cls: as in :meth:`migrate`.
            how: as in :meth:`migrate`.
            of: takes the objects of the class of this name instead.
            progress: is told after each object.
        """
        op = ("migrate", path, await self._version(cls), _how(how), of)
        async for member in self._each(op, path, progress, None):
            yield member

    async def _version(self, cls: type[Object]) -> bytes:
        if not (isinstance(cls, type) and issubclass(cls, Object)):
            raise BadArgumentError(f"a class that inherits from emerge.Object is wanted, not {cls!r}", field="cls")
        record = _classes.record_of(cls)
        await self._send_classes([record])
        return record.hash

    async def _matched(self, path: str, raw: Any, fields: dict[str, Any], is_part: bool) -> Any:
        cls = _classes.known(raw[4], raw[3]) or await self._shown_class(raw[4])
        state = _wire.dumps_known(fields)
        if is_part:
            from ._standin import part

            value: Any = part(raw[3], cls, fields)
        else:
            value = _classes.instance(cls, raw[4], fields)
        set_head(value, Head(path, raw, raw[9], lambda: state, False))
        return value

    async def mkdir(self, path: str, *, exist_ok: bool = False, timeout: float | None = None) -> None:
        """Makes a directory and those above it."""
        await self._ask("mkdir", path, exist_ok, timeout=timeout)

    async def rm(self, path: At, *, recursive: bool = False, timeout: float | None = None) -> None:
        """Removes an object or an empty directory; with ``recursive`` a directory and all in it."""
        await self._ask("rm", path, recursive, timeout=timeout)

    async def mv(self, source: At, target: str, *, timeout: float | None = None) -> None:
        """Moves or renames; identities stay. Onto a directory: into it."""
        await self._ask("mv", source, target, timeout=timeout)

    async def methods(self, path: At, *, timeout: float | None = None) -> tuple[Method, ...]:
        """An object's methods, own and inherited; a nearer one hides a farther one of the same name."""
        return methods_of(await self._ask("class", path_of(path), timeout=timeout))

    async def code(self, path: At, *, timeout: float | None = None) -> str:
        """The source of an object's class."""
        name, _, text, *rest = (await self._ask("class", path_of(path), timeout=timeout))[0][5]
        # A module is said to be one.
        return (
            f"class {name}: a WebAssembly module of {len(rest[4])} bytes"
            if len(rest) > 4 and rest[4] is not None
            else str(text)
        )

    async def help(self, path: At, *, timeout: float | None = None) -> str:
        """What an object's class says of itself, for people."""
        lineage = await self._ask("class", path_of(path), timeout=timeout)
        name, language, _, bases, fields, doc, *_ = lineage[0][5]
        above = f"({', '.join(base[0] for base in bases)})" if bases else ""
        lines = [f"class {name}{above}, {language}, version {lineage[0][2]}"]
        if doc:
            lines += ["", doc]
        packages = requires_of(lineage)
        if packages:
            lines += ["", f"requires {', '.join(packages)}"]
        if fields:
            lines += ["", "fields"]
            for field, kind, has_default, default, about in fields:
                text = f"    {field}: {kind}" + (f" = {default!r}" if has_default else "")
                lines.append(text + (f"  {about}" if about else ""))
        methods = methods_of(lineage)
        if methods:
            lines += ["", "methods"]
            for method in methods:
                lines.append(f"    {method.signature}" + (f"  {method.doc.splitlines()[0]}" if method.doc else ""))
        return "\n".join(lines)


def _how(how: str | Callable[[Any], Any] | None) -> str | None:
    """The name of a method or the source of a function."""
    if how is None or isinstance(how, str):
        return how
    from ._travel import function_text

    return function_text(how)


_UNKNOWN: tuple[Any, ...] = ("", bytes(16), "object", *[None] * 13)
"""What a store's reply does not tell."""
