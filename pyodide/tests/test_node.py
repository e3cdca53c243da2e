"""Against a real node."""

from __future__ import annotations

import asyncio
import socket
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

import emerge
from conftest import wait_for
from emerge import errors


@emerge.dataclass
class InventoryItem(emerge.Object):
    """A thing on a shelf."""

    unit_price: float = 0.0
    quantity_on_hand: int = 0

    def total_cost(self) -> float:
        return self.unit_price * self.quantity_on_hand

    def sell(self, count: int) -> int:
        self.quantity_on_hand -= count
        return self.quantity_on_hand

    def fail(self):
        print("about to fail")
        raise ValueError("no more")


@emerge.dataclass
class Awaiting(emerge.Object):
    """Its methods use asyncio, as far as that goes without a machine below."""

    count: int = 0

    async def one(self, by: int) -> int:
        before = self.count
        await asyncio.sleep(0)
        self.count += by
        return before

    async def gathered(self):
        first = asyncio.create_task(self.one(1), name="first")
        async with asyncio.TaskGroup() as group:
            second = group.create_task(self.one(2))
        queue = asyncio.Queue(1)
        await asyncio.gather(queue.put(self.count), self.one(4), self.one(8))
        return [await first, second.result(), await queue.get(), asyncio.current_task() is not None]

    async def late(self):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        except TimeoutError:
            pass
        async with asyncio.timeout(7200):
            await asyncio.sleep(3600)
        others = [meta.name async for meta in emerge.fs.aio.list(self.meta.path.rpartition("/")[0])]
        return others, asyncio.get_running_loop().time()

    def plainly(self):
        return asyncio.run(self.gathered())

    async def never(self):
        await asyncio.get_running_loop().create_future()

    async def group(self):
        async def fails():
            try:
                {}["key"]
            except KeyError as error:
                raise ValueError("deep down") from error

        async with asyncio.TaskGroup() as group:
            group.create_task(fails())

    async def outside(self):
        async def thread():
            await asyncio.to_thread(print)

        told = []
        for attempt in (
            thread,
            lambda: asyncio.open_connection("localhost", 1),
            lambda: asyncio.create_subprocess_exec("ls"),
        ):
            try:
                await attempt()
            except OSError as error:
                told.append(error.errno)
        for name in (
            "gethostbyname",
            "getaddrinfo",
            "gethostname",
            "create_connection",
            "socketpair",
            "inet_aton",
            "socket",
        ):
            try:
                getattr(socket, name)("localhost", 1)
            except OSError as error:
                told.append(error.errno)
        return told

    async def hinted(self, a, b: list[int] | None = None, *more: str, c=2, d: float = 1.5, **rest) -> dict[str, int]:
        """Says what it takes."""

    @property
    def shown(self) -> str:
        return str(self.count)

    def shouts(self, size: int):
        raise ValueError("é" * size)


class Free(emerge.Object):
    pass


def free(**fields):
    made = Free()
    vars(made).update(fields)
    return made


def test_store_call_get(fs, home):
    path = f"{home}/widget1"
    item = fs.store(path, InventoryItem(unit_price=3.0, quantity_on_hand=10))
    assert item.meta.version == 1 and item.meta.path == path
    assert fs.call(path, "total_cost") == 30.0
    got = fs.get(path)
    assert type(got) is InventoryItem and got == item and got.total_cost() == 30.0
    assert fs.proxy(path).sell(4) == 6
    assert fs.get(path).quantity_on_hand == 6
    assert fs.get(path, version=1).quantity_on_hand == 10
    assert [each.method for each in fs.history(path)] == ["sell", None]
    assert "total_cost" in [each.name for each in fs.methods(path)]
    assert "class InventoryItem(emerge.Object)" in fs.code(path)
    assert "unit_price: float" in fs.help(path)


@emerge.dataclass
class Edited(emerge.Object):
    text: str = ""

    def undo(self) -> int:
        """Back to the first version, within a method."""
        changed = [each.field for each in emerge.fs.diff(self.meta.path, 1).fields]
        emerge.fs.restore(self.meta.path, 1)
        return changed


