"""Fixtures that several tests ask for by name."""

import pytest
from hypothesis import settings
from support.reports import make_records, make_suite
from support.suites import writer

from bench.plugins.trust import trusting_also
from bench.processor import LIMITS
from bench.store.store import Store

# How long an example takes is the machine's and its load's, and says nothing of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def a_wide_terminal(monkeypatch):
    """Verbs that run in this process print the same page wherever the tests are run."""
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "MAKEFLAGS", "MAKEOVERRIDES"):  # of `make test` itself
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def trust_of_one_test():
    """What a verb that runs in this process was told to trust is forgotten behind each test."""
    with trusting_also([]):
        yield


@pytest.fixture
def suite():
    """A made-up suite whose every number can be worked out by hand."""
    return make_suite()


@pytest.fixture
def records(suite):
    """The record of every run of that suite, all finished."""
    return make_records(suite)


@pytest.fixture
def store(tmp_path):
    """A store without any run."""
    return Store(tmp_path / "runs")


@pytest.fixture
def write(tmp_path):
    """Write the small suite, with changes, and return its path."""
    return writer(tmp_path / "tiny.toml")


@pytest.fixture
def unlimited(monkeypatch):
    """No limit of the libraries' use of the processor but the test's own."""
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
