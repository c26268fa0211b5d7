"""d_01: a spec for each domain, with typed fields and words for them in every language.

The embedded teacher takes the specs that config/domains.jsonl holds; an Ollama teacher proposes fields for each domain
and description itself.

In   config/domains.jsonl                  domain, description, fields (for the embedded teacher)
Out  outputs/d_01_domain_specs.jsonl       domain_id, domain, description, fields: [{name, type, words: {language:
                                           phrase}, values: [{name, words}] for enum and boolean}]

    uv run python scripts/generate_domain_specs.py --config config/offline.json
    uv run python scripts/generate_domain_specs.py --domains 5 --teacher-model gpt-oss:20b
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, content_id, locked, read_jsonl, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout, resolve
from pipeline.progress import progress
from pipeline.schemas.dsl import problem_of

VERSION = 1


def make_specs(options: SimpleNamespace, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The d_01 rows of these entries. Raises UserError where a spec is unusable."""
    from pipeline.server import side_by_side
    from pipeline.teachers.teacher import make_teacher

    teacher = make_teacher(options.teacher, options.run)
    rows = []
    specs = progress(side_by_side(teacher.propose_domain, entries, teacher.concurrency), "domains", len(entries))
    for entry, spec in zip(entries, specs, strict=True):
        if problem := problem_of(spec, options.run.languages):
            raise UserError(f"the spec of domain {entry['domain']!r} {problem}; mend it in the domains file")
        body = {key: spec[key] for key in ("domain", "description", "fields")}
        rows.append({"domain_id": content_id(body), **body})
    teacher.close()
    return rows


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "teacher", "domain_specs"))
    from pipeline.teachers.teacher import teacher_facts

    layout = Layout(options.run)
    if options.run.schemas:
        print(f"domain specs: not needed, the schemas of {options.run.schemas} take their place")
        return 0
    domains_file = resolve(options.domain_specs.domains_file)
    stage = Stage(
        "domain specs", VERSION, layout.root, [layout.domain_specs],
        {
            "teacher": teacher_facts(options.teacher),
            "domains": options.domain_specs.domains,
            "languages": options.run.languages,
        },
        [domains_file],
    )  # fmt: skip
    with locked(layout.root, stage.name):
        if not options.force and stage.up_to_date():
            return 0
        entries = list(read_jsonl(domains_file, "your domains file"))[: options.domain_specs.domains]
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry.get("domain"), str) or not isinstance(entry.get("description"), str):
                raise UserError(f"{domains_file} line {number} has no domain and description")
        rows = make_specs(options, entries)
        stage.set_aside()
        write_jsonl(layout.domain_specs, rows)
        fields = sum(len(row["fields"]) for row in rows)
        stage.finish(
            {"domains": len(rows), "fields": fields}, f"{len(rows)} domains, {fields} fields -> {layout.domain_specs}"
        )
    return 0


if __name__ == "__main__":
    errors.run(main)
