"""The official JSON-Schema-Test-Suite against the schemas as this project reads and rewrites them.

For every case: does the closed schema of draft 2020-12 say what the suite says, and, where the grammar enforces all of
it, does the grammar alone say it too (instances written in the schema's order of keys).

    uv run python benchmarks/schema_suite.py DIR      # the folder `tests` of json-schema-org/JSON-Schema-Test-Suite
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import common

DRAFTS = {
    "draft4": "http://json-schema.org/draft-04/schema#", "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#", "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    from jsonschema import Draft202012Validator

    from pipeline.errors import UserError
    from pipeline.schemas.constraints import enforceable, lets_through
    from pipeline.schemas.json_schemas import closed_schema
    from pipeline.schemas.key_order import KeyOrder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the suite's folder `tests`")
    args = parser.parse_args(argv)
    result: dict[str, dict[str, int]] = {}
    for draft, uri in DRAFTS.items():
        counts: Counter[str] = Counter()
        for path in sorted((args.folder / draft).glob("*.json")):
            for case in json.loads(path.read_text(encoding="utf-8")):
                schema = case["schema"]
                if isinstance(schema, dict):
                    schema = {"$schema": uri, **schema}
                try:
                    closed = closed_schema(path.name, schema)
                except UserError:
                    counts["refused cases"] += 1
                    continue
                text, unenforced = enforceable(closed)
                exact = text is not None and not unenforced
                counts["cases"] += 1
                counts["enforced cases"] += exact
                validator, order = Draft202012Validator(closed), KeyOrder(closed)
                for test in case["tests"]:
                    about = f"{path.name}: {case['description']}: {test['description']}"
                    counts["verdicts"] += 1
                    if validator.is_valid(test["data"]) != test["valid"]:
                        counts["wrong verdicts"] += 1
                        print(f"  {draft} verdict   {about}")
                    if exact:
                        counts["grammar verdicts"] += 1
                        if lets_through(text, order.ordered(test["data"])) != test["valid"]:
                            counts["wrong grammar verdicts"] += 1
                            print(f"  {draft} grammar {'rejects' if test['valid'] else 'accepts'} {about}")
        result[draft] = dict(counts)
    common.print_result({"name": "schema_suite", **result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
