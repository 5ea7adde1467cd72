"""vora-analytics with a Kafka topic in between: real broker, real event engine, deaths of each."""

import pytest
import requests
from tools.stack.kafka import Kafka

from harness.engine import Engine
from harness.services import Service, run
from harness.wait import wait_until

PATIENCE_S = 90


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def engine(tmp_path):
    with Engine(tmp_path / "engine") as running:
        yield running


@pytest.fixture
def start(tmp_path, kafka, engine):
    """Starts replicas: they share a topic of this test's own."""
    started = []

    def make(environment=None, **more):
        host, port = engine.address
        keys = {
            "events.engine": f"http://default:{engine.key}@{host}:{port}",
            "events.spill": "kafka",
            "events.kafka_brokers": kafka.bootstrap,
            "events.kafka_topic": tmp_path.name,
            "events.kafka_group": tmp_path.name,
            # Who is killed is missed after three seconds, not ten.
            "events.kafka_properties": "session.timeout.ms=3000",
            **more,
        }
        directory = tmp_path / f"run-{len(started)}"
        service = Service("vora-analytics", directory, keys, environment=environment)
        started.append(service)
        return service

    yield make
    for service in started:
        service.dispose()


def post(service, first, count, session):
    events = [
        {"event_type": "heartbeat", "video_id": "v", "session_id": session, "seq": n}
        for n in range(first, first + count)
    ]
    answer = requests.post(service.url() + "/v1/events", json={"events": events}, timeout=30)
    assert answer.status_code == 204, answer.text


def counts(engine):
    """(rows, different events); (0, 0) while there is no table."""
    if not engine.rows("EXISTS TABLE vora.PlaybackEvents")[0][0] == "1":
        return 0, 0
    rows = engine.rows("SELECT count(), uniqExact(session_id, seq) FROM vora.PlaybackEvents")
    return tuple(int(n) for n in rows[0])


def wait_stored(engine, number, *services):
    def told():
        logs = "\n".join(s.tail() for s in services)
        return f"{number} events stored once, not {counts(engine)}\n{logs}"

    wait_until(lambda: counts(engine) == (number, number), PATIENCE_S, told, 0.2)


def figures(service):
    text = service.get("/metrics", "admin").text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def kafka_state(service):
    status, listed = service.readiness()
    assert status == 200, "Kafka's absence only degrades"
    return listed["kafka"][0]


def test_a_batch_that_was_stored_by_one_who_died_then_is_not_stored_again(start, engine):
    dying = start({"VORA_FAULT_POINT": "analytics.before_ack"})
    post(dying, 0, 200, "a")
    dying.process.wait(PATIENCE_S)
    stored = counts(engine)[0]
    assert stored > 0, "it died behind an insert"
    heir = start()
    post(heir, 200, 100, "a")
    wait_stored(engine, 300, heir)
    assert figures(heir)["vora_analytics_events_stored_total"] >= 300, "it sent that batch again"
    assert heir.stop() == 0


def test_replicas_share_the_work_and_one_goes_on_for_another_that_is_killed(start, engine):
    replicas = [start(), start()]
    for service in replicas:
        wait_until(
            lambda: figures(service)["vora_analytics_kafka_partitions"] > 0,
            PATIENCE_S,
            lambda: f"it has partitions\n{service.tail()}",
        )
    for n in range(20):
        post(replicas[n % 2], n * 50, 50, "b")
    replicas[0].process.kill()
    replicas[0].process.wait(PATIENCE_S)
    for n in range(20, 30):
        post(replicas[1], n * 50, 50, "b")
    wait_stored(engine, 1500, replicas[1])
    assert replicas[1].stop() == 0


def test_events_of_a_time_without_brokers_wait_in_memory_and_playback_is_not_hurt(
    start, engine, kafka
):
    service = start()
    post(service, 0, 50, "c")
    wait_stored(engine, 50, service)
    wait_until(lambda: kafka_state(service) == "ok", PATIENCE_S, "readiness tells of it")
    kafka.kill()
    for n in range(1, 21):
        post(service, n * 50, 50, "c")
    assert figures(service)["vora_analytics_events_spooled"] == 1000
    wait_until(lambda: kafka_state(service) != "ok", PATIENCE_S, "readiness tells that it is away")
    kafka.start()
    wait_stored(engine, 1050, service)
    found = figures(service)
    assert found["vora_analytics_events_accepted_total"] == 1050
    assert found["vora_analytics_events_delivered_total"] == 1050
    assert found["vora_analytics_events_spooled"] == 0
    wait_until(lambda: kafka_state(service) == "ok", PATIENCE_S, "readiness recovers")
    assert service.stop() == 0


@pytest.mark.parametrize(
    "flags, told",
    [
        ({"events.spill": "paper"}, "events.spill must be disk or kafka"),
        ({"events.spill": "disk"}, "events.spool_dir is needed"),
        ({"events.spill": "kafka"}, "events.kafka_brokers is needed"),
        (
            {
                "events.spill": "kafka",
                "events.kafka_brokers": "127.0.0.1:1",
                "events.kafka_properties": "sasl.pasword=hidden",
            },
            "events.kafka_properties: sasl.pasword is not taken",
        ),
    ],
)
def test_mistakes_are_told_before_anything_starts(flags, told):
    keys = {"events.engine": "http://127.0.0.1:1", **flags}
    answer = run("vora-analytics", "--check", *(f"--{k}={v}" for k, v in keys.items()))
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "hidden" not in answer.stderr + answer.stdout
