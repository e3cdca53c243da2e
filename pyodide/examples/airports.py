"""Airports as Python objects, in a notebook of the node or in CPython.

In a notebook cell: ``await store_airports(text)``, where ``text`` is a CSV with the columns of the airports' data. In CPython::

    EMERGE_URL=ws://localhost:5558 EMERGE_TOKEN=… python airports.py airports.csv

A page then calls ``distance_to`` of these objects, as Python calls ``distanceTo`` of those that a page stored.
"""

import asyncio
import csv
import io
import math
import sys

import emerge

DIRECTORY = "/airports-py"
#: Stores that may be on the way at once.
IN_FLIGHT = 64


@emerge.dataclass
class PyAirport(emerge.Object):
    """An airport and where it lies."""

    iata: str = ""
    name: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    latitude: float = 0.0
    longitude: float = 0.0

    def distance_to(self, latitude: float, longitude: float) -> float:
        """Kilometres along the great circle to a place, in degrees."""
        here, there = math.radians(self.latitude), math.radians(latitude)
        turn = math.radians(longitude - self.longitude)
        a = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(turn / 2) ** 2
        return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(a)))


def read_airports(text: str) -> list[PyAirport]:
    """The airports of a CSV text."""
    return [
        PyAirport(**{**row, "latitude": float(row["latitude"]), "longitude": float(row["longitude"])})
        for row in csv.DictReader(io.StringIO(text))
    ]


async def store_airports(text: str) -> int:
    """Stores all airports of a CSV text and says how many there were."""
    airports = read_airports(text)
    turn = asyncio.Semaphore(IN_FLIGHT)
    async with emerge.connect.aio() as fs:

        async def store(airport: PyAirport) -> None:
            async with turn:
                await fs.aio.store(f"{DIRECTORY}/{airport.iata}", airport)

        await asyncio.gather(*map(store, airports))
    return len(airports)


if __name__ == "__main__" and sys.platform != "emscripten":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(asyncio.run(store_airports(file.read())), "airports are stored under", DIRECTORY)
