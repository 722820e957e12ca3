"""What all tests share: the real data in place, and Chromium and other programs where they are installed."""

import os
import shutil
import socketserver
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from tests.archive.servers import (  # noqa: F401 (fixtures)
    bucket,
    bucket_server,
    cluster,
    migrated_once,
    new_database,
)
from tests.pydicom_decoders import register

from pellucid.access import passwords

register()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """How several processes share the tests; called only where there are several."""
    from tests.chains import Chains

    return Chains(config, log) if config.getoption("dist") == "loadfile" else None


DATA = Path(os.environ.get("PELLUCID_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))


@pytest.fixture(scope="session")
def real_data():
    """Call with a path below the data folder; skips by name where it is absent."""

    def find(relative: str) -> Path:
        path = DATA / relative
        if not path.exists():
            pytest.skip(f"real test data {relative} is absent")
        return path

    return find


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords():
    """Accounts of tests are kept with a hash of a millisecond, not the tenth of a second that guessing shall cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session", autouse=True)
def prompt_servers():
    """Partners of the tests that are servers of Python's own notice within 50 ms, not 500, that they shall end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socketserver.BaseServer.serve_forever, "__defaults__", (0.05,))
        yield


@pytest.fixture(scope="session")
def program():
    """Call with the names of a program, the best first; skips by name where none of them is installed."""

    def find(*names: str) -> str:
        path = next(filter(None, map(shutil.which, names)), None)
        if path is None:
            pytest.skip(f"program {' or '.join(names)} is not installed")
        return path

    return find


@pytest.fixture(scope="session")
def block_patient():
    """A small patient for quick scans, with one insert off the middle."""
    from tests.patients import block

    return block()
