"""The teacher's calls: the dataset stage against a bare loop that keeps the same Ollama server busy.

A server of its own (the one that tools/build_ollama.sh makes) serves the embedded base. The stage's requests are
recorded; then stage, bare loop (as many threads as the server answers at a time, nothing but calls) and serial client
(one call at a time) send the recorded requests in turns, the stage each time with an empty cache. Medians. It is
counted in how many of the stage's runs it made the recorded requests again.

    uv run python benchmarks/teacher.py
    uv run python benchmarks/teacher.py --parallel 2 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import common

sys.path.insert(0, str(common.ROOT / "tests"))
MODEL = "teacher"


def options_of(host: str, parallel: int, root: Path, args: argparse.Namespace) -> SimpleNamespace:
    """Options of the dataset stage for this server."""
    from pipeline.config import DEFAULTS, complete_sections

    sections = {name: SimpleNamespace(**values) for name, values in complete_sections(DEFAULTS).items()}
    options = SimpleNamespace(**sections)
    vars(options.run).update(output_root=str(root))
    vars(options.teacher).update(
        kind="ollama", host=host, model=MODEL, concurrency=parallel, num_ctx=4096, num_predict=args.tokens, think=None
    )
    vars(options.dataset).update(rows_per_schema=args.rows, seen_schemas=0, attempts=1)
    return options


def load(host: str) -> None:
    """Have the server hold the model, which the stage takes out of its memory at its end."""
    from ollama import Client

    Client(host=host, timeout=600).generate(MODEL, keep_alive="30m", options={"num_ctx": 4096})


def run_stage(host: str, parallel: int, schemas: list[dict[str, Any]], args: argparse.Namespace) -> dict[str, Any]:
    """{"seconds", "requests" (texts in the order of their answers)} of the stage with an empty cache."""
    from generate_dataset import make_dataset, planned
    from pipeline.teachers.teacher import make_teacher

    with tempfile.TemporaryDirectory() as folder:
        options = options_of(host, parallel, Path(folder), args)
        load(host)
        started = time.perf_counter()
        teacher = make_teacher(options.teacher, options.run, options.dataset)
        make_dataset(planned(schemas, options), options, teacher)
        seconds = time.perf_counter() - started
        with sqlite3.connect(Path(folder) / "teacher_cache.sqlite") as database:
            requests = [text for (text,) in database.execute("SELECT request FROM calls ORDER BY rowid")]
    return {"seconds": seconds, "requests": requests}


def run_bare(host: str, threads: int, requests: list[dict[str, Any]]) -> float:
    """Seconds of nothing but these calls."""
    from ollama import Client

    client = Client(host=host, timeout=600)
    ask = lambda request: client.chat(
        MODEL, request["messages"], format=request["format"], options=request["options"], keep_alive="30m"
    )
    load(host)
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, requests))
    return time.perf_counter() - started


def measured(parallel: int, schemas: list[dict[str, Any]], args: argparse.Namespace) -> dict[str, Any]:
    """Medians at one `OLLAMA_NUM_PARALLEL`."""
    from ollama_support import Server

    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), parallel)
        try:
            server.make_base(MODEL)
            first = run_stage(server.host, parallel, schemas, args)  # records the requests
            requests = [json.loads(text) for text in first["requests"]]
            seconds: dict[str, list[float]] = {"stage": [], "bare": [], "serial": []}
            equal = 0
            for _ in range(args.repeats):
                made = run_stage(server.host, parallel, schemas, args)
                equal += sorted(made["requests"]) == sorted(first["requests"])
                seconds["stage"].append(made["seconds"])
                seconds["bare"].append(run_bare(server.host, parallel, requests))
                seconds["serial"].append(run_bare(server.host, 1, requests))
        finally:
            server.stop()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "calls": len(requests), "runs_with_the_same_requests": equal,
        **{f"seconds_{name}": round(value, 2) for name, value in median.items()},
        "ratio_to_limit": round(median["stage"] / median["bare"], 3),
        "ratio_to_serial": round(median["serial"] / median["stage"], 3),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    from ollama_support import BINARY, MISSING
    from tests_support import make_schemas

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 2, 4], help="OLLAMA_NUM_PARALLEL")
    parser.add_argument("--schemas", type=int, default=6)
    parser.add_argument("--rows", type=int, default=4, help="requests a schema")
    parser.add_argument("--tokens", type=int, default=48, help="most tokens of an answer")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    if not BINARY.exists():
        print(f"error: {MISSING}", file=sys.stderr)
        return 2
    schemas = make_schemas(args.schemas, 1)
    found = {str(parallel): measured(parallel, schemas, args) for parallel in args.parallel}
    for parallel, values in found.items():
        print(
            f"{parallel} at a time: the stage takes {values['ratio_to_limit']:.2f} times as long as a bare loop, a serial "
            f"client {values['ratio_to_serial']:.2f} times as long as the stage ({values['calls']} calls)"
        )
    common.print_result(
        {"name": "teacher", "baseline": "a bare loop of the same calls", "parallel": found, **common.machine("cpu")}
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
