"""Start-up: `--help` of every script, an up-to-date stage, and `./runAll.sh` on a finished run.

The baseline is Python itself importing nothing. The finished run is a small one that the benchmark makes first (in a
temporary folder), or the one of --config.

    uv run python benchmarks/startup.py
    uv run python benchmarks/startup.py --config config/offline.json      # a run that is finished already
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

import common

STAGES = (
    "generate_domain_specs", "build_schemas", "generate_dataset", "build_training_corpus", "build_alignment_pairs",
    "train_alignment",
)  # fmt: skip


def seconds(command: list[str], repeats: int = 3) -> float:
    """Median wall time of a command that must end well."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=common.ROOT)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="config of a finished run")
    args = parser.parse_args(argv)
    python = sys.executable
    scripts = sorted((common.ROOT / "scripts").glob("*.py"))
    helps = {path.stem: seconds([python, str(path), "--help"]) for path in scripts}
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--config", args.config or "config/offline.json"]
        if not args.config:
            flags += ["--output-root", folder, "--max-samples", "4", "--max-steps", "1"]
            subprocess.run(["./runAll.sh", *flags], check=True, capture_output=True, cwd=common.ROOT)
        stages = {name: seconds([python, f"scripts/{name}.py", *flags]) for name in STAGES}
        chain = seconds(["./runAll.sh", *flags], 1)
    empty = seconds([python, "-c", "pass"])
    slowest = max(helps, key=helps.__getitem__)
    print(
        f"--help at most {helps[slowest]:.2f} s ({slowest}), an up-to-date stage at most {max(stages.values()):.2f} s"
    )
    print(f"./runAll.sh on a finished run {chain:.1f} s; Python alone {empty:.2f} s")
    common.print_result(
        {
            "name": "startup", "baseline": "python -c pass", "seconds_baseline": empty,
            "seconds_help_worst": helps[slowest], "seconds_up_to_date_worst": max(stages.values()),
            "seconds_run_all_finished": chain, **common.machine("cpu"),
        }
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
