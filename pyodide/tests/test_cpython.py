"""What only CPython has: threads, an event loop beside others, Ctrl-C."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import emerge
import pytest
from emerge import errors

from test_module import CLASSES


def test_threads_and_asyncio(fs, home, address):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: fs.mkdir(f"{home}/t{at:02}"), range(20)))

    async def many():
        async with emerge.connect.aio(address) as other:
            got = await asyncio.gather(*(other.aio.stat(f"{home}/t{at:02}") for at in range(20)))
            names = [meta.name async for meta in other.aio.list(home)]
            return [each.name for each in got], names

    wanted = [f"t{at:02}" for at in range(20)]
    assert asyncio.run(many()) == (wanted, wanted)


@emerge.dataclass
class Sleeper(emerge.Object):
    count: int = 0

    def spin(self) -> None:
        while True:
            self.count += 1

    def add(self) -> int:
        self.count += 1
        return self.count


def test_eight_threads_share_one_connection(fs, home):
    """With plain calls and an event loop in each of two of them."""
    fs.store(f"{home}/shared", Sleeper())

    def plainly(_):
        return [fs.call(f"{home}/shared", "add") for _ in range(10)]

    def by_a_loop(_):
        async def many():
            return await asyncio.gather(*(fs.aio.call(f"{home}/shared", "add") for _ in range(10)))

        return asyncio.run(many())

    with ThreadPoolExecutor(8) as pool:
        counts = [*pool.map(plainly, range(6)), *pool.map(by_a_loop, range(2))]
    assert sorted(count for each in counts for count in each) == list(range(1, 81))


def test_a_call_that_waits_leaves_the_interpreter_to_others(fs, home):
    fs.store(f"{home}/sleeper", Sleeper())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fs.call, f"{home}/sleeper", "spin", timeout=0.5)
        turns = 0
        while not waiting.done():
            turns += 1
    assert isinstance(waiting.exception(), errors.DeadlineExceededError)
    # A loop that had to wait for the call would have turned but a few times.
    assert turns > 10_000


def _answering(message):
    """A WebSocket server (RFC 6455) that answers the first message with these bytes; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as peer:
            request = b""
            while b"\r\n\r\n" not in request:
                request += peer.recv(4096)
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)[1]
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            upgrade = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
            asked = re.search(rb"(?i)sec-websocket-protocol: ([^\s,]+)", request)
            if asked:
                upgrade.append(b"Sec-WebSocket-Protocol: " + asked[1])
            peer.sendall(b"\r\n".join([*upgrade, b"Sec-WebSocket-Accept: " + accept, b"", b""]))
            peer.recv(4096)
            peer.sendall(bytes([0x82, len(message)]) + message)
            # Until the other side has gone.
            while peer.recv(4096):
                pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_a_node_of_another_version_is_named():
    # A welcome of version 2 (frame 16).
    port = _answering(b"\x82\x10\x81\x86\x02\x50" + bytes(16) + b"\xf4\x61u\x61n\x00")
    began = time.monotonic()
    with pytest.raises(errors.UnsupportedVersionError, match="version 2; this client speaks 1"):
        emerge.connect(f"ws://127.0.0.1:{port}")
    assert time.monotonic() - began < 5


STATEMENTS = """
import enum
class Unit(enum.Enum):
    ONE = 1

@emerge.dataclass
class Typed(emerge.Object):
    number: int = 20
    def more(self, by: int) -> int:
        return self.number + by * Unit.ONE.value

"""


def _typed(command, address, path, prompt, wanted):
    """Types a class into an interactive Python at a terminal, and waits for what it should show."""
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    shown = b""

    def until(wanted):
        nonlocal shown
        ends = time.monotonic() + 30
        while wanted not in shown:
            assert time.monotonic() < ends, shown.decode()
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 4096)

    lines = [
        "import emerge",
        *STATEMENTS.strip("\n").splitlines(),
        "",
        f"fs = emerge.connect({address!r})",
        f"stored = fs.store({path!r}, Typed())",
        f"print('result', fs.call({path!r}, 'more', 22) * 1000)",
    ]
    try:
        until(prompt)
        for line in lines:
            os.write(terminal, line.encode() + b"\n")
            time.sleep(0.05)
        until(wanted)
    finally:
        program.kill()
        program.wait()
        os.close(terminal)


