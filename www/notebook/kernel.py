"""Runs the cells of the notebook page: their output, rich display, tracebacks, interruption and the completion of names."""

import asyncio
import builtins
import contextvars
import io
import linecache
import os
import re
import rlcompleter
import sys
import time
import traceback

from pyodide.code import eval_code_async

#: Characters that one cell may print; what comes after is counted, not shown.
MOST_OUTPUT = 1_000_000
#: Characters, and seconds, after which printed text is handed on.
ENOUGH, SOON = 8_192, 0.05
#: Names that one completion shows.
MOST_NAMES = 100
FILE_PREFIX = "cell "
RICH = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_"}

cell_of = contextvars.ContextVar("cell", default=0)
namespace = sys.modules["__main__"].__dict__


class Output(io.TextIOBase):
    """A standard stream that hands text to the cell whose code wrote it, in pieces worth sending."""

    def __init__(self, name, emit):
        self.name, self.emit = name, emit
        self.cell, self.pieces, self.length, self.sent_at = 0, [], 0, 0.0
        self.printed = {}

    def writable(self):
        return True

    def write(self, text):
        cell = cell_of.get()
        if cell != self.cell:
            self.flush()
            self.cell = cell
        before = self.printed.get(cell, 0)
        self.printed[cell] = before + len(text)
        shown = text[: max(0, MOST_OUTPUT - before)]
        if before <= MOST_OUTPUT < before + len(text):
            shown += f"\n… what is printed after {MOST_OUTPUT:,} characters is not shown\n"
        if shown:
            self.pieces.append(shown)
            self.length += len(shown)
            if self.length >= ENOUGH or time.monotonic() - self.sent_at >= SOON:
                self.flush()
        return len(text)

    def flush(self):
        if self.pieces:
            text = "".join(self.pieces)
            self.pieces, self.length, self.sent_at = [], 0, time.monotonic()
            self.emit(self.cell, self.name, text)

    def forget(self, cell):
        self.flush()
        self.printed.pop(cell, None)


def start(url, token, emit_stream, emit_display):
    """Readies the streams, `display` and what `emerge.connect()` without arguments connects to."""
    os.environ["EMERGE_URL"], os.environ["EMERGE_TOKEN"] = url, token
    sys.stdout, sys.stderr = Output("stdout", emit_stream), Output("stderr", emit_stream)

    def display(*values):
        """Shows values as a cell's last expression is shown."""
        for value in values:
            show(value, emit_display)

    builtins.display = display


def show(value, emit):
    """Hands on the richest form that a value has, and its text."""
    data = {}
    for kind, method in RICH.items():
        rich = getattr(type(value), method, None)
        text = rich(value) if rich is not None else None
        if isinstance(text, str):
            data[kind] = text
            break
    if not data:
        data["text/plain"] = clipped(repr(value))
    sys.stdout.flush()
    emit(cell_of.get(), data)


def clipped(text):
    return text if len(text) <= MOST_OUTPUT else f"{text[:MOST_OUTPUT]}… ({len(text):,} characters)"


async def run(cell, source, file):
    """Runs a cell; its last expression's value is shown. Gives the traceback, or none when all went well."""
    cell_of.set(cell)
    sys.stdout.forget(cell)
    sys.stderr.forget(cell)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    try:
        value = await eval_code_async(source, namespace, filename=file)
        if value is not None:
            namespace["_"] = value
            display(value)  # noqa: F821 - a builtin, by start()
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return "KeyboardInterrupt: the cell was interrupted"
    except KeyboardInterrupt as error:
        return told(error) + "the cell was interrupted"
    except BaseException as error:
        return told(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return None


def told(error):
    """The traceback from the first line of a cell on."""
    frame = error.__traceback__
    while frame is not None and not frame.tb_frame.f_code.co_filename.startswith(FILE_PREFIX):
        frame = frame.tb_next
    return clipped("".join(traceback.format_exception(type(error), error, frame)))


def interrupt(cell):
    """Ends what a cell waits for."""
    host = sys.modules.get("emerge._host_pyodide")
    if host is not None and host.interrupt():
        return
    for task in asyncio.all_tasks():
        if task.get_context().get(cell_of) == cell:
            task.cancel()


def complete(text):
    """The names with which the end of `text` may go on."""
    found = re.search(r"[^\W\d][\w.]*$", text)
    if found is None:
        return []
    completer = rlcompleter.Completer(namespace)
    names = []
    while len(names) < MOST_NAMES:
        name = completer.complete(found[0], len(names))
        if name is None:
            break
        names.append(name.strip().rstrip("()"))
    return sorted(set(names))
