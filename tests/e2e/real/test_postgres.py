"""vora-metadata on a real PostgreSQL that dies, hangs, restarts and moves; and several replicas of it at once."""

import contextlib
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from tools.stack.postgres import Postgres

from harness.api import Api
from harness.metadata import Issuer, Replica, Standby, all_of, away, database, frozen, start_again
from harness.wait import wait_until

ANSWERED_WITHIN_S = 2
SLACK = 5  # on a machine that does other things too
HEALED_WITHIN_S = 60


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("postgres")
    # PostgreSQL runs as a user of its own, who has to get through.
    for each in (path, *path.parents[:2]):
        each.chmod(0o711)
    return path


@pytest.fixture(scope="module")
def postgres(directory):
    server = Postgres(directory / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def issuer(directory):
    return Issuer(directory / "platform")


@pytest.fixture
def start(tmp_path, issuer):
    """Replicas, all on one database unless one is named by its URL."""
    started = []

    def make(url, **more):
        replica = Replica(tmp_path / f"replica-{len(started)}", issuer, url, **more)
        started.append(replica)
        return replica

    yield make
    for replica in started:
        replica.dispose()


@pytest.fixture
def url(postgres):
    return postgres.dsn(database(postgres))


def calls_of(video):
    path = f"/v1/videos/{video['id']}"
    upload = {"upload_id": "0" * 32}
    # One key each: the same one twice at a time would be told to wait.
    keyed = ({"headers": {"Idempotency-Key": secrets.token_hex(8)}} for _ in range(2))
    return [
        ("GET", "/v1/videos", {}),
        ("GET", path, {}),
        ("POST", "/v1/videos", {"json": {"title": "x"}}),
        ("POST", "/v1/videos", {"json": {"title": "x"}, **next(keyed)}),
        ("PATCH", path, {"json": {"title": "y"}}),
        ("POST", path + "/complete", {"json": upload}),
        ("POST", path + "/cancel", next(keyed)),
        ("POST", path + "/playback", {"json": {}}),
        ("DELETE", path, {}),
    ]


def asked_at_once(replica, calls):
    """[(call, answer, seconds)]"""

    def ask(call):
        method, path, more = call
        began = time.monotonic()
        answer = Api(replica.url(), replica.token).call(method, path, **more)
        return call, answer, time.monotonic() - began

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(ask, calls))


def check_unavailable(asked):
    for (method, path, _), answer, _ in asked:
        assert answer.status_code == 503, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] == "database_unavailable", answer.text
        assert int(answer.headers["Retry-After"]) >= 1
    return [seconds for _, _, seconds in asked]


@pytest.mark.parametrize("how", ["killed", "stopped", "frozen"])
def test_while_postgres_is_away_each_call_is_503_in_time_and_it_heals_by_itself(
    postgres, start, url, how
):
    replica = start(url)
    video = replica.api.create("kept")
    calls = calls_of(video)
    assert all(answer.status_code < 500 for _, answer, _ in asked_at_once(replica, calls[:2]))
    with away(postgres, how):
        # One round in time is enough: the machine may be busy with something else.
        wait_until(
            lambda: max(check_unavailable(asked_at_once(replica, calls))) <= ANSWERED_WITHIN_S,
            60,
            "each is answered in time",
        )
        # More than there are connections: those who queue wait no longer than the first.
        many = [call for _ in range(12) for call in calls_of(video)]
        took = check_unavailable(asked_at_once(replica, many))
        assert max(took) <= ANSWERED_WITHIN_S * SLACK
        status, listed = replica.readiness("public")
        assert (status, listed["database"]) == (503, ("down", "database_unavailable"))
        assert replica.get("/livez", "admin").status_code == 200
    wait_until(
        lambda: replica.readiness()[0] == 200, HEALED_WITHIN_S, lambda: f"ready\n{replica.tail()}"
    )
    assert replica.api.get(video["id"]) == video, "nothing of what was refused was done"
    assert [v["id"] for v in replica.api.all_videos()] == [video["id"]]
    replica.api.create("after")
    assert replica.stop() == 0


