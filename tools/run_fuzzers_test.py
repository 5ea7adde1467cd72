"""The fuzz stage can say no: a target that finds something fails it and its input is shown."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run_fuzzers  # noqa: E402

QUIET = "#!/bin/sh\necho stat::number_of_executed_units: 5\n"
# As libFuzzer does it: the input goes to the artifact prefix, the exit code is not 0.
CRASHING = """#!/bin/sh
for a in "$@"; do case $a in -artifact_prefix=*) printf 'bad input' >"${a#*=}crash-1";; esac; done
echo '==1==ERROR: AddressSanitizer: heap-buffer-overflow'
exit 77
"""


def targets(tmp_path, **scripts):
    (tmp_path / "fuzz").mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        program = tmp_path / "fuzz" / f"{name}_fuzz"
        program.write_text(text)
        program.chmod(0o755)
    return tmp_path


def test_each_target_counts_once(tmp_path, capsys):
    assert run_fuzzers.run_all(1, fuzz=targets(tmp_path, a=QUIET, b=QUIET, c=QUIET)) == (3, 0)
    assert "5 inputs, nothing found" in capsys.readouterr().out


def test_a_finding_fails_and_shows_the_input(tmp_path, capsys):
    assert run_fuzzers.run_all(1, fuzz=targets(tmp_path, a=QUIET, b=CRASHING)) == (1, 1)
    shown = capsys.readouterr().out
    assert "b_fuzz" in shown and "heap-buffer-overflow" in shown and "b'bad input'" in shown


def test_no_target_is_no_success(tmp_path):
    assert run_fuzzers.run_all(1, fuzz=targets(tmp_path)) == (0, 0)
