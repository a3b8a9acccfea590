"""Locks of server processes: one that begins while others sweep is seen to live all the same."""

import sys
import threading
from pathlib import Path

import pytest

from mcp_imagegen.pipeline.processes import Process, token_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there only the lease tells")
ROUNDS = 300


def test_who_begins_while_others_sweep_is_seen_to_live(tmp_path: Path) -> None:
    sweeper, begun = Process(tmp_path), threading.Event()

    def sweep() -> None:
        while not begun.is_set():
            for token in sweeper.dead():
                sweeper.bury(token)

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    processes = [Process(tmp_path) for _ in range(ROUNDS)]
    for process in processes:
        process.begin()
    begun.set()
    sweeping.join()
    seen = [sweeper.standing(process.name) for process in processes]
    for process in processes:
        process.end()
    assert seen == ["lives"] * ROUNDS
    assert list(tmp_path.iterdir()) == []


def test_calls_that_begin_together_take_one_lock(tmp_path: Path) -> None:
    process, other = Process(tmp_path), Process(tmp_path)
    beginning = [threading.Thread(target=process.begin) for _ in range(8)]
    for one in beginning:
        one.start()
    for one in beginning:
        one.join()
    assert other.standing(process.name) == "lives"
    other.bury(token_of(process.name))
    assert other.standing(process.name) == "lives"
    process.end()
    assert other.standing(process.name) == "unknown"