def test_versions_are_compared_and_come_back(fs, home):
    path = f"{home}/edited"
    item = fs.store(path, Edited(text="first"))
    began = datetime.now(timezone.utc)
    item.text, item.more = "second", 2
    fs.store(path, item)
    diff = fs.diff(path, 1)
    assert (diff.old.version, diff.new.version, diff.old_class, diff.new_class) == (1, 2, None, None)
    assert diff.fields == (("text", "changed", "first", "second"), ("more", "added", None, 2))
    assert [each.kind for each in fs.diff(path, 2, 1).fields] == ["changed", "removed"]
    assert fs.diff(path, 2, datetime.now(timezone.utc) + timedelta(days=1)).fields == ()
    assert fs.get(path, version=began).text == "first"
    with pytest.raises(errors.NotFoundError, match="not there at that moment"):
        fs.get(path, version=began - timedelta(days=1))
    with pytest.raises(errors.NotFoundError, match="version 9"):
        fs.restore(path, 9)
    with pytest.raises(errors.ConflictError):
        fs.restore(path, 1, base=1)
    with pytest.raises(errors.BadArgumentError, match="time zone"):
        fs.get(path, version="1")
    assert fs.restore(path, 1, base=2) == 3
    assert vars(fs.get(path)) == {"text": "first"}
    assert [each.restored for each in fs.history(path)] == [1, None, None]
    fs.restore(path, 2)
    assert fs.call(path, "undo") == ["text", "more"]
    assert fs.get(path).text == "first" and fs.history(path)[0].restored == 1


def test_a_diff_tells_when_the_class_is_another(fs, home):
    path = f"{home}/changed"
    fs.store(path, free(a=1))
    fs.store(path, Edited(text="now"), overwrite=True)
    diff = fs.diff(path, 1)
    assert (diff.old_class.name, diff.new_class.name) == ("Free", "Edited")
    assert diff.new_class.hash == fs.get(path).meta.class_hash and diff.new_class.version == 1


def test_only_changes_are_sent_and_conflicts_are_told(fs, home):
    path = f"{home}/a"
    fs.store(path, free(a=1, b=[1]))
    one, other = fs.get(path), fs.get(path)
    one.a = 2
    fs.store(path, one)
    other.b.append(2)
    with pytest.raises(errors.ConflictError):
        fs.store(path, other)
    fs.store(path, other, overwrite=True)
    assert vars(fs.get(path)) == {"a": 2, "b": [1, 2]}
    del other.b
    fs.store(path, other)
    assert vars(fs.get(path)) == {"a": 2}
    with pytest.raises(errors.AlreadyExistsError):
        fs.store(path, free(), create=True)


def test_values_of_every_kind(fs, home):
    values = {
        "none": None, "big": -(10**40), "nan_free": 1.0, "text": "\U0001f600", "bytes": b"\0\xff", "list": [1, [2.0]],
        "map": {"b": 1, "a": {}}, "set": {1, 2}, "moment": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
        "day": date(2024, 2, 29), "uuid": UUID(int=7), "decimal": Decimal("-1.50"), "delta": timedelta(days=-1, microseconds=3),
        "ref": emerge.Ref("/a"),
    }  # fmt: skip
    fs.store(f"{home}/v", free(**values))
    back = vars(fs.get(f"{home}/v"))
    assert back == values and list(back["map"]) == ["b", "a"]
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in values.items()}


def test_arrays_and_embedded_objects(fs, home):
    import array

    inner = InventoryItem(unit_price=1.0)
    fs.store(f"{home}/o", free(array=array.array("d", [1.0, 2.0]), inner=inner))
    back = fs.get(f"{home}/o")
    assert list(back.array) == [1.0, 2.0]
    assert back.inner == inner


def test_directories(fs, home):
    for at in range(3):
        fs.store(f"{home}/d/i{at}", InventoryItem(unit_price=float(at), quantity_on_hand=2))
    assert [meta.name for meta in fs.list(f"{home}/d", page_size=2)] == ["i0", "i1", "i2"]
    assert fs.call(f"{home}/d", "total_cost") == {"i0": 0.0, "i1": 2.0, "i2": 4.0}
    fs.cp(f"{home}/d", f"{home}/e", recursive=True)
    fs.mv(f"{home}/e/i0", f"{home}/f")
    assert fs.stat(f"{home}/f").class_name == "InventoryItem"
    with pytest.raises(errors.DirectoryNotEmptyError):
        fs.rm(f"{home}/e")
    fs.rm(f"{home}/e", recursive=True)
    assert not fs.exists(f"{home}/e")


