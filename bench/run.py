"""Measures Vora beside plain peers in the same run: a table, and JSON in bench/results.

    ./vora bench                     everything but the soak
    ./vora bench start upload        only these
    ./vora bench --soak 30           thirty minutes of load; fails when memory, files or threads grew

CPU-seconds and ratios are what to compare between machines; wall times depend on what else runs. A peer that
is not here (nginx, wrk, a Go to build tusd with) is said and left out.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # for tools.stack

import cache  # noqa: E402
import encode  # noqa: E402
import events  # noqa: E402
import first_byte  # noqa: E402
import measure  # noqa: E402
import metadata  # noqa: E402
import object_store  # noqa: E402
import pipeline  # noqa: E402
import playback  # noqa: E402
import soak  # noqa: E402
import start  # noqa: E402
import upload  # noqa: E402

BENCHES = {"start": start.bench, "upload": upload.bench, "playback": playback.bench, "events": events.bench,
           "encode": encode.bench}
REAL = {"first_byte": first_byte.bench, "cache": cache.bench, "pipeline": pipeline.bench,
        "object_store": object_store.bench, "metadata": metadata.bench}
BENCHES |= REAL


def processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    return {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "load_at_start": round(os.getloadavg()[0], 2)}


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=measure.ROOT, capture_output=True, text=True).stdout.strip()


def print_table(figures_by_name):
    print(f"{'bench':10} {'figure':42} value")
    for name, figures in figures_by_name.items():
        for key, value in figures.items():
            if key != "samples":
                print(f"{name:10} {key:42} {value}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only load for so long")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}")
    results = {"commit": git("rev-parse", "--short", "HEAD"), "changed_files": bool(git("status", "--porcelain")),
               "date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "figures": {}}
    names = arguments.names or ([] if arguments.soak else list(BENCHES))
    for name in names:
        print(f"==> {name}", file=sys.stderr, flush=True)
        results["figures"][name] = BENCHES[name]()
    if arguments.soak:
        print(f"==> soak of {arguments.soak:g} minutes", file=sys.stderr, flush=True)
        results["figures"]["soak"] = soak.bench(arguments.soak)
    out = measure.ROOT / "bench" / "results"
    out.mkdir(exist_ok=True)
    file = "soak.json" if arguments.soak else "real.json" if set(names) <= set(REAL) else "latest.json"
    (out / file).write_text(json.dumps(results, indent=1) + "\n")
    print_table(results["figures"])
    grew = results["figures"].get("soak", {}).get("grew")
    if grew:
        print(f"grew under load: {', '.join(grew)}")
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
