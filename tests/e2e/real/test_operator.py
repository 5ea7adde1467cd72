"""`vora fsck` and `vora doctor` on PostgreSQL and MinIO, by what a stack's directory says of them."""

import json
import os

import pytest

from harness.cache import open_directory
from harness.metadata import away, start_again
from harness.operator import fsck, vora_cli
from harness.pipeline import Pipeline
from harness.wait import wait_until

# Everything is old enough to be judged.
NOW = ("--upload.expiry_s=0", "--metadata.upload_grant_ttl_s=0", "--workflow.retry_budget_s=0")


@pytest.fixture(scope="module")
def pipeline():
    with open_directory() as base:
        made = Pipeline(base)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def directory(pipeline, tmp_path_factory):
    """What `./vora stack up` leaves for tools."""
    path = tmp_path_factory.mktemp("stack")
    values = {
        "VORA_POSTGRES_URL": pipeline.database,
        "VORA_S3_URL": pipeline.minio.url,
        "VORA_S3_ACCESS_KEY": pipeline.minio.user,
        "VORA_S3_SECRET_KEY": pipeline.minio.password,
    }
    (path / "stack.env").write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    (path / "stack.env").chmod(0o600)
    write_processes(path, pipeline)
    run = {"pid": os.getpid(), "http": pipeline.at("metadata")}
    (path / "run.json").write_text(json.dumps(run))
    return path


def write_processes(path, pipeline):
    listed = {
        "postgres": pipeline.postgres.child.pid,
        "minio": pipeline.minio.child.pid,
        "metadata": pipeline.metadata.process.pid,
    }
    entries = [{"name": name, "pid": pid, "log": f"{name}.log"} for name, pid in listed.items()]
    (path / "stack.json").write_text(json.dumps(entries))


@pytest.fixture(scope="module")
def clip(inputs):
    return inputs("pattern", "320x180", 1)


def sql(pipeline, *statements):
    return pipeline.postgres.sql(";".join(statements), pipeline.database.rsplit("/", 1)[1])


def kinds(report):
    return sorted(f["kind"] for f in report["findings"])


def mends(directory, *expected):
    """A look finds these and changes nothing, a repair mends them all, and then nothing is left."""
    for _ in range(2):
        code, report = fsck(directory, *NOW)
        assert (code, kinds(report)) == (1, sorted(expected)), report
        assert not any(f["repaired"] for f in report["findings"])
    code, report = fsck(directory, "--repair", *NOW)
    assert (code, kinds(report)) == (0, sorted(expected)), report
    assert fsck(directory, *NOW)[1]["findings"] == []


def test_a_store_in_order_is_in_order_while_everything_runs(pipeline, directory, clip):
    pipeline.api.upload_and_wait(clip)
    pipeline.api.upload(b"x" * 1000, complete=False, title="begun")
    for flags in ((), ("--all",), ("--repair",), NOW):
        code, report = fsck(directory, *flags)
        assert (code, report["findings"]) == (0, []), report
        assert report["videos"] >= 2 and report["uploads"] >= 2 and report["objects"] > 5
    done = vora_cli("fsck", "--data", directory, "--all", "--repair")
    assert done.returncode == 2 and "--all is for looking" in done.stderr


def test_bytes_of_a_video_that_no_database_knows_are_removed_once_they_are_old(
    pipeline, directory, clip
):
    video = pipeline.api.upload_and_wait(clip)["id"]
    sql(
        pipeline,
        f"DELETE FROM Uploads WHERE video_id = '{video}'",
        f"DELETE FROM Outbox WHERE video_id = '{video}'",
        f"DELETE FROM Videos WHERE id = '{video}'",
    )
    code, report = fsck(directory)
    assert (code, report["findings"], report["young"]) == (0, [], 2), "they may yet be needed"
    mends(directory, "orphan_media", "orphan_upload")


def test_a_ready_video_whose_media_are_lost_becomes_failed(pipeline, directory, clip):
    video = pipeline.api.upload_and_wait(clip)["id"]
    more = """replace(renditions, '"segments":1', '"segments":2')"""
    sql(pipeline, f"UPDATE Videos SET renditions = {more} WHERE id = '{video}'")
    code, report = fsck(directory)
    assert (code, kinds(report)) == (1, ["lost_media"]), report
    assert report["findings"][0]["subject"] == video
    assert pipeline.api.get(video)["state"] == "READY", "a look changes nothing"
    assert fsck(directory, "--repair")[0] == 0
    now = pipeline.api.get(video)
    assert (now["state"], now["error"]["code"]) == ("FAILED", "internal_error")
    mends(directory, "orphan_media")


def doctor(directory):
    done = vora_cli("doctor", "--data", directory, "--json")
    assert done.returncode in (0, 1), done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode == (1 if problems else 0)
    for p in problems:
        assert all(p[part] for part in ("check", "code", "what", "why", "remedy")), p
    return {p["code"] for p in problems}


def test_the_doctor_names_what_is_away_and_what_is_not_there(pipeline, directory):
    assert doctor(directory) == set()
    with away(pipeline.postgres, "frozen"):
        assert doctor(directory) == {"database_unavailable"}
    pipeline.minio.kill()
    try:
        assert {"process_gone", "storage_unavailable"} <= doctor(directory)
        code = vora_cli("fsck", "--data", directory).returncode
        assert code == 2, "it could not look"
    finally:
        start_again(pipeline.minio)
    wait_until(lambda: doctor(directory) == {"process_gone"}, 60, "its list is of before")
    write_processes(directory, pipeline)
    assert doctor(directory) == set()
    version = sql(pipeline, "SELECT version FROM schema_version")
    sql(pipeline, "UPDATE schema_version SET version = 99")
    try:
        assert "database_too_new" in doctor(directory)
        done = vora_cli("fsck", "--data", directory, "--repair")
        assert done.returncode == 2 and "database_too_new" in done.stderr
    finally:
        sql(pipeline, f"UPDATE schema_version SET version = {version}")


def test_no_secret_is_told(pipeline, directory):
    for words in (("doctor",), ("fsck", "--json")):
        done = vora_cli(*words, "--data", directory)
        for secret in (pipeline.postgres.password, pipeline.minio.password):
            assert secret not in done.stdout + done.stderr
