"""Writers that race for one key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kespeechchat.store.interface import AlreadyExists, ObjectStore


def one_of_many_wins(store: ObjectStore, writers: int) -> None:
    """`writers` create the same key at once: one of them does, all others are told, and his bytes stand."""

    def attempt(n: int) -> bool:
        try:
            store.create("x/record.json", str(n).encode())
            return True
        except AlreadyExists:
            return False

    with ThreadPoolExecutor(min(writers, 16)) as pool:
        wins = list(pool.map(attempt, range(writers)))
    assert sum(wins) == 1
    assert store.get("x/record.json") == str(wins.index(True)).encode()
