"""Preflight: says before the first long stage what the run will need and does not have.

Checks the config, the flags of all stages, the base model's weights (for stages from the corpus on), the device and the
backend that train it, and the teacher's server and model (for domain specs, dataset, and evaluation with a judge), and
says how much memory the teacher takes.

    uv run python scripts/check_setup.py --config config/defaults.json --from specs --until report
"""

from __future__ import annotations

import argparse
from ctypes.util import find_library

from pipeline import errors
from pipeline.artifacts import locked
from pipeline.config import chain_sections, parse_options
from pipeline.errors import UserError
from pipeline.paths import EMBEDDED_BASE, Layout, resolve

STAGES = [
    "specs",
    "schemas",
    "dataset",
    "corpus",
    "base",
    "training",
    "evaluation",
    "pairs",
    "alignment",
    "aligned",
    "report",
]
NEED_TEACHER = {"specs", "dataset", "base", "evaluation", "aligned"}
NEED_STUDENT = {"corpus", "base", "training", "evaluation", "pairs", "alignment", "aligned"}


def main(argv: list[str] | None = None) -> int:
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("--from", dest="first", choices=STAGES, default=STAGES[0], help="first stage")
    extra.add_argument("--until", dest="last", choices=STAGES, default=STAGES[-1], help="last stage")
    options = parse_options(argv, __doc__, chain_sections(), extra)
    if options.evaluation.adapter is not None or options.evaluation.model != "newest":
        raise UserError(
            "the chain measures the adapters that it trains itself; leave out --adapter and --model (evaluation.adapter and "
            "evaluation.model in the config), or run ./runEvals.sh with them"
        )
    stages = set(STAGES[STAGES.index(options.first) : STAGES.index(options.last) + 1])
    with locked(Layout(options.run).root, "runAll.sh"):
        if stages & NEED_STUDENT:
            from pipeline.students.student import locate_base

            locate_base(options.student.base_model)
        # torch takes seconds to import: for the shipped base only where something can be lacking
        chosen = (options.student.device, options.student.backend) != ("auto", "auto")
        shipped = resolve(options.student.base_model).resolve() == EMBEDDED_BASE.resolve()
        if stages & {"training", "alignment"} and (chosen or not shipped or find_library("cuda")):
            from pipeline.students.student import place, said_of

            placement = place(options.student, trains=True, whole=options.training.lora_rank == 0)
            print(f"student: {said_of(options.student, placement)}")
        asked = stages & NEED_TEACHER if options.evaluation.judge else stages & {"specs", "dataset"}
        if asked and options.teacher.kind == "ollama":
            from pipeline.server import memory_of
            from pipeline.teachers.ollama_teacher import OllamaTeacher

            teacher, asks = OllamaTeacher(options.teacher, options.run), options.teacher
            if said := memory_of(teacher.client, asks.model, asks.num_ctx, asks.concurrency):
                print(f"teacher: {said}")
    return 0


if __name__ == "__main__":
    errors.run(main)
