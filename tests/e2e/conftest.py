"""Fixtures: one server for the tests that leave it alone, one of their own for those that kill it."""

import pathlib

import pytest

from harness.server import Server, running
from harness.wait import wait_until
from media import generated


def pytest_collection_modifyitems(items):
    # What restarts and kills goes last: a broken product then shows its plainest failures first.
    late = ("test_kill", "test_many", "test_studio")
    items.sort(key=lambda item: any(name in item.module.__name__ for name in late))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Server) and value.process is not None:
                report.sections.append(("the server's last lines", value.tail(15)))


@pytest.fixture(scope="session")
def vora(tmp_path_factory):
    """The shared server. A test that stops, kills or misconfigures one takes `own_vora`."""
    with running(tmp_path_factory.mktemp("vora")) as server:
        yield server


@pytest.fixture(scope="session")
def vora_events(tmp_path_factory):
    """A shared server with the event engine. The engine itself is fetched once for a machine."""
    base = tmp_path_factory.mktemp("vora-events")
    with running(base, environment={"VORA_EVENTS_ENGINE": "embedded"}) as server:
        wait_until(
            lambda: server.api.call("GET", "/v1/analytics").status_code == 200,
            600,
            lambda: f"the event engine answers\n{server.tail()}",
            0.2,
        )
        yield server


@pytest.fixture
def make_vora(tmp_path):
    """Makes servers of this test's own; each has its own data directory unless one is given."""
    made = []

    def make(*arguments, data=None, environment=None):
        number = len(made)
        server = Server(
            data or tmp_path / f"data-{number}", tmp_path / f"logs-{number}", arguments, environment
        )
        made.append(server)
        return server

    yield make
    for server in made:
        server.dispose()


@pytest.fixture
def own_vora(make_vora):
    return make_vora().start()


@pytest.fixture
def api(vora):
    return vora.api


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Generated inputs, each made once: inputs("odd_size") is a path."""
    base: pathlib.Path = tmp_path_factory.mktemp("inputs")
    made = {}

    def make(name, *arguments, suffix=".mp4"):
        key = (name, *arguments)
        if key not in made:
            target = base / f"{name}-{len(made)}{suffix}"
            made[key] = getattr(generated, name)(target, *arguments)
        return made[key]

    return make