@emerge.dataclass
class Farm(emerge.Object):
    name: str = ""
    acres: float = 1.0

    def grow(self, by: float) -> float:
        self.acres += by
        return self.acres


@emerge.dataclass
class Customer(emerge.Object):
    name: str = ""
    farms: list = emerge.field(default_factory=list)
    best: Farm | None = None
    address: dict = emerge.field(default_factory=dict)

    def names(self):
        return [self.fs.get(farm).name for farm in self.farms]

    def plant(self, path):
        self.fs.add(self.meta.path + "#address", "trees", path)
        return [child.name for child in self.fs.children(self.meta.path, "address.trees")]


def test_paths_into_objects_and_children(fs, home):
    at, farms = f"{home}/c0", f"{home}/farms"
    fs.store(at, Customer(name="Ada", best=Farm(name="Best"), address={"city": "Ulm", "odd name": [1, 2]}))
    hill = fs.store(f"{farms}/hill", Farm(name="Hill", acres=3.0))
    fs.store(f"{farms}/moor", Farm(name="Moor"))
    assert fs.add(at, "farms", [hill, f"{farms}/moor"]) == 2
    assert fs.add(at, "farms", {f"{farms}/dale": Farm(name="Dale")}) == 3
    customer = fs.get(at)
    assert customer.farms == [emerge.Ref(f"{farms}/{name}") for name in ("hill", "moor", "dale")]
    assert fs.get(customer.farms[0]).acres == 3.0 and fs.stat(customer.farms[0]).class_name == "Farm"
    assert fs.get(f"{at}#farms[2].name") == "Dale" and fs.get(f'{at}#address["odd name"][1]') == 2
    farm = fs.get(f"{at}#farms[0]")
    assert type(farm) is Farm and farm.meta.path == f"{farms}/hill"
    farm.acres = 5.0
    fs.store(f"{farms}/hill", farm)
    best = fs.get(f"{at}#best")
    assert type(best) is Farm and best.meta is None and best.name == "Best"

    assert fs.call(customer.farms[0], "grow", 2.0) == 7.0 and fs.call(f"{at}#best", "grow", 2.0) == 3.0
    assert fs.get(f"{at}#best.acres") == 3.0 and fs.call(at, "names") == ["Hill", "Moor", "Dale"]
    assert fs.set(f"{at}#farms[1].acres", 8) == 2 and fs.get(f"{farms}/moor#acres") == 8.0
    assert fs.set(f"{at}#address.city", "Bonn", base=4) == 5
    with pytest.raises(errors.ConflictError):
        fs.set(f"{at}#address.city", "Ulm", base=4)
    with pytest.raises(errors.BadArgumentError, match='"acres" is declared float'):
        fs.set(f"{farms}/moor#acres", "many")

    fs.rm(f"{farms}/moor")
    children = fs.children(at, "farms")
    assert [child and child.name for child in children] == ["Hill", None, "Dale"]
    assert children[2].meta.path == f"{farms}/dale"
    with pytest.raises(errors.NotFoundError, match="refers to .*/moor") as failed:
        fs.get(f"{at}#farms[1]")
    assert (failed.value.path, failed.value.field) == (f"{farms}/moor", "farms[1]")
    with pytest.raises(errors.BadPathError, match="at character 6"):
        fs.get(f"{at}#farms.[0]")
    with pytest.raises(errors.AlreadyExistsError):
        fs.add(at, "farms", f"{farms}/dale")
    with pytest.raises(errors.BadArgumentError, match="a path is needed"):
        fs.add(at, "farms", Farm())
    with pytest.raises(errors.UnmappableValueError):
        fs.add(at, "farms", {f"{farms}/x": 1})
    assert fs.call(at, "plant", f"{farms}/dale") == ["Dale"]


