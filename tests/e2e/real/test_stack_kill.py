"""SIGKILL to each process of a stack while videos and events go through: whatever dies, and whoever it takes
with it, all that was acknowledged is kept, and nothing is done twice. `python3 -m tools.kill_matrix` is the long form."""

import pytest

from harness.journeys import Clip, Events, Undisturbed, kill_among
from harness.platform import PROCESSES, SAME_PICTURES, started


@pytest.fixture(scope="module")
def platform():
    with started(SAME_PICTURES) as made:
        yield made


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clips")
    return [Clip(directory, 1, seconds=2), Clip(directory, 2)]


@pytest.fixture(scope="module")
def undisturbed(platform, clips, tmp_path_factory):
    return Undisturbed(platform, clips, tmp_path_factory.mktemp("decoded"))


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_is_killed_costs_nothing(platform, clips, undisturbed, name):
    with Events(platform) as events:
        journeys = kill_among(platform, name, clips)
    for journey in journeys:
        undisturbed.check(platform, journey)
    platform.wait_all_up()
    events.check()
