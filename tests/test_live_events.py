"""The event stream says something even when nothing happens, so that a page can tell a dead line from a quiet one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tracklog.server import live
from tracklog.storage.local import LocalStore


def test_a_quiet_stream_sends_events_that_a_page_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PING_S", 0.01)

    async def first(count: int) -> list[bytes]:
        feed = live.Live(store)
        stream = feed.stream(None)
        messages = [await anext(stream) for _ in range(count)]
        await feed.close()
        await stream.aclose()
        return messages

    # In a thread: a browser that an earlier test opened keeps a loop running in this one.
    with closing(LocalStore(tmp_path / "w")) as store, ThreadPoolExecutor(1) as thread:
        messages = thread.submit(asyncio.run, first(4)).result()

    # An event without data would not reach a page (HTML Living Standard, 9.2.6).
    assert messages[2:] == [b"event: ping\ndata: {}\n\n"] * 2