def test_it_ends_when_it_is_told_to_also_while_postgres_hangs(postgres, start, url):
    replica = start(url)

    def ask():
        with contextlib.suppress(requests.RequestException):
            replica.api.call("GET", "/v1/videos")

    with frozen(postgres):
        waiting = threading.Thread(target=ask)
        waiting.start()
        assert replica.stop() == 0
        waiting.join(60)
    assert not waiting.is_alive()


class Writer(threading.Thread):
    """Creates videos and changes one, each request until it is answered, and remembers every answer."""

    def __init__(self, replicas, number):
        super().__init__()
        self.replicas, self.number = replicas, number
        self.made = {}  # title: id, as acknowledged
        self.title = None  # of the one that it changes, as acknowledged
        self.refused = 0
        self.over = threading.Event()
        self.trouble = None

    def ask(self, round_, method, path, expect, **more):
        """Until it is answered, by whichever replica; 503 and a lost connection mean: again."""
        tries = 0
        while True:
            replica = self.replicas[(self.number + round_ + tries) % len(self.replicas)]
            tries += 1
            try:
                answer = Api(replica.url(), replica.token).call(method, path, **more)
            except requests.RequestException:
                continue
            if answer.status_code == 503:
                self.refused += 1
                time.sleep(0.05)
                continue
            # 409: the same request, whose answer was lost, still runs.
            if answer.status_code == 409 and answer.json()["code"] == "request_in_flight":
                continue
            assert answer.status_code in expect, f"{answer.status_code}: {answer.text}"
            return answer

    def run(self):
        try:
            self.write()
        except Exception as trouble:  # noqa: BLE001
            self.trouble = trouble

    def write(self):
        mine = self.ask(0, "POST", "/v1/videos", (201,), json={"title": f"mine-{self.number}"}).json()
        round_ = 0
        while not self.over.is_set():
            round_ += 1
            title = f"video-{self.number}-{round_}"
            made = self.ask(
                round_,
                "POST",
                "/v1/videos",
                (201,),
                json={"title": title},
                headers={"Idempotency-Key": title},
            )
            self.made[title] = made.json()["id"]
            wanted = f"changed-{self.number}-{round_}"
            # A change whose answer was lost may be there already; asking again changes nothing more.
            changed = self.ask(
                round_, "PATCH", f"/v1/videos/{mine['id']}", (200,), json={"title": wanted}
            )
            assert changed.json()["title"] == wanted
            self.title = wanted


def run_writers(replicas, between, count=6):
    """Writers write while `between` does what it does; it is given a function that waits until every one
    of them has been answered again."""
    writers = [Writer(replicas, n) for n in range(count)]
    for writer in writers:
        writer.start()

    def all_went_on():
        before = [len(w.made) for w in writers]
        wait_until(
            lambda: all(w.trouble or len(w.made) > n for w, n in zip(writers, before, strict=True)),
            HEALED_WITHIN_S,
            lambda: f"all writers are answered\n{replicas[0].tail()}",
        )

    try:
        between(all_went_on)
    finally:
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join(60)
    assert not [w.trouble for w in writers if w.trouble]
    return writers


def check_writers(api, writers):
    stored = {}
    for video in api.all_videos(page_size=200):
        stored.setdefault(video["title"], []).append(video["id"])
    for writer in writers:
        for title, made in writer.made.items():
            assert stored.get(title) == [made], f"{title}: acknowledged as {made}, {stored.get(title)}"
        assert len(stored.get(writer.title, [])) == 1, writer.title
    asked = sum(len(w.made) for w in writers)
    assert len([t for t in stored if t.startswith("video-")]) == asked


def test_restarts_in_the_middle_of_traffic_lose_no_acknowledged_write_and_make_no_double(
    postgres, start, url
):
    replicas = [start(url), start(url)]

    def restarts(all_went_on):
        for _ in range(3):
            all_went_on()
            postgres.kill()
            start_again(postgres)
        # Each connection of its own, in the middle of whatever it does.
        for _ in range(10):
            postgres.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'vora-metadata'"
            )
        all_went_on()

    writers = run_writers(replicas, restarts)
    check_writers(replicas[0].api, writers)
    assert sum(w.refused for w in writers) > 0, "the restarts were not noticed"


