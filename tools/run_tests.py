"""Runs everything that tests Vora and prints, last, `N passed, N failed`.

Called by ./vora test after it installed what is needed. Stages run in order; a stage that fails does not
stop the later ones unless they need what it makes. `-k WORD` runs only the stages whose name has the word.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import run_fuzzers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tools.stack import install, with_servers  # noqa: E402

BUILD = ROOT / "build"
JOBS = str(os.cpu_count() or 2)
SERVERS = ["postgres", "minio", "temporal", "kafka"]  # that unit tests need (cmake/VoraModule.cmake)


class Run:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.stages = []
        self.broken = []

    def count(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def execute(command, capture=False, env=None, cwd=ROOT):
    """Runs a command with no standard input; returns (exit code, output if captured)."""
    merged = {**os.environ, **(env or {})}
    if not capture:
        return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, env=merged).returncode, ""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, env=merged, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def build(run, preset, directory, targets, options=()):
    cache = directory / "CMakeCache.txt"
    known = cache.read_text() if cache.exists() else ""
    if not (directory / "build.ninja").exists() or not all(f"{o.split('=')[0]}:BOOL=ON" in known for o in options):
        code, out = execute(["cmake", "--preset", preset, *(f"-D{o}" for o in options)], capture=True)
        if code != 0:
            print(out[-4000:])
            run.broken.append(f"configure {preset}")
            return False
    code, out = execute(["ninja", "-C", str(directory), "-j", JOBS, *targets], capture=True)
    if code != 0:
        print(out[-8000:])
        run.broken.append(f"build {preset}")
    return code == 0


def run_gtests(run, directory, env=None):
    """Runs every test program in `directory`/test, two at a time."""
    programs = sorted(p for p in (directory / "test").glob("*_test") if os.access(p, os.X_OK))
    pending = list(programs)
    running = []
    while pending or running:
        while pending and len(running) < int(JOBS):
            program = pending.pop(0)
            log = directory / "test" / f"{program.name}.log"
            handle = log.open("w")
            process = subprocess.Popen(["timeout", "-k", "5", "600", str(program), "--gtest_brief=1"], cwd=directory,
                                       stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT,
                                       env={**os.environ, **(env or {})})
            running.append((program, process, log, handle, time.monotonic()))
        for item in list(running):
            program, process, log, handle, started = item
            if process.poll() is None:
                continue
            running.remove(item)
            handle.close()
            report_gtest(run, program.name, process.returncode, log.read_text(errors="replace"),
                         time.monotonic() - started)
        time.sleep(0.05)
    if not programs:
        run.broken.append(f"no test programs in {directory}")


def report_gtest(run, name, code, text, seconds):
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", text))
    failed = len(set(re.findall(r"\[  FAILED  \] (\S+\.\S+)", text)))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", text))
    if code != 0 and failed == 0:
        failed = 1  # crashed, timed out, or a sanitizer spoke
    run.count(passed, failed, skipped)
    print(f"  {name:32} {passed:4} passed {failed:3} failed {seconds:7.1f} s", flush=True)
    if code != 0:
        print(text[-6000:], flush=True)


def need_event_engine(run):
    """The engine's library: 178 MB at the first time, then a look."""
    code, out = execute([str(BUILD / "bin" / "vora"), "event-engine", "fetch"], capture=True)
    if code != 0:
        print(out[-2000:])
        run.broken.append("fetch the event engine")


def stage_servers(run):
    """Every server that any test starts, so that none is built while a test waits for it."""
    for name in install.NAMES:
        started = time.monotonic()
        try:
            install.ensure(name)
            if time.monotonic() - started > 1:
                print(f"  {name:32} {time.monotonic() - started:7.1f} s to install", flush=True)
        except install.InstallError as error:
            print(error)
            run.broken.append(f"install {name}")


def stage_unit_tests(run):
    need_event_engine(run)
    with with_servers.servers(SERVERS) as environment:
        run_gtests(run, BUILD, environment)


def stage_unit_tests_asan(run):
    with with_servers.servers(SERVERS) as environment:
        run_gtests(run, BUILD / "asan", {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
                                         "UBSAN_OPTIONS": "print_stacktrace=1", **environment})


