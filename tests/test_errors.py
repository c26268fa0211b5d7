"""How a script ends, and when its lines are there to be read."""

from __future__ import annotations

import select
import subprocess
import sys

import pytest
from conftest import ROOT


def script(*lines: str) -> list[str]:
    """A command that runs a script whose main has these lines."""
    body = "\n".join(f"    {line}" for line in lines)
    return [sys.executable, "-c", f"import sys\nfrom pipeline import errors\ndef main():\n{body}\nerrors.run(main)"]


def test_a_line_can_be_read_from_a_log_as_soon_as_it_is_said():
    command = script("print('said')", "sys.stdin.read()", "return 0")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT / "scripts") as process:
        there, _, _ = select.select([process.stdout], [], [], 60)
        process.stdin.close()
        assert there
        assert process.stdout.readline() == b"said\n"


def test_a_reader_that_goes_away_ends_a_script_without_a_traceback():
    command = script("while True: print('more')")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT / "scripts")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_script_whose_output_was_closed_runs_all_the_same():
    command = script("print('unheard')", "return 0")
    closed = ["bash", "-c", '"$@" >&-', "bash", *command]
    made = subprocess.run(closed, capture_output=True, text=True, check=False, cwd=ROOT / "scripts")
    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch.empty(1 << 50)", "can't allocate memory"),
        (
            "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.')",
            "error: CUDA out of memory; ",
        ),
    ],
    ids=["this machine", "a GPU"],
)
def test_memory_that_does_not_do_is_a_sentence_with_what_to_lower(line, said):
    made = subprocess.run(
        script("import torch", line), capture_output=True, text=True, check=False, cwd=ROOT / "scripts"
    )
    assert made.returncode == 2
    assert said in made.stderr
    assert "--rows-per-group" in made.stderr
    assert "Traceback" not in made.stderr
    made = subprocess.run(
        script("raise RuntimeError('a bug')"), capture_output=True, text=True, check=False, cwd=ROOT / "scripts"
    )
    assert "Traceback" in made.stderr
