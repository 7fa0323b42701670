"""Live changes of a store, fanned out to any number of listeners as server-sent events.

One poller a process asks the store for changes, and only while somebody listens. A listener gets every change in
ascending order of id, several changes of one run within a poll as one message. Whoever cannot be given everything (too
slow, away for longer than changes are kept, or from another store) gets `resync` and is expected to ask for what it
shows afresh.

The `id` of a message says "all changes up to this id were sent", which is what a client resumes from.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tracklog.errors import InvalidRequestError, StoreUnavailableError, shown
from tracklog.storage import Change, Store

_log = logging.getLogger(__name__)

_POLL_S = 0.25
_PING_S = 15  # below the idle timeouts of proxies (60 s and up) and of patience
_RETRY_MS = 1000  # how soon a browser connects again
_PAGE = 1000  # changes asked for at once
_MAX_BACKLOG = 5000  # changes resent after a gap; beyond it asking afresh is cheaper
_MAX_WAITING = 256  # messages kept for a slow listener

_PING = b"event: ping\ndata: {}\n\n"  # with data: browsers tell a page nothing of comments, and it must notice a dead line


class Live:
    """Listeners of one store's changes. All methods belong to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: set[asyncio.Queue[bytes | None]] = set()  # None: the feed was closed
        self._poller: asyncio.Task[None] | None = None
        self._seen = 0  # id of the last change given to listeners; of use while there is a poller
        self._polled = asyncio.Event()  # set, and replaced, at the end of each poll
        self._closed = False
        self._limiter = anyio.CapacityLimiter(4)  # live readers must not wait behind slow queries

    async def events(self, request: Request) -> Response:
        """Answer with the event stream. `Last-Event-ID`, which browsers send by themselves, or `since` resumes.

        Raises:
            InvalidRequestError: what to resume from is no id.
        """
        since = None
        for parameter, given in (
            ("Last-Event-ID", request.headers.get("last-event-id")),
            ("since", request.query_params.get("since")),
        ):
            if not given:
                continue
            if not re.fullmatch("[0-9]{1,18}", given):
                raise InvalidRequestError(
                    f"Cannot resume after {parameter} {shown(given)}. Expected the id of an event, a whole number.",
                    parameter=parameter,
                    given=given,
                )
            since = int(given)
            break
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # the latter for nginx, which buffers
        return StreamingResponse(self.stream(since), media_type="text/event-stream", headers=headers)

    async def stream(self, since: int | None) -> AsyncIterator[bytes]:
        """Yield the event stream of one listener, after the change `since` or from now on, until the feed is closed."""
        newest = await self._newest()
        # A poller that runs already is behind by up to a poll. Joined now, it would tell what this listener knows.
        while self._poller is not None and self._seen < newest:
            await self._polled.wait()
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        if self._closed:
            return
        if self._poller is None:
            self._seen = newest
            self._poller = asyncio.create_task(self._poll(), name="tracklog-changes")
        self._listeners.add(waiting)
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            # From here on the queue has everything after `start`; what lies before it is caught up once.
            start = self._seen
            if since is None:
                yield _event("hello", start, {"last_id": start})
            else:
                for message in await self._backlog(since, start, max(newest, start)):
                    yield message
            while True:
                try:
                    queued = await asyncio.wait_for(waiting.get(), _PING_S)
                except asyncio.TimeoutError:
                    yield _PING
                    continue
                if queued is None:
                    return
                yield queued
        finally:
            self._listeners.discard(waiting)

    async def close(self) -> None:
        """End all streams, now and later."""
        self._closed = True
        for waiting in self._listeners:
            _replace(waiting, None)
        if self._poller is not None:
            self._poller.cancel()

    async def _changes(self, since: int, limit: int) -> list[Change]:
        return await anyio.to_thread.run_sync(self._store.changes, since, limit, limiter=self._limiter, abandon_on_cancel=True)

    async def _newest(self) -> int:
        newest = await self._changes(-1, 1)
        return newest[-1].id if newest else 0

    async def _backlog(self, since: int, start: int, newest: int) -> list[bytes]:
        """Return messages for the changes after `since` up to `start`, or the one that asks to resync."""
        resync = [_event("resync", start, {"last_id": start})]
        if since > newest:  # an id this store never gave
            return resync
        if since >= start:
            return []
        oldest = await self._changes(0, 1)
        if not oldest or oldest[0].id > since + 1:  # some in between may have been forgotten
            return resync
        missed: list[Change] = []
        while not missed or missed[-1].id < start:
            page = await self._changes(missed[-1].id if missed else since, _PAGE)
            missed += page
            if len(missed) > _MAX_BACKLOG:
                return resync
            if len(page) < _PAGE:
                break
        return _messages([change for change in missed if change.id <= start])

    async def _poll(self) -> None:
        failing = False
        try:
            while self._listeners:
                await asyncio.sleep(_POLL_S)
                try:
                    changes = await self._changes(self._seen, _PAGE)
                except Exception as error:  # a server task: it must outlive any trouble of the store  # noqa: BLE001
                    if not failing:
                        unforeseen = not isinstance(error, StoreUnavailableError)
                        _log.warning("Live updates wait: %s", error, exc_info=unforeseen)
                    failing = True
                    continue
                failing = False
                if changes:
                    self._seen = changes[-1].id
                self._poll_ended()
                if not changes:
                    continue
                messages = _messages(changes)
                for waiting in self._listeners:
                    if waiting.qsize() + len(messages) > _MAX_WAITING:
                        _replace(waiting, _event("resync", self._seen, {"last_id": self._seen}))
                    else:
                        for message in messages:
                            waiting.put_nowait(message)
        finally:
            self._poller = None
            self._poll_ended()

    def _poll_ended(self) -> None:
        self._polled.set()
        self._polled = asyncio.Event()


def _replace(waiting: asyncio.Queue[bytes | None], message: bytes | None) -> None:
    """Let a listener find `message` and nothing else."""
    while not waiting.empty():
        waiting.get_nowait()
    waiting.put_nowait(message)


def _messages(changes: Sequence[Change]) -> list[bytes]:
    """Return one message a run, ordered by the run's newest change; what is of no run goes by experiment."""
    first_ids: dict[tuple[str, str], int] = {}
    merged_by_owner: dict[tuple[str, str], Change] = {}
    for change in changes:
        owner = (change.run_id, "" if change.run_id else change.experiment)
        first_ids.setdefault(owner, change.id)
        earlier = merged_by_owner.pop(owner, None)
        if earlier is not None:
            change = msgspec.structs.replace(change, what=[*dict.fromkeys([*earlier.what, *change.what])])
        merged_by_owner[owner] = change
    messages = []
    # A message may only claim ids below the first change of every message still to come.
    claimed = changes[-1].id if changes else 0
    for owner, change in reversed(merged_by_owner.items()):
        messages.append(_event("change", min(claimed, change.id), change))
        claimed = min(claimed, first_ids[owner] - 1)
    return messages[::-1]


def _event(name: str, event_id: int, data: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event_id, name.encode(), msgspec.json.encode(data))
