"""One question of the bench, asked by CPython: `cpython.py QUESTION URL REDIS_PORT RUNS` prints {"ours": [...], "theirs": [...]}, operations per second."""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import emerge
import redis

SECONDS = 1.0
IN_FLIGHT = 64
CALLS_IN_FLIGHT = 16
KEYS = 1000


@emerge.dataclass
class Account(emerge.Object):
    balance: float = 0.0
    owner: str = ""

    def scaled(self, factor: float) -> float:
        return self.balance * factor


def rate(operation: Callable[[int], object]) -> float:
    begun = time.perf_counter()
    done = 0
    while time.perf_counter() - begun < SECONDS:
        operation(done % KEYS)
        done += 1
    return done / (time.perf_counter() - begun)


async def rate_in_flight(operation: Callable[[int], Awaitable[object]], in_flight: int = IN_FLIGHT) -> float:
    begun = time.perf_counter()

    async def chain(number: int) -> int:
        done = 0
        while time.perf_counter() - begun < SECONDS:
            await operation((number + done) % KEYS)
            done += 1
        return done

    done = sum(await asyncio.gather(*(chain(number) for number in range(in_flight))))
    return done / (time.perf_counter() - begun)


def path(number: int) -> str:
    return f"/python/k{number}"


def gets(fs: emerge.FileSystem, port: int) -> tuple[Callable[[], float], Callable[[], float]]:
    server = redis.Redis(port=port)
    return lambda: rate(lambda n: fs.get(path(n))), lambda: rate(lambda n: server.get(f"k{n}"))


def gets_in_flight(fs: emerge.FileSystem, port: int) -> tuple[Callable[[], float], Callable[[], float]]:
    async def ours() -> float:
        return await rate_in_flight(lambda n: fs.aio.get(path(n)))

    async def theirs() -> float:
        server = redis.asyncio.Redis(port=port, max_connections=IN_FLIGHT)
        try:
            return await rate_in_flight(lambda n: server.get(f"k{n}"))
        finally:
            await server.aclose()

    return lambda: asyncio.run(ours()), lambda: asyncio.run(theirs())


def serve_pyro(ready: "multiprocessing.Queue[str]") -> None:
    import Pyro5.api

    class Remote:
        def __init__(self) -> None:
            self.balance = 2.5

        @Pyro5.api.expose
        def scaled(self, factor: float) -> float:
            return self.balance * factor

    daemon = Pyro5.api.Daemon(host="127.0.0.1")
    ready.put(str(daemon.register(Remote())))
    daemon.requestLoop()


def calls(fs: emerge.FileSystem, port: int) -> tuple[Callable[[], float], Callable[[], float]]:
    import Pyro5.api

    Pyro5.config.SERIALIZER = "msgpack"
    ready: "multiprocessing.Queue[str]" = multiprocessing.Queue()
    multiprocessing.Process(target=serve_pyro, args=(ready,), daemon=True).start()
    remote = Pyro5.api.Proxy(ready.get(timeout=20))
    assert remote.scaled(2.0) == 5.0 and fs.call(path(0), "scaled", 2.0) == 5.0
    return lambda: rate(lambda n: fs.call(path(0), "scaled", 2.0)), lambda: rate(lambda n: remote.scaled(2.0))


def calls_in_flight(fs: emerge.FileSystem, port: int) -> tuple[Callable[[], float], Callable[[], float]]:
    import Pyro5.api

    Pyro5.config.SERIALIZER = "msgpack"
    ready: "multiprocessing.Queue[str]" = multiprocessing.Queue()
    multiprocessing.Process(target=serve_pyro, args=(ready,), daemon=True).start()
    address = ready.get(timeout=20)

    async def ours() -> float:
        return await rate_in_flight(lambda n: fs.aio.call(path(n), "scaled", 2.0), CALLS_IN_FLIGHT)

    def one_client(number: int) -> float:
        with Pyro5.api.Proxy(address) as remote:
            return rate(lambda n: remote.scaled(2.0))

    def theirs() -> float:
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as clients:
            return sum(clients.map(one_client, range(CALLS_IN_FLIGHT)))

    return lambda: asyncio.run(ours()), theirs


def main() -> None:
    question, url, port, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with emerge.connect(url) as fs:
        server = redis.Redis(port=port)
        for number in range(KEYS):
            fs.store(path(number), Account(balance=2.5, owner="x" * 150))
            server.set(f"k{number}", b"x" * 200)
        sides = {"get": gets, "asyncio": gets_in_flight, "call": calls, "calls": calls_in_flight}[question](fs, port)
        figures: dict[str, list[float]] = {"ours": [], "theirs": []}
        for run in range(runs + 1):
            pair = [side() for side in sides]
            # The first pair warms both sides up.
            if run > 0:
                figures["ours"].append(pair[0])
                figures["theirs"].append(pair[1])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