def test_errors_by_code(fs, home):
    fs.store(f"{home}/x", InventoryItem())
    with pytest.raises(errors.NotFoundError) as failed:
        fs.get(f"{home}/nothing")
    assert failed.value.code == "not_found"
    with pytest.raises(errors.MethodNotFoundError):
        fs.call(f"{home}/x", "nothing")
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.call(f"{home}/x", "fail")
    assert "no more" in str(failed.value) and 'raise ValueError("no more")' in (failed.value.trace or "")
    assert failed.value.log is None
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.invoke(f"{home}/x", "fail", log=True)
    assert failed.value.log == "about to fail\n"
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(f"{home}/x", free(farms=[{"size": 1j}]))
    assert failed.value.field == "farms[0].size"


def test_what_only_the_node_knows_is_not_run(fs, home, address):
    fs.store(f"{home}/x", InventoryItem(unit_price=2.0, quantity_on_hand=2))
    from emerge import _classes
    from emerge._object import NEWEST

    lineage_class = NEWEST.pop("InventoryItem")
    known = dict(_classes._by_hash)
    _classes._by_hash.clear()
    try:
        item = fs.get(f"{home}/x")
        assert item.unit_price == 2.0 and type(item).__name__ == "InventoryItem"
        with pytest.raises(errors.UnsupportedError, match=r"fs\.call"):
            item.total_cost()
        with pytest.raises(errors.PermissionDeniedError):
            item.unit_price = 3.0
    finally:
        _classes._by_hash.update(known)
        NEWEST["InventoryItem"] = lineage_class


def test_asyncio_within_a_method(fs, home):
    path = f"{home}/awaiting"
    fs.store(path, Awaiting())
    assert fs.call(path, "gathered") == [0, 0, 3, True]
    assert fs.get(path).count == 15
    assert fs.call(path, "plainly") == [15, 15, 18, True]
    # Time passes at once where nothing else is left to do, and is the call's own.
    for _ in range(2):
        assert fs.call(path, "late") == [["awaiting"], 7200.0]
    with pytest.raises(errors.MethodFailedError, match="waits for what never comes"):
        fs.call(path, "never", timeout=4)
    assert fs.call(path, "one", 1) == 30


def test_what_is_outside_is_an_os_error(fs, home):
    fs.store(f"{home}/awaiting", Awaiting())
    assert fs.call(f"{home}/awaiting", "outside") == [95] * 10


def test_a_traceback_tells_the_errors_behind_the_error(fs, home):
    fs.store(f"{home}/awaiting", Awaiting())
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.call(f"{home}/awaiting", "group")
    trace = failed.value.trace
    parts = [
        "async with asyncio.TaskGroup()",
        "with ValueError: deep down\n",
        "raise ValueError(",
        "caused by KeyError: 'key'\n",
        '{}["key"]',
    ]
    places = [trace.index(part) for part in parts]
    assert places == sorted(places), trace


def test_methods_tell_their_hints(fs, home):
    fs.store(f"{home}/awaiting", Awaiting())
    signatures = {each.name: each.signature for each in fs.methods(f"{home}/awaiting")}
    hinted = "hinted(a, b: list[int] | None = None, *more: str, c=2, d: float = 1.5, **rest) -> dict[str, int]"
    assert (signatures["hinted"], signatures["shown"]) == (hinted, "shown -> str")
    assert hinted in fs.help(f"{home}/awaiting")


def test_a_long_message_is_cut(fs, home):
    fs.store(f"{home}/awaiting", Awaiting())
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.call(f"{home}/awaiting", "shouts", 1_000_000)
    message = failed.value.message
    assert message.startswith("ValueError: éé") and message.endswith(
        "é … (the text ends here: its limit is 65536 bytes)"
    )
    assert 65_000 < len(message.encode()) < 66_000


