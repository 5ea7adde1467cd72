"""Runs the libFuzzer targets that are built in build/fuzz/fuzz, two at a time, so many seconds each.

    python3 tools/run_fuzzers.py 30            what every test run does (fixed seed)
    python3 tools/run_fuzzers.py 600 --long    all targets, another seed each time

Seeds lie in tools/fuzz_seeds/TARGET and are never changed; what a run finds new is kept in
build/fuzz/corpus/TARGET. A finding prints the input and where it lies.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "build" / "fuzz"
SEEDS = ROOT / "tools" / "fuzz_seeds"
INPUT_SHOWN_BYTES = 512


def targets(with_long, fuzz=FUZZ):
    found = sorted((fuzz / "fuzz").glob("*_fuzz"))
    if with_long:
        found += sorted((fuzz / "fuzz" / "long").glob("*_fuzz"))
    return [p for p in found if os.access(p, os.X_OK)]


def start(program, seconds, seed, fuzz):
    corpus = fuzz / "corpus" / program.name
    findings = fuzz / "findings" / program.name
    for directory in (corpus, findings):
        directory.mkdir(parents=True, exist_ok=True)
    # -timeout is for an input that does not end; a busy machine must not look like one.
    command = [str(program), f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=60",
               "-rss_limit_mb=2048", "-max_len=8192", f"-artifact_prefix={findings}/",
               "-verbosity=0", "-print_final_stats=1"]
    dictionary = SEEDS / f"{program.name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    command.append(str(corpus))
    if (SEEDS / program.name).is_dir():
        command.append(str(SEEDS / program.name))
    log = (findings / "log").open("w+", errors="replace")
    began = time.time()
    process = subprocess.Popen(command, cwd=fuzz, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return {"name": program.name, "process": process, "log": log, "findings": findings, "began": began,
            "deadline": time.monotonic() + 3 * seconds + 120}


def executed(text):
    for line in text.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return int(line.split(":")[-1])
    return 0


def report(run):
    """Prints one line, or what was found. True when nothing was."""
    run["log"].seek(0)
    text = run["log"].read()
    run["log"].close()
    if run["process"].returncode == 0:
        print(f"  {run['name']:28} {executed(text):10} inputs, nothing found", flush=True)
        return True
    print(f"  {run['name']:28} FAILED with {run['process'].returncode}", flush=True)
    print(text[-6000:])
    for path in sorted(run["findings"].iterdir()):
        if path.name != "log" and path.stat().st_mtime >= run["began"] - 1:
            data = path.read_bytes()
            print(f"input of {len(data)} bytes, {path}:\n{data[:INPUT_SHOWN_BYTES]!r}", flush=True)
    return False


def run_all(seconds, with_long=False, seed=1, at_once=None, fuzz=FUZZ):
    """(passed, failed)"""
    pending, running = targets(with_long, fuzz), []
    passed = failed = 0
    at_once = at_once or min(2, os.cpu_count() or 2)
    while pending or running:
        while pending and len(running) < at_once:
            running.append(start(pending.pop(0), seconds, seed, fuzz))
        for run in list(running):
            if run["process"].poll() is None:
                if time.monotonic() < run["deadline"]:
                    continue
                run["process"].kill()  # neither -max_total_time nor -timeout ended it
                run["process"].wait()
            running.remove(run)
            good = report(run)
            passed += good
            failed += not good
        time.sleep(0.1)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=int, default=30)
    parser.add_argument("--long", action="store_true", help="also the targets marked LONG; a random seed")
    arguments = parser.parse_args()
    seed = random.randrange(1, 1 << 31) if arguments.long else 1
    passed, failed = run_all(arguments.seconds, arguments.long, seed)
    print(f"{passed} passed, {failed} failed (seed {seed})")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