def test_a_class_from_the_plain_prompt_travels_or_says_what_to_do(address, home):
    keeps_source = sys.version_info >= (3, 13)
    wanted = b"result 42000" if keeps_source else b"write it in a file, a notebook cell or IPython"
    _typed([sys.executable, "-q", "-i"], address, f"{home}/typed", b">>>", wanted)


def test_a_class_from_ipython(address, home, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-autoindent", "--colors=NoColor", "--no-banner"]
    _typed(command, address, f"{home}/typed", b"In [1]:", b"result 42000")


CELLS = """
import sys, emerge
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.user_ns.update(emerge=emerge, fs=emerge.connect(sys.argv[1]), home=sys.argv[2])
METHOD = "class Q(emerge.Object):\\n    def go(self): return "
for cell in (
    "import math\\n" + METHOD + "math.floor(2.5)",
    "from datetime import date\\n" + METHOD + "date.fromordinal(1).year",
    "import functools\\ndef two(f):\\n    @functools.wraps(f)\\n    def g(self): return functools.reduce(int.__add__, [f(self)] * 2)\\n"
    "    return g\\nclass Q(emerge.Object):\\n    @two\\n    def go(self): return 3",
    "import math\\nlam = lambda: math.ceil(6.5)\\n" + METHOD + "lam()",
    METHOD + "math.floor(8.5)\\nimport math",
):
    for _ in range(2):
        shell.run_cell(cell + "\\nfs.store(f'{home}/q', Q())\\nprint(fs.call(f'{home}/q', 'go'))", store_history=True)
"""


def test_cells_of_ipython_that_import_what_they_use(address, home, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (tmp_path / "cells_of_ipython.py").write_text(CELLS)
    assert _ran(tmp_path / "cells_of_ipython.py", address, home).split() == list("2211667788")


def test_a_class_from_a_module_and_from_a_script(address, home, tmp_path):
    (tmp_path / "shapes.py").write_text("import emerge\n" + STATEMENTS)
    use = "fs.store(sys.argv[2], {}(number=1)); print(fs.call(sys.argv[2], 'more', 2), fs.get(sys.argv[2]).number)\n"
    begin = "import sys, emerge\nfs = emerge.connect(sys.argv[1])\n"
    (tmp_path / "uses.py").write_text(begin + "import shapes\n" + use.format("shapes.Typed"))
    (tmp_path / "alone.py").write_text(begin + STATEMENTS + use.format("Typed"))
    for script in ("uses.py", "alone.py"):
        command = [sys.executable, str(tmp_path / script), address, f"{home}/{script}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert (ended.stdout, ended.stderr) == ("3 1\n", "")


def test_nobody_there_and_a_wrong_token(address):
    with pytest.raises(errors.DisconnectedError):
        emerge.connect("ws://127.0.0.1:9")
    with pytest.raises(errors.UnauthenticatedError):
        emerge.connect(address.partition("?")[0], "wrong")


def test_without_the_extension_it_says_so():
    code = "import sys; sys.modules['emerge._native'] = None; import emerge; emerge.connect('ws://127.0.0.1:9')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "install Emerge's own wheel for CPython" in ended.stderr
    # What has the name on PyPI is another's.
    assert "pip install emerge" not in ended.stderr


SPINNING = """
import sys, emerge

class Spinner(emerge.Object):
    count: int = 0

    def spin(self):
        while True:
            self.count += 1

    def add(self):
        self.count += 1
        return self.count

with emerge.connect(sys.argv[1]) as fs:
    fs.store(sys.argv[2], Spinner())
    print("spins", flush=True)
    try:
        fs.call(sys.argv[2], "spin", timeout=60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(fs.call(sys.argv[2], "add"), len(fs.history(sys.argv[2])))
"""


def test_ctrl_c_ends_a_call_and_leaves_the_connection(home, address, tmp_path):
    script = tmp_path / "spinning.py"
    script.write_text(SPINNING)
    command = [sys.executable, str(script), address, f"{home}/spinner"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout.readline() == "spins\n"
            time.sleep(0.4)
            began = time.monotonic()
            program.send_signal(signal.SIGINT)
            assert program.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < 1
            # The call that was given up changed nothing and holds nothing up; one version stored, one of the second call.
            assert program.stdout.read() == "1 2\n"
            assert time.monotonic() - began < 3
        finally:
            program.kill()


def _ran(script, *args):
    """What a script of its own prints; it must end by itself."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(script), *args]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


COUNTER = """
import asyncio, gc, multiprocessing, os, signal, sys, threading, time
import emerge

@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0

    def add(self, by: int = 1) -> int:
        self.count += by
        return self.count

    def greet(self, name: str) -> str:
        return "hello " + name

PATH = sys.argv[2]
"""

FORKING = (
    COUNTER
    + """
fs = emerge.connect(sys.argv[1])
closed = emerge.connect(sys.argv[1])
closed.close()
fs.store(PATH, Counter())
for name in "ab":
    fs.mkdir(PATH + "-d/" + name)
begun = fs.list(PATH + "-d", page_size=1)
next(begun)

async def soon():
    return sorted(await asyncio.gather(*(fs.aio.call(PATH, "add") for _ in range(3))))

asyncio.run(soon())
read, write = os.pipe()
child = os.fork()
if child == 0:
    print(fs.call(PATH, "add", 100), asyncio.run(soon()), repr(fs), flush=True)
    for gone in (lambda: closed.stat("/"), lambda: next(begun)):
        try:
            print(gone(), flush=True)
        except emerge.EmergeError as error:
            print(error.code, flush=True)
    os.write(write, b"!")
    # As any program ends, with all that it has from its parent.
    fs.close()
    sys.exit(0)
os.read(read, 1)
print(fs.call(PATH, "greet", "bob"), fs.call(PATH, "add"), asyncio.run(soon()), flush=True)
print(os.waitpid(child, 0)[1], fs.call(PATH, "add"))

# Only awaited, from several tasks at once; and many children, while other threads of the parent ask.
asking = threading.Thread(target=lambda: [fs.call(PATH, "add") for _ in range(200)])
asking.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        asyncio.run(soon())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
asking.join()
print(fs.get(PATH).count)
"""
)


def test_a_forked_child_has_a_session_of_its_own(address, home, tmp_path):
    (tmp_path / "forking.py").write_text(FORKING)
    assert _ran(tmp_path / "forking.py", address, f"{home}/counter").splitlines() == [
        "103 [104, 105, 106] <FileSystem open>",
        "disconnected",
        "disconnected",
        "hello bob 107 [108, 109, 110]",
        "0 111",
        str(111 + 200 + 15),
    ]


POOL = (
    COUNTER
    + """
fs = emerge.connect(sys.argv[1])

def job(_):
    return fs.call(PATH, "add")

if __name__ == "__main__":
    fs.store(PATH, Counter())
    with multiprocessing.get_context("fork").Pool(3) as pool:
        results = pool.map_async(job, range(30), chunksize=1).get(30)
    print(sorted(results) == list(range(1, 31)), fs.get(PATH).count)
"""
)


def test_a_pool_of_forked_processes(address, home, tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    assert _ran(tmp_path / "pool.py", address, f"{home}/counter") == "True 30\n"


CONNECTING = """
import asyncio, sys, emerge

async def main():
    print("connects", flush=True)
    await emerge.connect.aio(sys.argv[1])

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_an_awaited_connect(tmp_path):
    """To a host that takes the connection and says nothing."""
    (tmp_path / "connecting.py").write_text(CONNECTING)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, str(tmp_path / "connecting.py"), url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as program:
            try:
                assert program.stdout.readline() == "connects\n"
                time.sleep(0.3)
                began = time.monotonic()
                program.send_signal(signal.SIGINT)
                assert program.stdout.read() == "interrupted\n"
                program.wait()
                assert time.monotonic() - began < 2
            finally:
                program.kill()


def test_an_awaited_connect_that_is_given_up_ends_its_attempt(address):
    async def given_up():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(5)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(emerge.connect.aio(f"ws://127.0.0.1:{silent.getsockname()[1]}")._connect(), 0.3)
            peer = silent.accept()[0]
            peer.settimeout(5)
            # The request for an upgrade, and then the end.
            while await asyncio.to_thread(peer.recv, 4096):
                pass
            peer.close()
        with pytest.raises(errors.DisconnectedError):
            await emerge.connect.aio("ws://127.0.0.1:9")

    asyncio.run(given_up())


def test_an_awaited_connect_is_a_coroutine(home, address):
    async def tasks():
        fs = await asyncio.create_task(emerge.connect.aio(address))
        assert await fs.aio.exists(home)
        await fs.aio.close()
        both = await asyncio.gather(emerge.connect.aio(address), asyncio.wait_for(emerge.connect.aio(address), 20))
        for each in both:
            await each.aio.close()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            task = asyncio.ensure_future(emerge.connect.aio(f"ws://127.0.0.1:{silent.getsockname()[1]}"))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(tasks())
        fs = asyncio.run(emerge.connect.aio(address))
        assert fs.exists(home)
        fs.close()
        # One that nobody begins has nothing to end.
        emerge.connect.aio(address).close()


def test_an_awaited_search(home, address):
    async def found():
        async with emerge.connect.aio(address) as fs:
            for at in range(3):
                await fs.aio.store(f"{home}/s{at}", Sleeper(count=at))
            search = fs.aio.search(lambda o: o.count > 0, directory=home, order="count")
            return [each.meta.name async for each in search], await search.count(), (await search.explain()).found

    assert asyncio.run(found()) == (["s1", "s2"], 2, 2)


AT_THE_END = """
import sys, time
import emerge
from emerge import _native, _wire

fs = emerge.connect(sys.argv[1])
slow = _native.Mailbox(lambda drain: (time.sleep(0.5), print("woken")))
asked = fs.aio._connection._inner.ask_soon(_wire.dumps(("stat", "/"))[0], None, slow, None)
time.sleep(0.2)
print("over")
"""


def test_a_thread_that_wakes_a_loop_has_left_python_when_the_program_ends(address):
    ended = subprocess.run([sys.executable, "-c", AT_THE_END, address], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\nwoken\n", "")


PROGRAM = """
import emerge
from emerge import _classes, errors
class Plain(emerge.Object):
    def use(self):
        return 1
try:
    print(_classes.record_of(Plain).source[2])
except errors.ClassInvalidError as error:
    print(error.message)
"""


def test_a_program_without_a_file():
    found = [
        subprocess.run([sys.executable, *given], input=text, capture_output=True, text=True, check=True).stdout
        for given, text in ((["-"], PROGRAM), (["-c", PROGRAM], ""))
    ]
    assert "standard input" in found[0] and ("3.13" in found[0]) == (sys.version_info < (3, 13))
    # From 3.13 on Python keeps what -c was given.
    assert ("return 1" in found[1]) == (sys.version_info >= (3, 13))


def test_the_modules_that_the_node_has_are_those_that_the_guide_names():
    root = pathlib.Path(__file__).resolve().parents[2]
    program, guide = root / "crates/runtime/guest-python/app/app.py", root / "docs/operations/python-classes.md"
    imported = program.read_text().split('_LIBRARY = """')[1].split('"""')[0].split()
    told = guide.read_text().split("```text\n")[1].split("```")[0].split()
    assert told == [name for name in imported if not name.startswith(("_", "encodings."))]


def test_a_thread_that_waits_hears_that_it_was_closed(fs, home):
    for end in (lambda changes: changes.close(), lambda changes: changes.__exit__(None, None, None)):
        changes = fs.watch(f"{home}/*")
        told = []
        thread = threading.Thread(target=lambda: told.append(list(changes)), daemon=True)
        thread.start()
        time.sleep(0.1)
        end(changes)
        thread.join(5)
        assert told == [[]]
        assert list(changes) == []


def test_without_wasmtime_all_but_running_here_works(fs, home, monkeypatch):
    from emerge import _classes

    monkeypatch.setitem(sys.modules, "wasmtime", None)
    monkeypatch.setattr(_classes, "trusted", lambda _: None)
    cls = emerge.wasm_class(CLASSES / "account.wasm")
    fs.store(f"{home}/a", cls(owner="Ada", balance=3))
    assert fs.call(f"{home}/a", "deposit", 4) == 7
    with pytest.raises(errors.UnsupportedError, match=r"pip install wasmtime"):
        fs.get(f"{home}/a").deposit(1)