def test_many_tasks_send_a_class_once(address, home, monkeypatch):
    async def many():
        async with emerge.connect.aio(address) as fs:
            asked = []
            ask = fs.aio._connection.ask_soon

            async def noted(request, timeout):
                asked.append(b"put_class" in request)
                return await ask(request, timeout)

            monkeypatch.setattr(fs.aio._connection, "ask_soon", noted)
            stores = [asyncio.ensure_future(fs.aio.store(f"{home}/o{at}", InventoryItem())) for at in range(20)]
            await asyncio.sleep(0)
            # Who was about to send it gives up; another does it.
            stores[0].cancel()
            ended = await asyncio.gather(*stores, return_exceptions=True)
            assert isinstance(ended[0], asyncio.CancelledError) and {type(each) for each in ended[1:]} == {
                InventoryItem
            }
            return asked.count(True)

    assert wait_for(many()) == 2


def test_after_close_everything_says_so(address):
    fs = emerge.connect(address)
    fs.mkdir("/tests/closed", exist_ok=True)
    fs.close()

    async def each(items):
        return [item async for item in items]

    for _ in range(2):
        for plain in (
            lambda: fs.stat("/tests"),
            lambda: list(fs.list("/tests")),
            lambda: fs.store("/tests/closed/a", free(text="x" * 100_000)),
            lambda: list(fs.call_each("/tests/closed", "run")),
        ):
            with pytest.raises(errors.DisconnectedError):
                plain()
        for soon in (lambda: fs.aio.stat("/tests"), lambda: each(fs.aio.list("/tests"))):
            with pytest.raises(errors.DisconnectedError):
                wait_for(soon())
        assert "closed" in repr(fs)
        # Once more is nothing.
        fs.close()


@emerge.dataclass
class Closing(emerge.Object):
    text: str = ""

    def close(self) -> str:
        """Takes rights away, within a method."""
        emerge.fs.chmod(self.meta.path, "go=")
        return emerge.fs.stat(self.meta.path).perms


def test_permissions_change_and_say_who_did_it(fs, home):
    path = f"{home}/closing"
    fs.store(path, Closing(text="a"))
    assert fs.chmod(path, "o+r,g-x") == 2
    assert fs.stat(path).perms == "rwxr--r--"
    assert fs.chmod(path, 0o640) == 3
    fs.mkdir(f"{home}/shared")
    fs.chmod(f"{home}/shared", "rwxrwxrwt")
    assert fs.stat(f"{home}/shared").perms == "rwxrwxrwt"
    assert fs.chmod(f"{home}/shared", "o-x", recursive=True) == 3
    assert fs.stat(f"{home}/shared").perms == "rwxrwxrwT"
    me = fs.stat(path).owner
    assert fs.chown(path, me, group=me) == 3
    assert [(each.operation, each.author) for each in fs.history(path)] == [("chmod", me), ("chmod", me), (None, me)]
    with pytest.raises(errors.BadArgumentError, match="u.z"):
        fs.chmod(path, "u+z")
    with pytest.raises(errors.BadArgumentError, match="owner or a group"):
        fs.chown(path)
    fs.chmod(path, "u+x")
    assert fs.call(path, "close") == "rwx------"


def test_rules_of_directories_and_purging(fs, home):
    fs.mkdir(f"{home}/ruled/below")
    assert fs.set_rules(f"{home}/ruled", keep="3 versions", mask=0o007) == 2
    rules = fs.stat(f"{home}/ruled/below").rules
    assert rules == ("3 versions", "007", f"{home}/ruled", f"{home}/ruled") and rules.keep == "3 versions"
    path = f"{home}/ruled/below/a"
    for text in "abcde":
        fs.store(path, Closing(text=text))
    assert fs.stat(path).perms == "rwxrwx---" and fs.stat(path).rules is None
    assert [each.version for each in fs.history(path)] == [5, 4, 3]
    assert [each.version for each in fs.history(path, before=5, limit=1)] == [4]
    with pytest.raises(errors.BadArgumentError, match="some versions"):
        fs.set_rules(f"{home}/ruled", keep="some versions")
    with pytest.raises(errors.DirectoryNotEmptyError):
        fs.purge(f"{home}/ruled")
    fs.set_rules(f"{home}/ruled", keep="inherit")
    fs.purge(path)
    fs.purge(f"{home}/ruled", recursive=True)
    assert not fs.exists(f"{home}/ruled")


