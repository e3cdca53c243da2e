"""An event loop for one call: its tasks and its timers, and nothing outside. Time passes when there is nothing else to do, and then at once."""

from __future__ import annotations

import asyncio
import sys
from asyncio import base_events, events
from typing import Any


class _Nothing:
    """In the place of a selector."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> tuple[()]:
        """Lets time pass until the next timer."""
        if timeout is None:
            raise RuntimeError("the method waits for what never comes: no task is left that could bring it")
        self._loop.passed += timeout
        return ()

    def close(self) -> None:
        """Nothing was open."""


class Loop(base_events.BaseEventLoop):
    """As far as asyncio goes without a machine below; the rest is an ``OSError``."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self._selector = _Nothing(self)

    def time(self) -> float:
        """Seconds that timers have let pass."""
        return self.passed

    def _process_events(self, _: Any) -> None:
        return

    def _write_to_self(self) -> None:
        return


def _refuse(name: str) -> Any:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(95, f"loop.{name} is not there for stored code")

    refused.__name__ = name
    return refused


_OUTSIDE = """
add_reader add_signal_handler add_writer connect_accepted_socket connect_read_pipe connect_write_pipe create_connection create_datagram_endpoint
create_server create_unix_connection create_unix_server getaddrinfo getnameinfo remove_reader remove_signal_handler remove_writer run_in_executor
sendfile sock_accept sock_connect sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendfile sock_sendto start_tls
subprocess_exec subprocess_shell
"""
for _name in _OUTSIDE.split():
    setattr(Loop, _name, _refuse(_name))

# Made once, when this Python boots: a call finds it as it was then.
_loop = Loop()
_loop._thread_id = 1
_run_once = _loop._run_once
_enter = events._set_running_loop
_Task: Any = asyncio.Task
# Native Python (`guest-native/`) may be older.
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


def seal() -> None:
    """Makes ``asyncio.run`` in a method that does not wait run on such a loop too."""
    policy: Any = getattr(events, "_get_event_loop_policy", None) or asyncio.get_event_loop_policy
    type(policy())._loop_factory = Loop


def leave() -> None:
    """No loop runs now; a method that does not wait may run one of its own."""
    _enter(None)


def finish(work: Any) -> Any:
    """Runs a coroutine to its end. One that awaits nothing but Emerge's own ends at its first step, and the loop does not turn."""
    _enter(_loop)
    task = _Task(work, loop=_loop, **_EAGER)
    while not task.done():
        _run_once()
    return task.result()
