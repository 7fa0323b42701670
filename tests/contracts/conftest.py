"""The implementers of `Store` that the contract suites run over.

Starting a server costs far more than a test, so each implementer has one store a session, `store`, that all tests
share, each with an `experiment` and run ids of its own: what a test sees never depends on what else is stored.
`empty_store` is for the few tests that must be alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.postgres import PostgresServer, postgres_server
from tests.servers import serve

from tracklog.storage import Store
from tracklog.storage.local import LocalStore
from tracklog.storage.remote import RemoteStore

OpenNew = Callable[[Path], AbstractContextManager[Store]]  # opens a new store in a folder


@dataclass(frozen=True)
class Place:
    """An open store and the folder below which it keeps its files."""

    store: Store
    folder: Path


@pytest.fixture(scope="session")
def session_stack() -> Iterator[ExitStack]:
    """What is opened once a session and closed at its end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def postgres(session_stack: ExitStack) -> Callable[[], PostgresServer]:
    """Return the session's PostgreSQL server, started when first asked for."""
    started: list[PostgresServer] = []

    def get() -> PostgresServer:
        if not started:
            started.append(session_stack.enter_context(postgres_server()))
        return started[0]

    return get


@pytest.fixture(scope="session")
def implementers(postgres: Callable[[], PostgresServer]) -> dict[str, OpenNew]:
    """Return, by name, how each implementer opens a new store in an empty folder."""

    @contextmanager
    def local(folder: Path) -> Iterator[Store]:
        with closing(LocalStore(folder)) as store:
            yield store

    @contextmanager
    def remote(folder: Path) -> Iterator[Store]:
        with serve(folder) as server, closing(RemoteStore(server.url)) as store:
            yield store

    @contextmanager
    def postgres_catalog(folder: Path) -> Iterator[Store]:
        with postgres().database() as url, closing(LocalStore(folder, database_url=url)) as store:
            yield store

    return {"local": local, "remote": remote, "postgres": postgres_catalog}


@pytest.fixture(scope="session")
def shared_places() -> dict[str, Place]:
    return {}


@pytest.fixture(params=["local", "remote", "postgres"])
def implementer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(
    implementer: str,
    implementers: dict[str, OpenNew],
    shared_places: dict[str, Place],
    session_stack: ExitStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    if implementer not in shared_places:
        folder = tmp_path_factory.mktemp(implementer) / "workspace"
        shared_places[implementer] = Place(session_stack.enter_context(implementers[implementer](folder)), folder)
    return shared_places[implementer]


@pytest.fixture
def store(place: Place) -> Store:
    """The implementer's store, shared by all tests of the session."""
    return place.store


@pytest.fixture
def empty_store(implementer: str, implementers: dict[str, OpenNew], tmp_path: Path) -> Iterator[Store]:
    """A new store of the implementer."""
    with implementers[implementer](tmp_path / "workspace") as store:
        yield store


@pytest.fixture
def experiment() -> str:
    """The name of an experiment that nobody else uses."""
    return f"experiment-{uuid.uuid4().hex}"