def test_users_and_groups_that_the_node_knows(fs):
    fs.add_group("py-staff")
    token = fs.add_user("py-ada", ["py-staff"])
    assert len(token) == 64 and token != fs.new_token("py-ada")
    (ada,) = (user for user in fs.users() if user.name == "py-ada")
    assert ada.groups == ("py-staff",)
    fs.leave_group("py-staff", "py-ada")
    assert ("py-staff", ()) in fs.groups()
    fs.join_group("py-staff", "py-ada")
    assert ("py-staff", ("py-ada",)) in fs.groups()
    with pytest.raises(errors.AlreadyExistsError):
        fs.add_user("py-staff")
    fs.remove_user("py-ada")
    fs.remove_group("py-staff")
    with pytest.raises(errors.NotFoundError):
        fs.new_token("py-ada")


def test_tokens_for_less_than_everything(fs, home):
    fs.store(f"{home}/granted/a", Closing(text="a"))
    fs.store(f"{home}/other/a", Closing(text="b"))
    end = datetime(2100, 1, 1, tzinfo=timezone.utc)
    token, info = fs.create_token(scope=f"read:{home}/granted/**", expires=end, note="a test")
    assert len(token) == 64
    assert info[1:3] == ("admin", (f"read:{home}/granted/**",))
    assert (info.expires, info.note, info.parent) == (end, "a test", None)
    with pytest.raises(errors.BadArgumentError):
        fs.create_token(scope=[])
    with pytest.raises(errors.NotFoundError):
        fs.create_token("py-nobody")
    assert info in fs.tokens() and info in fs.tokens("admin")
    (gone,) = fs.revoke_token(info.id)
    assert gone == info and info not in fs.tokens()
    with pytest.raises(errors.NotFoundError):
        fs.revoke_token(info.id)


def test_quotas_of_users(fs, home):
    token = fs.add_user("py-zoe")
    quota = fs.set_quota("py-zoe", objects=1, bytes=10_000)
    assert quota == ("py-zoe", 0, 0, 1, 10_000)
    fs.mkdir(f"{home}/quota")
    fs.chmod(home, "777")
    fs.chmod(f"{home}/quota", "777")
    assert fs.quotas("py-zoe") == (quota,)
    assert {"admin", "py-zoe"} <= {each.user for each in fs.quotas()}
    with pytest.raises(errors.NotFoundError):
        fs.set_quota("py-nobody", objects=1)
    with pytest.raises(errors.BadArgumentError):
        fs.set_quota("py-zoe", objects=-1)
    assert fs.set_quota("py-zoe").max_objects is None
    assert len(token) == 64
    fs.remove_user("py-zoe")


def test_directories_are_values_sorted_and_filtered(fs, home):
    for name in ["b.txt", "a.txt", "c.md"]:
        fs.store(f"{home}/d/{name}", Closing(text=name))
    at = f"{home}/d"
    assert [meta.name for meta in fs.list(at, glob="*.txt")] == ["a.txt", "b.txt"]
    assert [meta.name for meta in fs.list(at, sort="created", page_size=1)] == ["b.txt", "a.txt", "c.md"]
    assert [meta.name for meta in fs.list(at, glob="{a,c}.*", descending=True)] == ["c.md", "a.txt"]
    assert [meta.name for meta in fs.list(at, after="a.txt")] == ["b.txt", "c.md"]
    page, cursor = fs.page(at, sort="created", page_size=2)
    assert [meta.name for meta in page] == ["b.txt", "a.txt"] and page[0].path == f"{at}/b.txt"
    page, end = fs.page(at, sort="created", page_size=2, after=cursor)
    assert [meta.name for meta in page] == ["c.md"] and end is None
    assert [meta.name for meta in fs.list(at, sort="created", after=cursor)] == ["c.md"]
    with pytest.raises(errors.BadArgumentError, match="a class") as wrong:
        fs.migrate(f"{at}/a.txt", None)
    assert wrong.value.field == "cls"
    with pytest.raises(errors.BadArgumentError, match="sort"):
        list(fs.list(at, sort="weight"))
    directory = fs.get(at)
    assert isinstance(directory, emerge.Directory) and directory.meta.type == "directory"
    assert [meta.path for meta in directory] == [f"{at}/a.txt", f"{at}/b.txt", f"{at}/c.md"]
    assert "3 members" in repr(directory)
    parts = []
    fs.cp(at, f"{home}/copy", recursive=True, on_progress=lambda *part: parts.append(part))
    assert parts == [(4, at)]
    assert len(fs.get(f"{home}/copy").members) == 3


