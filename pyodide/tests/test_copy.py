"""A copy in parts, as a node tells it: each part by itself."""

from __future__ import annotations

import pytest
from conftest import wait_for

import emerge
from emerge import _aio, _host, _wire, errors
from emerge._fs import Waiting, run


class Parts(_host.Items):
    def __init__(self, replies):
        self.replies = iter(replies)
        self.taken = 0
        self.over = False

    def take(self):
        self.taken += 1
        return next(self.replies, None)

    async def take_soon(self):
        return self.take()

    def abandon(self):
        self.over = True


class Told(_host.Connection):
    """A connection that knows what the node would say."""

    def __init__(self, *replies):
        self.items = Parts([(True, _wire.dumps(reply)[0]) if good else (False, reply) for good, reply in replies])
        self.credit = None

    def ask(self, request, timeout):
        raise AssertionError

    async def ask_soon(self, request, timeout):
        raise AssertionError

    def stream(self, request, timeout, credit=_host.CREDIT):
        self.credit = credit
        return self.items

    def close(self):
        return None

    async def close_soon(self):
        return None

    @property
    def state(self):
        return "open"


TWO = [(True, (1000, "/a/x")), (True, (2000, "/a/y")), (True, (3000, "/a/z"))]


def copied(connection, told):
    def soon(here):
        return _aio.AsyncFileSystem(here).cp("/a", "/b", recursive=True, on_progress=told)

    return {"plain": lambda: run(soon(Waiting(connection))), "soon": lambda: wait_for(soon(connection))}


@pytest.mark.parametrize("way", ["plain", "soon"])
def test_each_part_is_told_and_few_are_on_the_way(way):
    connection, seen = Told(*TWO), []
    copied(connection, lambda *part: seen.append(part))[way]()
    assert seen == [reply for _, reply in TWO]
    assert connection.credit == _host.PARTS == 4


@pytest.mark.parametrize("way", ["plain", "soon"])
def test_a_callback_that_raises_ends_the_copy_at_once(way):
    connection = Told(*TWO)

    def stop(count, path):
        raise ValueError(count, path)

    # The error, whose traceback holds all that was under way, is still there when it is looked.
    with pytest.raises(ValueError, match="1000") as kept:
        copied(connection, stop)[way]()
    assert (connection.items.taken, connection.items.over) == (1, True)
    assert kept.value.args == (1000, "/a/x")


@pytest.mark.parametrize("way", ["plain", "soon"])
def test_an_error_says_what_was_copied(way, monkeypatch):
    def failed(told):
        monkeypatch.setattr(_host, "failure", lambda payload: errors.DeadlineExceededError(told))
        with pytest.raises(emerge.EmergeError) as kept:
            copied(Told(*TWO[:2], (False, b"")), None)[way]()
        return kept.value

    late = failed("the request ran past its deadline")
    assert late.message.endswith("; at least 2000 objects and directories were copied, the last of them /a/y")
    assert late.effect == "unknown" and str(late) == f"deadline_exceeded: {late.message}"
    told = "no; 2000 objects and directories were copied, the last of them /a/y"
    assert failed(told).message == told
