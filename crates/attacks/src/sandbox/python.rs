//! Methods in Python.

use super::{By, Code, code, guarded};
use emerge_proto::guard::Guard;

pub(super) const ALL: &[Code] = &[
    // Files.
    code("py-open", "read a file of the node's machine", "return 'through: ' + open('@canary@').read()"),
    code("py-open-passwd", "read /etc/passwd", "return 'through: ' + open('/etc/passwd').read()"),
    code("py-write", "write a file", "open('@folder@planted', 'w').write('x')\nreturn 'through'"),
    code("py-append", "append to a file", "open('@canary@', 'a').write('x')\nreturn 'through'"),
    code(
        "py-os-open",
        "open a file by os",
        "import os\nreturn 'through: ' + str(os.read(os.open('@canary@', 0), 99))",
    ),
    code(
        "py-posix-open",
        "open a file by the module below os",
        "import posix\nreturn 'through: ' + str(posix.open('@canary@', 0))",
    ),
    code(
        "py-fileio",
        "open a file by the module below io",
        "import _io\nreturn 'through: ' + str(_io.FileIO('@canary@').read())",
    ),
    code(
        "py-pathlib",
        "read a file by pathlib",
        "import pathlib\nreturn 'through: ' + pathlib.Path('@canary@').read_text()",
    ),
    code(
        "py-descriptor",
        "read from whatever descriptors are open",
        "import os\nfor fd in range(64):\n    try:\n        data = os.read(fd, 10)\n    except OSError:\n        continue\n    if data: return f'through: {fd} {data}'\nreturn 'none'",
    ),
    code("py-listdir", "list the root of the machine", "import os\nreturn 'through: ' + os.listdir('/')[0]"),
    code(
        "py-scandir",
        "list the folder of the store",
        "import os\nreturn 'through: ' + next(os.scandir('@folder@')).name",
    ),
    code("py-remove", "remove a file", "import os\nos.remove('@canary@')\nreturn 'through'"),
    code("py-rename", "rename a file", "import os\nos.rename('@canary@', '@canary@2')\nreturn 'through'"),
    code("py-mkdir", "make a folder", "import os\nos.mkdir('@folder@planted')\nreturn 'through'"),
    code(
        "py-symlink",
        "make a link to a file and read it",
        "import os\nos.symlink('@canary@', 'link')\nreturn 'through: ' + open('link').read()",
    ),
    code("py-chmod", "change a file's permissions", "import os\nos.chmod('@canary@', 0)\nreturn 'through'"),
    code("py-truncate", "cut a file", "import os\nos.truncate('@canary@', 0)\nreturn 'through'"),
    code(
        "py-tempfile",
        "make a temporary file",
        "import tempfile\nreturn 'through: ' + tempfile.NamedTemporaryFile().name",
    ),
    code(
        "py-traversal",
        "walk up from the working folder",
        "return 'through: ' + open('../' * 20 + 'etc/passwd').read()",
    ),
    code("py-proc-maps", "read the node's memory map", "return 'through: ' + open('/proc/self/maps').read()"),
    code(
        "py-proc-environ",
        "read the node's environment from /proc",
        "return 'through: ' + open('/proc/@pid@/environ').read()",
    ),
    code(
        "py-proc-mem",
        "write the node's memory",
        "open('/proc/@pid@/mem', 'r+b').write(b'x')\nreturn 'through'",
    ),
    code("py-environ", "read the environment", "import os\nreturn 'through: ' + os.environ['PATH']"),
    code("py-mmap", "map a file", "import mmap\nreturn 'through: ' + str(mmap.mmap(0, 10))"),
    code(
        "py-sqlite",
        "make a data base in a file",
        "import sqlite3\nsqlite3.connect('@folder@db').execute('create table a (b)')\nreturn 'through'",
    ),
    code(
        "py-zipimport",
        "import from a file",
        "import sys\nsys.path.append('@folder@')\nimport canary\nreturn 'through'",
    ),
    // Processes.
    code("py-system", "run a command", "import os\nreturn f'through: {os.system(\"id\")}'"),
    code(
        "py-popen",
        "run a command and read what it says",
        "import os\nreturn 'through: ' + os.popen('id').read()",
    ),
    code(
        "py-subprocess",
        "run a program",
        "import subprocess\nreturn 'through: ' + str(subprocess.run(['id'], capture_output=True).stdout)",
    ),
    code("py-fork", "fork", "import os\nreturn f'through: {os.fork()}'"),
    code(
        "py-exec",
        "become another program",
        "import os\nos.execv('/bin/sh', ['sh', '-c', 'id'])\nreturn 'through'",
    ),
    code(
        "py-spawn",
        "spawn",
        "import posix\nreturn f\"through: {posix.posix_spawn('/bin/id', ['id'], {})}\"",
    ),
    code("py-kill", "send a signal to the node", "import os\nos.kill(@pid@, 10)\nreturn 'through'"),
    code(
        "py-raise-signal",
        "raise a signal",
        "import signal\nsignal.raise_signal(15)\nreturn 'through' if signal.getsignal(15) is None else 'its own handler'",
    ),
    code("py-alarm", "set an alarm", "import signal\nsignal.alarm(1)\nreturn 'through'"),
    code(
        "py-setrlimit",
        "lift a limit of the process",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1, 1))\nreturn 'through'",
    ),
    code("py-setuid", "become another user", "import os\nos.setuid(0)\nreturn 'through'"),
    code(
        "py-thread",
        "start a thread that outlives the call",
        "import threading\nran = []\nthreading.Thread(target=lambda: ran.append(1)).start()\nreturn 'through' if ran else 'no thread'",
    ),
    code(
        "py-multiprocessing",
        "start a process",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()\nreturn 'through'",
    ),
    code("py-ctypes", "call the C library", "import ctypes\nreturn f'through: {ctypes.CDLL(None).getpid()}'"),
    code(
        "py-ctypes-string",
        "read memory at an address",
        "import _ctypes\nreturn f'through: {_ctypes._string_at_addr}'",
    ),
    code(
        "py-ptrace",
        "trace the node",
        "import ctypes\nreturn f'through: {ctypes.CDLL(None).ptrace(16, @pid@, 0, 0)}'",
    ),
    // The network.
    code("py-socket", "make a socket", "import socket\nreturn f'through: {socket.socket()}'"),
    code(
        "py-connect",
        "connect to the node itself",
        "import socket\nreturn f\"through: {socket.create_connection(('127.0.0.1', @port@))}\"",
    ),
    code(
        "py-urllib",
        "ask the node by HTTP",
        "import urllib.request\nreturn f\"through: {urllib.request.urlopen('http://127.0.0.1:@port@/healthz').read()}\"",
    ),
    code(
        "py-asyncio-connect",
        "connect by asyncio",
        "import asyncio\nreturn f\"through: {asyncio.run(asyncio.open_connection('127.0.0.1', @port@))}\"",
    ),
    code(
        "py-dns",
        "resolve a name",
        "import socket\nreturn f\"through: {socket.getaddrinfo('localhost', 80)}\"",
    ),
    code(
        "py-ssl",
        "make a TLS context with the machine's certificates",
        "import ssl\nreturn f'through: {ssl.create_default_context().get_ca_certs()}'",
    ),
    // Object graph and imports.
    code(
        "py-subclasses",
        "find a way out in the graph of classes",
        "for cls in ().__class__.__base__.__subclasses__():\n    f = getattr(cls.__init__, '__globals__', {})\n    if 'system' in f and callable(f['system']):\n        return f\"through: {f['system']('id')}\"\nreturn 'no way out'",
    ),
    code(
        "py-gc",
        "find what other users left in memory",
        "import gc\nreturn next((f'through: {o[:40]}' for o in gc.get_objects() if isinstance(o, str) and 'secret of' + ' ada' in o), 'nothing')",
    ),
    code(
        "py-memory-walk",
        "find what other users left, by every container",
        "import gc, sys\nwanted = 'secret of' + ' ada'\nfor o in gc.get_objects():\n    if isinstance(o, dict):\n        for v in list(o.values()):\n            if isinstance(v, (str, bytes)) and wanted in str(v): return 'through: ' + str(v)[:40]\nreturn 'nothing'",
    ),
    code(
        "py-frames",
        "reach the host through the frames above",
        "import sys\nf, seen = sys._getframe(), []\nwhile f:\n    seen.append(f.f_code.co_filename)\n    f = f.f_back\nreturn 'through: ' + str(seen) if any('/root' in s or '/home' in s for s in seen) else str(len(seen))",
    ),
    code(
        "py-code-object",
        "crash the interpreter by forged byte code",
        "import types\ndef f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\x64\\xff' * 400, co_consts=())\nf()\nreturn 'it ran'",
    ),
    code(
        "py-pickle",
        "run a command by a pickle",
        "import pickle\nreturn f\"through: {pickle.loads(b'cos' + bytes([10]) + b'system' + bytes([10]) + b'(S' + bytes([39]) + b'id' + bytes([39, 10]) + b'tR.')}\"",
    ),
    code(
        "py-importlib",
        "import what is not there by its loader",
        "import importlib.machinery as m\nreturn f\"through: {m.ExtensionFileLoader('_ctypes', '/usr/lib/python3/_ctypes.so').load_module()}\"",
    ),
    code(
        "py-raw-ask",
        "ask the host past the library for another's object",
        "import emerge\nreturn 'through: ' + str(emerge.fs.get('/shared/ada/hidden').secret)",
    ),
    code(
        "py-fs-user",
        "make a user from within a method",
        "return 'through: ' + str(emerge.fs.add_user('mallory'))",
    ),
    code("py-fs-users", "list users from within a method", "return 'through: ' + str(emerge.fs.users())"),
    // Leftover state.
    guarded(
        "py-leftover",
        "leave something in a class for the next call",
        &[Guard::Reset],
        By::Twice,
        "import builtins\nif hasattr(builtins, 'left'): return 'through: ' + builtins.left\nbuiltins.left = 'mine'\nreturn 'first'",
    ),
    guarded(
        "py-leftover-users",
        "leave something in an instance for another user",
        &[Guard::Reset, Guard::Users],
        By::Others,
        "import builtins\nif hasattr(builtins, 'left'): return 'through: ' + builtins.left\nbuiltins.left = 'of eve'\nreturn 'first'",
    ),
    guarded(
        "py-patched-library",
        "change the library for the next call",
        &[Guard::Reset],
        By::Twice,
        "import emerge\nif getattr(emerge.Object, 'patched', 0): return 'through'\nemerge.Object.patched = 1\nreturn 'first'",
    ),
    // Time, memory, output.
    guarded("py-loop", "never end", &[Guard::Deadline], By::Time, "while True: pass"),
    guarded(
        "py-loop-catch",
        "never end, and catch whatever ends it",
        &[Guard::Deadline],
        By::Time,
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    guarded(
        "py-regex",
        "a pattern that takes for ever",
        &[Guard::Deadline],
        By::Time,
        "import re\nreturn str(re.match('(a+)+$', 'a' * 40 + 'b'))",
    ),
    guarded(
        "py-native-loop",
        "run out of time inside a native call",
        &[Guard::Deadline],
        By::Time,
        "return str(sum(range(10 ** 12)))",
    ),
    guarded(
        "py-huge-power",
        "an integer that takes for ever",
        &[Guard::Deadline],
        By::Time,
        "return str((3 ** 7_000_000 * 7 ** 7_000_000) % 10) + str(pow(3, 10 ** 300_000, 10 ** 30_000 + 7))",
    ),
    guarded(
        "py-del-loop",
        "never end while an object goes",
        &[Guard::Deadline],
        By::Time,
        "class D:\n    def __del__(self):\n        while True: pass\nD()\nreturn 'x'",
    ),
    code("py-sleep", "sleep for an hour", "import time\ntime.sleep(3600)\nreturn 'slept in no time'"),
    code("py-recursion", "call itself without end", "def f(): return f()\nreturn f()"),
    code(
        "py-recursion-limit",
        "lift the limit of recursion and call itself",
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(n): return f(n + 1)\nreturn f(0)",
    ),
    code(
        "py-native-recursion",
        "overflow the stack of native code",
        "x = []\nfor _ in range(10 ** 6): x = [x]\nreturn repr(x)",
    ),
    guarded(
        "py-memory",
        "take more memory than a call may",
        &[Guard::Memory],
        By::Answer,
        "x = bytearray(300 << 20)\nreturn f'through: {len(x)} bytes'",
    ),
    code("py-memory-list", "fill memory", "x = []\nwhile True: x.append([1, 2, 3, 4])"),
    code(
        "py-memory-catch",
        "fill memory and catch what stops it",
        "x = []\nwhile True:\n    try: x.append(bytearray(10 ** 7))\n    except BaseException: pass",
    ),
    code("py-memory-string", "a text of a terabyte", "return 'a' * 10 ** 12"),
    code(
        "py-zip-bomb",
        "unpack a bomb",
        "import zlib\nreturn str(len(zlib.decompress(zlib.compress(bytes(10 ** 7)) * 1)) and len(bytes(10 ** 9)))",
    ),
    guarded(
        "py-log-flood",
        "log without end",
        &[Guard::Log],
        By::Log,
        "for n in range(3000): print('x' * 1000)\nreturn 'done'",
    ),
    guarded(
        "py-result-flood",
        "a result over the limit",
        &[Guard::Result],
        By::Size,
        "return bytes(8 * 1024 * 1024 + 4096)",
    ),
    code("py-error-flood", "an error of a hundred megabytes", "raise ValueError('x' * 10 ** 8)"),
    code(
        "py-result-deep",
        "a result that nests without end",
        "x = []\nfor _ in range(10 ** 5): x = [x]\nreturn x",
    ),
    code("py-result-cycle", "a result that holds itself", "x = []\nx.append(x)\nreturn x"),
    code("py-exit", "end the node", "import sys\nsys.exit(1)"),
    code("py-os-exit", "end the process at once", "import os\nos._exit(1)\nreturn 'through'"),
    code("py-abort", "abort the process", "import os\nos.abort()\nreturn 'through'"),
    code(
        "py-faulthandler",
        "crash on purpose",
        "import faulthandler\nfaulthandler._sigsegv()\nreturn 'through'",
    ),
    guarded(
        "py-nested",
        "call itself through fs without end",
        &[Guard::Depth],
        By::Answer,
        "if n > 10: return f'through: {n} deep'\nreturn emerge.fs.call('@self@', 'run', n + 1)",
    ),
];
