"""Runs the unit tests and the black-box tests under ThreadSanitizer; writes docs/tsan.md.

Called by ./vora tsan, after it built the tsan preset. Exit code 1 when a race was reported or a unit test
failed. Black-box tests that fail without a race (a sanitized server is ten times slower) are listed only.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import run_tests
from tools.stack import with_servers

ROOT = Path(__file__).resolve().parent.parent
SUPPRESSIONS = ROOT / "tools" / "tsan.supp"
WARNING = re.compile(r"^(?:WARNING|ERROR): ThreadSanitizer: ([^(\n]+?)(?: \(pid=\d+\))?$", re.M)
SUMMARY = re.compile(r"^SUMMARY: ThreadSanitizer: (.+)$", re.M)


def options(report):
    return {"TSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:history_size=4:second_deadlock_stack=1:"
                            f"exitcode=66:print_suppressions=1:log_path={report}"}


def found_in(reports):
    """[(kind, summary)] of all report files, and the lines on what was suppressed."""
    findings, suppressed = [], []
    for path in sorted(reports.glob("*")):
        text = path.read_text(errors="replace")
        kinds, summaries = WARNING.findall(text), SUMMARY.findall(text)
        findings += list(zip(kinds, summaries + [""] * len(kinds)))
        suppressed += re.findall(r"^\s*(\d+ (?:race|mutex|deadlock|thread|called_from_lib|signal)\S*:\S+)", text, re.M)
        if kinds:
            print(text[:8000], flush=True)
    return findings, suppressed


def unit_tests(directory, reports):
    run = run_tests.Run()
    with with_servers.servers(run_tests.SERVERS) as environment:
        run_tests.run_gtests(run, directory, {**options(reports / "unit"), **environment})
    return run


def end_to_end(directory, reports):
    # Not sanitized: libchdb brings its own allocator and ends at once in a sanitized process. What is ours of the
    # engine's process, its HTTP front, has unit tests.
    shutil.copy2(ROOT / "build" / "bin" / "vora-event-engine", directory / "bin" / "vora-event-engine")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "tests/e2e"], cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, **options(reports / "server"), "PYTHONDONTWRITEBYTECODE": "1",
                               "VORA_BIN": str(directory / "bin" / "vora")})
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout[-2000:])}
    failures = re.findall(r"^FAILED (\S+)", done.stdout, re.M)
    print(f"  end to end: {counts} {' '.join(failures)}", flush=True)
    return counts, failures


def suppressions():
    """[(entries, reason)]: the comment lines before a block of suppressions are its reason."""
    found, reason = [], []
    for line in SUPPRESSIONS.read_text().splitlines():
        if line.startswith("#"):
            reason.append(line.lstrip("# "))
        elif line.strip():
            if found and found[-1][1] == " ".join(reason):
                found[-1][0].append(line.strip())
            else:
                found.append(([line.strip()], " ".join(reason)))
        else:
            reason = []
    return found


def write_report(path, lines):
    path.write_text("\n".join(lines) + "\n")


def report_lines(programs, unit, unit_findings, tests, tests_findings, suppressed, seconds):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    counts, failures = tests
    lines = ["# ThreadSanitizer", "",
             "`./vora tsan` builds everything with `-fsanitize=thread`, runs every unit test program and all black-box tests",
             "against a sanitized server, and writes this page.", "",
             f"Last run: commit `{commit}`, {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes.", "",
             "| what | ran | failed | reports |", "|---|---|---|---|",
             f"| unit tests | {unit.passed + unit.failed} | {unit.failed} | {len(unit_findings)} |",
             f"| black-box tests | {sum(counts.values())} | {counts.get('failed', 0) + counts.get('error', 0)} | {len(tests_findings)} |", ""]
    lines += ["Programs of this run: " + ", ".join(f"`{name}`" for name in programs) + ".", ""]
    for title, findings in (("unit tests", unit_findings), ("black-box tests", tests_findings)):
        if findings:
            lines += [f"Reports in the {title}:", ""]
            lines += [f"- {kind}: {summary}" for kind, summary in sorted(set(findings))] + [""]
    if failures:
        lines += ["Black-box tests that failed, without a report (a sanitized server is many times slower):", ""]
        lines += [f"- `{name}`" for name in failures] + [""]
    lines += ["## What is not looked at", "",
              "Debian's libraries (gRPC, SQLite, spdlog, prometheus-cpp) are not built with the sanitizer: it sees their",
              "calls into the C library, not their own memory accesses. `tools/tsan.supp` holds what that makes it report",
              "wrongly, each with its reason:", ""]
    lines += [f"- {reason}: {', '.join(f'`{e}`' for e in entries)}" for entries, reason in suppressions()] or ["- nothing"]
    if suppressed:
        lines += ["", "Used in this run: " + ", ".join(f"`{s}`" for s in sorted(set(suppressed))) + "."]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "tsan", help="where the preset was built")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "tsan.md")
    arguments = parser.parse_args()
    reports = arguments.build / "reports"
    reports.mkdir(exist_ok=True)
    for old in reports.glob("*"):
        old.unlink()
    started = time.monotonic()
    programs = sorted(p.name for p in (arguments.build / "test").glob("*_test"))
    unit = unit_tests(arguments.build, reports)
    unit_findings, unit_suppressed = found_in(reports)
    for old in reports.glob("*"):
        old.unlink()
    tests = end_to_end(arguments.build, reports)
    tests_findings, tests_suppressed = found_in(reports)
    write_report(arguments.report, report_lines(programs, unit, unit_findings, tests, tests_findings,
                                                unit_suppressed + tests_suppressed, time.monotonic() - started))
    found = len(unit_findings) + len(tests_findings)
    print(f"{unit.passed} unit tests passed, {unit.failed} failed; {found} reports; {arguments.report}")
    return 1 if found or unit.failed or not unit.passed else 0


if __name__ == "__main__":
    sys.exit(main())
