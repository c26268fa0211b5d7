"""Artifacts: JSONL files, their recorded facts, what is up to date, and the lock of an output root.

A file under its final name is complete. Beside it `<name>.meta.json` records what it was made from; a stage whose
recorded facts still hold does nothing. What other options replace is moved to `<output_root>/replaced/`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import UserError
from pipeline.paths import ROOT
from pipeline.processes import chain, main_process, processes


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def content_id(*parts: Any) -> str:
    """A 16-digit hash of what a row was made from."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:16]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of the files in a folder."""
    if path.is_dir():
        names = sorted(p for p in path.rglob("*") if p.is_file())
        return content_id([[str(p.relative_to(path)), file_hash(p)] for p in names])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_jsonl(path: Path, made_by: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file; raises UserError naming file and line, or the stage that makes a missing file."""
    return (row for _, row in placed_jsonl(path, made_by))


def placed_jsonl(path: Path, made_by: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(place in bytes, row) of a JSONL file, for `jsonl_row`; raises as `read_jsonl` does."""
    if not path.exists():
        raise UserError(f"{path} is missing; {made_by} makes it")
    place = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                raise UserError(
                    f"{path} line {number} is not JSON; make the file again with {made_by} --force"
                ) from None
            if not isinstance(row, dict):
                raise UserError(f"{path} line {number} is not an object; make the file again with {made_by} --force")
            yield place, row
            place += len(line)


def jsonl_row(file: BinaryIO, place: int) -> dict[str, Any]:
    """The row at a place that `placed_jsonl` gave."""
    file.seek(place)
    return json.loads(file.readline())


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows beside `path`, then rename; returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    os.replace(part, path)
    return count


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value beside `path`, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def commit() -> str | None:
    """The commit of the code, where git knows it."""
    try:
        result = subprocess.run(
            ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return result.stdout.strip() or None


def peak_memory_mib() -> int:
    """The largest resident memory of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


class Stage:
    """One run of a stage: its facts, its outputs, and the record it leaves.

    `facts` is what decides whether the outputs are up to date: stage, version, options and hashes of inputs. The first
    of `outputs` carries the record (`<name>.meta.json`). The commit is recorded and not compared.
    """

    def __init__(
        self,
        name: str,
        version: int,
        root: Path,
        outputs: list[Path],
        options: dict[str, Any],
        inputs: list[Path],
    ) -> None:
        self.name, self.root, self.outputs = name, root, outputs
        self.meta_path = outputs[0].with_name(outputs[0].name + ".meta.json")
        for path in inputs:
            if not path.exists():
                raise UserError(f"{path} is missing; run the stage that makes it, or ./runAll.sh")
        self.facts = {
            "stage": name,
            "version": version,
            "options": json.loads(canonical(options)),
            "inputs": {self.relative(path): file_hash(path) for path in inputs},
        }
        self.started = time.monotonic()

    def relative(self, path: Path) -> str:
        """A path from the output root or the repository, so that records name no place of this machine."""
        for base in (self.root, ROOT):
            if path.resolve().is_relative_to(base.resolve()):
                return str(path.resolve().relative_to(base.resolve()))
        return str(path)

    def recorded(self) -> dict[str, Any] | None:
        """The record of the outputs that are there, if they are complete."""
        if not self.meta_path.exists():
            return None
        try:
            return json.loads(self.meta_path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return None

    def up_to_date(self) -> bool:
        """Whether the outputs are there, unchanged, made from the same facts; says so."""
        record = self.recorded()
        if record is None or record.get("facts") != self.facts:
            return False
        for path in self.outputs:
            if not path.exists() or record["outputs"].get(self.relative(path)) != file_hash(path):
                return False
        if main_process():
            print(f"{self.name}: up to date ({self.outputs[0]})")
        return True

    def set_aside(self) -> None:
        """Move outputs made from other facts to <output_root>/replaced/, and say where."""
        record = self.recorded()
        present = [path for path in self.outputs if path.exists()]
        if not present:
            return
        if record is not None and record.get("facts") == self.facts:
            return
        key = content_id(record["facts"])[:8] if record else f"unknown-{int(time.time())}"
        number, folder = 1, self.root / "replaced" / f"{self.name}-{key}"
        while folder.exists():
            number += 1
            folder = self.root / "replaced" / f"{self.name}-{key}-{number}"
        for path in [*present, self.meta_path]:
            if path.exists():
                target = folder / path.relative_to(self.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, target)
        whose = "other options or inputs had made" if record else "a run that did not end had left"
        print(f"{self.name}: what {whose} is kept in {folder}")

    def finish(self, counts: dict[str, Any], summary: str) -> None:
        """Record the facts beside the outputs and print the summary."""
        seconds = time.monotonic() - self.started
        write_json(
            self.meta_path,
            {
                "facts": self.facts,
                "outputs": {self.relative(path): file_hash(path) for path in self.outputs},
                "counts": counts,
                "commit": commit(),
                "seconds": round(seconds, 1),
                "peak_memory_mib": peak_memory_mib(),
            },
        )
        print(f"{self.name}: {summary} ({seconds:.0f} s)")


@contextmanager
def locked(root: Path, stage: str, *, several: bool = False) -> Iterator[None]:
    """Hold the output root for one run; raises UserError naming the run that has it.

    Only a stage that says so (`several`) may be started as several processes.

    The owner is the runner of a chain of stages, else the launcher of several processes, else this process. The lock of a process that is gone counts for nothing.
    """
    import psutil
    from filelock import FileLock

    if processes() > 1 and not several:
        raise UserError(
            f"{stage} runs as one process, and {processes()} were started; start it without accelerate launch or torchrun"
        )
    root.mkdir(parents=True, exist_ok=True)
    owner_path = root / ".run.json"
    runner = chain()
    alone = os.getpid() if processes() == 1 else os.getppid()  # the launcher owns what its processes share
    pid = runner if runner and psutil.pid_exists(runner) else alone
    mine = {"pid": pid, "created": psutil.Process(pid).create_time(), "stage": stage}
    with FileLock(root / ".lock"):
        try:
            other = json.loads(owner_path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            other = None
        if other and (other["pid"], other["created"]) != (mine["pid"], mine["created"]):
            try:
                alive = psutil.Process(other["pid"]).create_time() == other["created"]
            except psutil.Error:
                alive = False
            if alive:
                raise UserError(
                    f"process {other['pid']} ({other['stage']}) is working in {root}; wait for it, stop it, or give "
                    "another folder with --output-root"
                )
        write_json(owner_path, mine)
    try:
        yield
    finally:
        if pid == os.getpid():
            owner_path.unlink(missing_ok=True)
