"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from s3_server import S3Server

from dispatcher.store import Store
from simulation.postgres import Postgres, binaries

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos; they are never part of the project, so their tests skip elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real photos (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for all tests."""
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    server = Postgres(found)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def mortal_server() -> Iterator[Postgres]:
    """A server of one test's own, to be killed."""
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    server = Postgres(found)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_server: Postgres) -> str:
    """The URL of an empty PostgreSQL database."""
    return postgres_server.create()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for all tests."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "log")
    yield server
    server.kill()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'dispatcher.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of each kind in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """`Store.open`, for stores that are closed when the test is over."""
    with ExitStack() as stack:
        yield lambda *where, **how: stack.enter_context(closing(Store.open(*where, **how)))
