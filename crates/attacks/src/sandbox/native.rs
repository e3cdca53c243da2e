//! What code in native Python tries, where the kernel alone holds it. On a system that cannot confine it there is none, and no such class is stored.

use super::{By, Code, code, guarded};
use emerge_proto::guard::Guard;

/// What is tried of the machine: it gets through when the process is not confined.
const fn machine(name: &'static str, tries: &'static str, body: &'static str) -> Code {
    guarded(name, tries, &[Guard::Confined], By::Answer, body)
}

pub(super) const ALL: &[Code] = &[
    // Files.
    machine("native-open", "read a file", "return 'through: ' + open('@canary@').read()"),
    machine(
        "native-libc-open",
        "read a file by the C library",
        "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.open(b'@canary@', 0)\nbuffer = ctypes.create_string_buffer(99)\nreturn 'through: ' + buffer.value.decode() if libc.read(fd, buffer, 99) > 0 else 'nothing'",
    ),
    machine(
        "native-syscall",
        "read a file by a bare system call",
        "import ctypes, os\nfd = ctypes.CDLL(None).syscall(257, -100, b'@canary@', 0)\nreturn 'through: ' + os.read(fd, 99).decode() if fd >= 0 else 'nothing'",
    ),
    machine(
        "native-numpy-file",
        "read a file by numpy",
        "import numpy as np\nreturn 'through: ' + np.fromfile('@canary@', dtype='u1').tobytes().decode()",
    ),
    machine(
        "native-pandas-file",
        "read a file by pandas",
        "import pandas as pd\nreturn 'through: ' + pd.read_csv('@canary@').columns[0]",
    ),
    machine(
        "native-traversal",
        "walk from a folder that may be read to one that may not",
        "import pandas\nreturn 'through: ' + open(pandas.__path__[0] + '/../' * 20 + '@canary@').read()",
    ),
    machine("native-write", "write a file", "open('@folder@planted', 'w').write('x')\nreturn 'through'"),
    machine(
        "native-write-own",
        "change a package for the next",
        "import numpy, os\nos.utime(numpy.__file__)\nreturn 'through'",
    ),
    machine(
        "native-listdir",
        "list the folder of the store",
        "import os\nreturn 'through: ' + os.listdir('@folder@')[0]",
    ),
    machine(
        "native-stat",
        "ask for a file's size",
        "import os\nreturn f'through: {os.stat(\"@canary@\").st_size}'",
    ),
    machine("native-remove", "remove a file", "import os\nos.remove('@folder@canary.py')\nreturn 'through'"),
    machine("native-chdir", "change the working folder", "import os\nos.chdir('@folder@')\nreturn 'through'"),
    machine(
        "native-import",
        "import from a file",
        "import sys\nsys.path.append('@folder@')\nimport canary\nreturn canary.through",
    ),
    machine(
        "native-access",
        "ask whether a file may be read",
        "import os, ctypes\nreturn 'through' if os.access('/etc/passwd', 4) else 'no'",
    ),
    // The node's process, and others.
    machine(
        "native-proc",
        "read the node's environment",
        "return 'through: ' + open('/proc/@pid@/environ').read()[:20]",
    ),
    machine(
        "native-proc-self",
        "read its own memory map",
        "return 'through: ' + open('/proc/self/maps').read()[:20]",
    ),
    machine(
        "native-ptrace",
        "be traced",
        "import ctypes\nreturn 'through' if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0 else 'refused'",
    ),
    machine(
        "native-vm-read",
        "read memory by the kernel",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.process_vm_readv(libc.getpid(), 0, 0, 0, 0, 9)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine("native-kill", "send a signal to the node", "import os\nos.kill(@pid@, 0)\nreturn 'through'"),
    machine(
        "native-kill-parent",
        "send a signal to the parent of the workers",
        "import os\nos.kill(os.getppid(), 0)\nreturn 'through'",
    ),
    machine(
        "native-tgkill",
        "send a signal to a thread of the node",
        "import ctypes\nreturn 'through' if ctypes.CDLL(None).syscall(234, @pid@, @pid@, 0) == 0 else 'refused'",
    ),
    machine(
        "native-pidfd",
        "hold the node by a descriptor",
        "import os\nreturn f'through: {os.pidfd_open(@pid@)}'",
    ),
    machine(
        "native-prlimit",
        "change a limit of the node",
        "import resource\nreturn f'through: {resource.prlimit(@pid@, resource.RLIMIT_NOFILE)}'",
    ),
    // Processes.
    machine(
        "native-fork",
        "fork",
        "import os\npid = os.fork()\nif pid == 0: os._exit(0)\nreturn f'through: {pid}'",
    ),
    machine(
        "native-clone",
        "make a process by a bare system call",
        "import ctypes, os\npid = ctypes.CDLL(None).syscall(56, 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nreturn f'through: {pid}' if pid > 0 else 'refused'",
    ),
    machine(
        "native-thread",
        "start threads",
        "import threading\ndone = []\nthread = threading.Thread(target=lambda: done.append(1))\nthread.start()\nthread.join()\nreturn 'through' if done else 'no'",
    ),
    machine(
        "native-exec",
        "become another program",
        "import os, subprocess\nreturn 'through: ' + subprocess.run(['/bin/echo', 'x'], capture_output=True, text=True).stdout",
    ),
    machine(
        "native-exec-python",
        "become another Python, which nothing confines",
        "import subprocess, sys\nreturn 'through: ' + subprocess.run([sys.executable, '-S', '-c', 'print(1)'], capture_output=True, text=True).stdout",
    ),
    machine(
        "native-loader",
        "run a program by the loader",
        "import subprocess\nreturn 'through: ' + subprocess.run(['/lib64/ld-linux-x86-64.so.2', '/bin/echo', 'x'], capture_output=True, text=True).stdout",
    ),
    // The network.
    machine(
        "native-socket",
        "connect to the node by itself",
        "import socket\nsocket.create_connection(('127.0.0.1', @port@))\nreturn 'through'",
    ),
    machine(
        "native-socket-libc",
        "make a socket by the C library",
        "import ctypes\nfd = ctypes.CDLL(None).socket(2, 1, 0)\nreturn f'through: {fd}' if fd >= 0 else 'refused'",
    ),
    machine(
        "native-socket-unix",
        "make a socket of this machine",
        "import socket\nsocket.socket(socket.AF_UNIX)\nreturn 'through'",
    ),
    machine(
        "native-netlink",
        "ask the kernel for the network's interfaces",
        "import socket\nsocket.socket(16, 3, 0)\nreturn 'through'",
    ),
    machine(
        "native-listen",
        "listen on a port",
        "import socket\nsocket.create_server(('127.0.0.1', 0))\nreturn 'through'",
    ),
    machine(
        "native-url",
        "fetch a page",
        "import urllib.error, urllib.request\ntry: return f'through: {urllib.request.urlopen(\"http://127.0.0.1:@port@/\").status}'\nexcept urllib.error.HTTPError as error: return f'through: {error.code}'",
    ),
    // The kernel.
    machine(
        "native-userfaultfd",
        "catch the kernel's faults",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall(323, 1 << 20)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine(
        "native-io-uring",
        "open a ring of the kernel's",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall(425, 0, 0)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine(
        "native-unshare",
        "make namespaces",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.unshare(1)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine(
        "native-mount",
        "mount",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.mount(0, 0, 0, 0, 0)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine(
        "native-keyctl",
        "read keys of the kernel's",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall(250, 0, -3, 0)\nreturn 'refused' if ctypes.get_errno() == 1 else f'through: {ctypes.get_errno()}'",
    ),
    machine(
        "native-shared",
        "share memory that no limit counts",
        "import mmap\nreturn f'through: {len(mmap.mmap(-1, 1 << 20))}'",
    ),
    machine(
        "native-memfd",
        "keep a file in memory",
        "import os\nreturn f'through: {os.memfd_create(\"x\")}'",
    ),
    machine("native-pipe", "fill pipes", "import os\nreturn f'through: {os.pipe()}'"),
    machine(
        "native-dumpable",
        "let others look into it",
        "import ctypes\nreturn 'through' if ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0 else 'refused'",
    ),
    code(
        "native-root",
        "become root",
        "import os\nos.setuid(0)\nopen('@canary@').read()\nreturn 'through' if os.getuid() == 0 and not os.path.exists('@canary@') else 'no'",
    ),
    code(
        "native-filter",
        "take the filter away",
        "import ctypes\nclass Program(ctypes.Structure):\n    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_char_p)]\nallow = (6).to_bytes(2, 'little') + bytes(2) + (0x7fff0000).to_bytes(4, 'little')\nctypes.CDLL(None).prctl(22, 2, ctypes.byref(Program(1, allow)), 0, 0)\nreturn 'through: ' + open('@canary@').read()",
    ),
    code("native-environ", "read the environment", "import os\nreturn 'through: ' + os.environ['PATH']"),
    code(
        "native-descriptor",
        "read from whatever descriptors are open",
        "import os\nfor fd in range(1, 256):\n    try: data = os.read(fd, 10)\n    except OSError: continue\n    if data: return f'through: {fd} {data}'\nreturn 'none'",
    ),
    code(
        "native-limits",
        "lift its limits",
        "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (-1, -1))\nreturn 'through'",
    ),
    // The conversation with the node.
    code(
        "native-garbage",
        "tell the node what it does not understand",
        "import os\nos.write(0, b'\\x99' * 100)\nreturn 'x'",
    ),
    code(
        "native-length",
        "tell the node of a body without end",
        "import os\nos.write(0, b'\\x41\\xff\\xff\\xff\\xff')\nreturn 'x'",
    ),
    code(
        "native-forged-reply",
        "give a reply that is no pickle",
        "import os\nos.write(0, b'\\x41\\x0c\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x03\\x00\\x00\\x00abc')\nwhile True: pass",
    ),
    code(
        "native-forged-ask",
        "ask for what no client asks",
        "import os\nos.write(0, b'\\x42\\x0b\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\x00\\x00\\x00abc')\nreturn 'x'",
    ),
    code(
        "native-flood",
        "log without end",
        "import os\nwhile True: os.write(0, b'\\x43\\x00\\x10\\x00\\x00' + bytes(4096))",
    ),
    code("native-close", "hang up", "import os\nos.close(0)\nreturn 'x'"),
    // Time, memory, output.
    guarded("native-loop", "never end", &[Guard::Deadline], By::Time, "while True: pass"),
    guarded(
        "native-call-loop",
        "run out of time inside a native call",
        &[Guard::Deadline],
        By::Time,
        "import numpy as np\nx = np.random.rand(3_000_000)\nwhile True: np.sort(x)",
    ),
    guarded(
        "native-signals",
        "never end, and catch whatever ends it",
        &[Guard::Deadline],
        By::Time,
        "import signal\nfor each in range(1, 65):\n    try: signal.signal(each, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    ),
    guarded(
        "native-sleep",
        "sleep for an hour",
        &[Guard::Deadline],
        By::Time,
        "import time\ntime.sleep(3600)",
    ),
    guarded(
        "native-memory",
        "take more memory than a call may",
        &[Guard::Memory],
        By::Answer,
        "import numpy as np\nreturn f'through: {np.empty(45_000_000).nbytes}'",
    ),
    guarded(
        "native-memory-mmap",
        "map more memory than a call may",
        &[Guard::Memory],
        By::Answer,
        "import mmap\nx = mmap.mmap(-1, 300 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\nreturn f'through: {len(x)}'",
    ),
    code(
        "native-memory-catch",
        "fill memory and catch what stops it",
        "x = []\nwhile True:\n    try: x.append(bytearray(10 ** 7))\n    except BaseException: pass",
    ),
    code("native-segfault", "crash", "import ctypes\nctypes.string_at(0)\nreturn 'x'"),
    code("native-abort", "abort", "import os\nos.abort()"),
    code("native-exit", "end its process", "import os\nos._exit(0)"),
    guarded(
        "native-log",
        "log without end",
        &[Guard::Log],
        By::Log,
        "for _ in range(20): print('x' * 10_000)\nreturn 'x'",
    ),
    guarded(
        "native-result",
        "give a result over the limit",
        &[Guard::Result],
        By::Size,
        "return 'x' * 9_000_000",
    ),
    // What is left over.
    guarded(
        "native-leftover",
        "leave something in a process for another user",
        &[Guard::Users],
        By::Others,
        "import builtins\nif hasattr(builtins, 'left'): return 'through: ' + builtins.left\nbuiltins.left = 'of eve'\nreturn 'first'",
    ),
    guarded(
        "native-gc",
        "find what another user's call left in memory",
        &[Guard::Users],
        By::After,
        "import gc\nif isinstance(n, str):\n    import builtins\n    builtins.left = [n]\n    return 'kept'\nreturn next((f'through: {o[0]}' for o in gc.get_objects() if type(o) is list and o and isinstance(o[0], str) and o[0].startswith('the secret of')), 'nothing')",
    ),
    guarded(
        "native-deputy",
        "have another call code that reads the other's object",
        &[Guard::Parties],
        By::Others,
        "try: return 'through: ' + emerge.fs.get('/shared/ada/hidden').secret\nexcept emerge.EmergeError as e: return str(e)",
    ),
    guarded(
        "native-hidden",
        "read another's object",
        &[Guard::Rights],
        By::Answer,
        "try: return 'through: ' + emerge.fs.get('/shared/ada/hidden').secret\nexcept emerge.EmergeError as e: return str(e)",
    ),
    // What a class requires.
    code(
        "native-requires",
        "have a package imported that no class should",
        "import pip\nreturn 'through: ' + pip.main(['--version']) + open('@canary@').read()",
    ),
];