def stage_end_to_end(run):
    need_event_engine(run)
    run_pytest(run, ["tests/e2e"])


def stage_web(run):
    web = ROOT / "web"
    code, out = execute(["npm", "ci", "--no-audit", "--no-fund"], capture=True, cwd=web)
    if code == 0:
        code, out = execute(["npm", "run", "check"], capture=True, cwd=web)
    if code != 0:
        print(out[-4000:])
        run.broken.append("web check")
        return
    code, out = execute(["npm", "test"], capture=True, cwd=web)
    passed = sum(int(n) for n in re.findall(r"^(?:#|ℹ) pass (\d+)", out, re.M))
    failed = sum(int(n) for n in re.findall(r"^(?:#|ℹ) fail (\d+)", out, re.M))
    if code != 0 and failed == 0:
        failed = 1
    run.count(passed, failed)
    if code != 0:
        print(out[-4000:])


def stage_checks(run):
    python = sys.executable
    for name in ("layers", "symbols", "style"):
        code, out = execute([python, f"tools/check_{name}.py", "--build", str(BUILD)], capture=True)
        run.count(int(code == 0), int(code != 0))
        if code != 0:
            print(out[-4000:])
    sources = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp"], cwd=ROOT, text=True,
                             stdout=subprocess.PIPE).stdout.split()
    code, out = execute(["clang-format-19", "--dry-run", "-Werror", *sources], capture=True)
    run.count(int(code == 0), int(code != 0))
    if code != 0:
        print(out[-3000:])
    run_pytest(run, ["tools"])


def run_pytest(run, arguments):
    report = BUILD / "pytest.json"
    report.unlink(missing_ok=True)
    code, _ = execute([sys.executable, "-m", "pytest", "-q", "-ra", "--durations=15",
                       "-p", "tools.pytest_count", *arguments],
                      env={"VORA_PYTEST_COUNT": str(report), "PYTHONPATH": str(ROOT),
                           "PYTHONDONTWRITEBYTECODE": "1"})
    counts = json.loads(report.read_text()) if report.exists() else {}
    failed = counts.get("failed", 0)
    if code != 0 and failed == 0:
        failed = 1
    run.count(counts.get("passed", 0), failed, counts.get("skipped", 0))


FUZZ_SECONDS = 30


def stage_fuzz(run):
    if not build(run, "fuzz", BUILD / "fuzz", ["ci_fuzzers"]):
        return
    passed, failed = run_fuzzers.run_all(FUZZ_SECONDS)
    run.count(passed, failed)
    if passed + failed == 0:
        run.broken.append("no fuzz targets")


STAGES = [
    ("web", stage_web),
    ("servers", stage_servers),
    ("build release", lambda run: build(run, "release", BUILD, ["all"], ["VORA_REAL_SYSTEMS=ON"])),
    ("checks", stage_checks),
    ("unit tests", stage_unit_tests),
    ("build asan", lambda run: build(run, "asan", BUILD / "asan", ["all_tests"])),
    ("unit tests asan", stage_unit_tests_asan),
    ("fuzz", stage_fuzz),
    ("end to end", stage_end_to_end),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", dest="word", default="", help="only stages whose name contains this")
    arguments = parser.parse_args()
    run = Run()
    run.stages.append(("packages", float(os.environ.get("VORA_PACKAGES_SECONDS", 0))))
    for name, stage in STAGES:
        if arguments.word not in name:
            continue
        print(f"==> {name}", flush=True)
        started = time.monotonic()
        stage(run)
        run.stages.append((name, time.monotonic() - started))
    print("\nstage                 seconds")
    for name, seconds in run.stages:
        print(f"{name:20} {seconds:8.0f}")
    print(f"{'total':20} {sum(s for _, s in run.stages):8.0f}")
    for what in run.broken:
        print(f"broken: {what}")
    failed = run.failed + len(run.broken)
    skipped = f", {run.skipped} skipped" if run.skipped else ""
    print(f"{run.passed} passed, {failed} failed{skipped}", flush=True)
    return 1 if failed or run.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