def test_writers_of_a_standby_that_took_over_find_all_that_was_acknowledged(
    directory, tmp_path, start, issuer
):
    primary = Postgres(directory / "primary").start()
    standby = None
    try:
        name = database(primary)
        standby = Standby(directory / "standby", primary)
        hosts = f"127.0.0.1:1,127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        # The first is dead, the second takes no writes.
        both = primary.dsn(name).replace(f"127.0.0.1:{primary.port}", hosts)
        replica = start(both + "?target_session_attrs=read-write")

        def failover(all_went_on):
            all_went_on()
            primary.kill()
            standby.promote()
            all_went_on()

        writers = run_writers([replica], failover, count=3)
        check_writers(replica.api, writers)
        assert standby.sql("SELECT count(*) > 0 FROM Videos", name) == "t"
    finally:
        primary.stop()
        if standby:
            standby.stop()


# -- replicas ---------------------------------------------------------------------------------------


def test_four_that_start_on_an_empty_database_make_one_schema(postgres, start, url):
    four = [start(url, wait=False) for _ in range(4)]
    video = four[0].wait_ready().api.create("seen by all")
    for replica in four:
        assert replica.wait_ready().api.get(video["id"])["title"] == "seen by all"
    assert postgres.sql("SELECT count(*) FROM schema_version", url.rsplit("/", 1)[1]) == "1"


def test_what_one_replica_changes_the_readers_of_the_other_hear_at_once(postgres, start, url):
    here, there = start(url), start(url)
    video = here.api.create("heard")
    # Listening may begin a moment after the start; what came before is told as missed.
    heard = there.changes()

    def hear(change):
        nonlocal heard
        while True:
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(there.changes, heard["epoch"], heard["last"], 25)
                change()
                heard = waiting.result(60)
            if not heard["missed"]:
                return heard["videos"]

    for title in ("once", "twice"):
        change = {"json": {"title": title}}
        assert hear(lambda c=change: here.api.call("PATCH", f"/v1/videos/{video['id']}", 200, **c)) == [
            video["id"]
        ]
    # Whoever may have missed something is told so.
    epoch = heard["epoch"]
    postgres.kill()
    start_again(postgres)
    wait_until(
        lambda: there.changes(epoch, heard["last"])["missed"],
        HEALED_WITHIN_S,
        "the gap is told",
    )


def test_one_key_and_one_etag_at_two_replicas_count_once(start, url):
    both = [start(url), start(url)]

    def at_once(method, path, **more):
        def ask(n):
            replica = both[n % 2]
            return Api(replica.url(), replica.token).call(method, path, **more)

        with ThreadPoolExecutor(20) as pool:
            return list(pool.map(ask, range(20)))

    key = {"Idempotency-Key": "one"}
    made = at_once("POST", "/v1/videos", json={"title": "one"}, headers=key)
    assert {a.status_code for a in made} <= {201, 409}
    assert len({a.json()["id"] for a in made if a.status_code == 201}) == 1
    (video,) = both[0].api.all_videos()
    match = {"If-Match": f'"{video["version"]}"'}
    changed = at_once("PATCH", f"/v1/videos/{video['id']}", json={"title": "two"}, headers=match)
    assert sorted(a.status_code for a in changed) == [200] + [412] * 19
    deleted = at_once("DELETE", f"/v1/videos/{video['id']}")
    assert sorted(a.status_code for a in deleted) == [202] + [404] * 19


def test_a_replica_that_is_killed_takes_nobody_with_it(postgres, start, url):
    killed, other = start(url), start(url)
    killed.api.create("by the first")

    def kill(all_went_on):
        all_went_on()
        killed.dispose()

    writers = run_writers([killed, other], kill, count=4)
    check_writers(other.api, writers)
    assert len(all_of(postgres)) > 1