def test_what_the_node_itself_tells(fs, home):
    fs.store(f"{home}/told", Closing(text="x"))
    at = f"/registry/{fs.stat(f'{home}/told').id}"
    fs.mv(f"{home}/told", f"{home}/moved")
    assert fs.get(at).meta.path == f"{home}/moved" and fs.stat(at).name == "moved"
    told = fs.get("/classes/Closing")
    assert told.language == "python" and "class Closing" in told.source and "Told" in repr(told)
    (node,) = fs.get("/nodes").members
    assert fs.get(f"/nodes/{node.name}").name == node.name
    with pytest.raises(errors.PermissionDeniedError, match="cannot be changed"):
        fs.mkdir("/classes/new")


@emerge.dataclass
class Gardener(emerge.Object):
    def plant(self, at: str) -> list:
        emerge.fs.cp(at, f"{at}-copy", recursive=True)
        return [meta.name for meta in emerge.fs.get(f"{at}-copy")] + [
            meta.name for meta in emerge.fs.list(at, glob="a*")
        ]


def test_directories_within_a_method(fs, home):
    for name in ["a", "b"]:
        fs.store(f"{home}/d/{name}", Closing(text=name))
    fs.store(f"{home}/gardener", Gardener())
    assert fs.call(f"{home}/gardener", "plant", f"{home}/d") == ["a", "b", "a"]


@emerge.dataclass
class Measured(emerge.Object):
    size: float = 0.0
    parts: list[float] = emerge.field(default_factory=list)

    def double(self) -> float:
        return self.size * 2


def test_a_whole_number_in_a_float_field_is_stored_as_it_is_read(fs, home):
    path = f"{home}/m"
    measured = fs.store(path, Measured(size=2, parts=[Measured(size=3)]))
    assert fs.call(path, "double") == 4.0 and fs.stat(path).version == 1
    assert type(fs.get(path).size) is float and type(fs.get(f"{path}#parts[0]").size) is float
    measured.size = 5
    assert fs.store(path, measured).meta.version == 2
    assert fs.call(path, "double") == 10.0 and fs.stat(path).version == 2
    assert [(type(each.old), each.new) for each in fs.diff(path, 1, 2).fields] == [(float, 5.0)]


def test_of_what_was_stored_only_that_is_known_which_the_node_tells(fs, home):
    at = f"{home}/kept"
    stored = fs.store(f"{at}/", Closing(text="x"))
    meta = stored.meta
    assert (meta.path, meta.name, meta.version, meta.class_name) == (at, "kept", 1, "Closing")
    assert meta.created == meta.modified and type(meta) is emerge.StoredMeta
    assert [meta.owner, meta.group, meta.perms, meta.size, meta.node, meta.class_version] == [None] * 6
    assert repr(meta) == f"<StoredMeta {at} Closing version 1>"
    stored.text = "y"
    assert fs.store(at, stored).meta.created == meta.created
    # Of what lay there before, the reply does not tell when it was made.
    assert fs.store(at, Closing(text="z")).meta.created is None
    fetched, known = fs.get(at), fs.stat(at)
    assert isinstance(fetched.meta, emerge.Meta) and fetched.meta.size == known.size
    fetched.text = "longer than it was"
    meta = fs.store(at, fetched).meta
    assert (meta.owner, meta.group, meta.perms, meta.node) == (known.owner, known.group, known.perms, known.node)
    assert (meta.created, meta.class_version, meta.size) == (known.created, known.class_version, None)
    assert f"{known.perms} {known.owner}>" in repr(meta)
    with fs.transaction() as tx:
        other = tx.store(f"{home}/other", Closing(text="x"))
    assert other.meta.created == fs.stat(f"{home}/other").created and other.meta.owner is None
    # They name the object all the same.
    assert [each.path for each in fs.call_each([meta, other.meta], "no")] == [at, f"{home}/other"]
