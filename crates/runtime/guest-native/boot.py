"""What the interpreter is started with: takes the program's own modules from the node, and runs ``native_parent``."""

import os
import sys
from importlib.machinery import ModuleSpec


def _exactly(length):
    pieces = []
    while length:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _parts():
    data = _exactly(int.from_bytes(_exactly(5)[1:], "little"))
    parts, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


class _Sent:
    """Finds modules among those that the node sent; they come before all that is installed."""

    def __init__(self, texts):
        self._texts = texts

    def find_spec(self, name, path=None, target=None):
        if name in self._texts:
            return ModuleSpec(name, self, is_package=False)
        if name == "emerge":
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        text = self._texts.get(name) or self._texts["emerge.__init__"]
        exec(compile(text, f"<{name}>", "exec", dont_inherit=True), vars(module))


_config, *_sent = _parts()
sys.meta_path.insert(0, _Sent({name.decode(): text.decode() for name, text in zip(_sent[::2], _sent[1::2])}))

import native_parent  # noqa: E402

native_parent.run(_config)
