"""What the bench asks of Python in Pyodide; `setting` comes from `pyodide_worker.js`. Rates are operations per second."""

import json
import time

connection = None


async def start():
    """Seconds from the import to the first reply."""
    global connection
    begun = time.perf_counter()
    import emerge

    connection = await emerge.connect.aio(setting["url"])  # noqa: F821
    await connection.aio.get(path(0))
    return time.perf_counter() - begun


def path(number):
    return f"/bench/k{number % setting['objects']:06}"  # noqa: F821


async def get_async():
    """Asynchronous gets, one at a time."""
    get = connection.aio.get
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < setting["seconds"]:  # noqa: F821
        await get(path(done))
        done += 1
    return done / (time.perf_counter() - begun)


async def get_sync():
    """Plain gets."""
    get = connection.get
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < setting["seconds"]:  # noqa: F821
        get(path(done))
        done += 1
    return done / (time.perf_counter() - begun)


TABLE = {f"key{number}": {"name": f"row {number}", "price": number * 0.25, "count": number, "tags": ["a", "b"], "ok": True} for number in range(10_000)}


def rate(operation):
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < setting["seconds"]:  # noqa: F821
        operation()
        done += 1
    return done / (time.perf_counter() - begun)


async def dict_to_wire():
    """A dict of 10,000 entries, as an argument of a call, to the bytes of the operation."""
    from emerge import _host, _wire
    from pyodide.ffi import to_js

    encode = _host.host().core.opFromPickle
    return rate(lambda: encode(to_js(_wire.dumps(("call", "/a", "m", (TABLE,), False))[0])))


async def json_to_bytes():
    """The same as JSON in UTF-8."""
    return rate(lambda: json.dumps(TABLE).encode())
