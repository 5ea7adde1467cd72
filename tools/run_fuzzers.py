"""Runs every libFuzzer target in build/fuzz/fuzz for the given seconds each; corpora stay in build/fuzz/corpus."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parent.parent / "build" / "fuzz"


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else "30"
    programs = sorted((FUZZ / "fuzz").glob("*_fuzz"))
    failed = 0
    for program in programs:
        corpus = FUZZ / "corpus" / program.name
        corpus.mkdir(parents=True, exist_ok=True)
        code = subprocess.run([str(program), f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048",
                               f"-artifact_prefix={corpus}/", "-verbosity=0", "-print_final_stats=1", str(corpus)],
                              cwd=FUZZ).returncode
        print(f"{program.name}: {'ok' if code == 0 else 'FAILED'}", flush=True)
        failed += code != 0
    print(f"{len(programs) - failed} passed, {failed} failed")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
