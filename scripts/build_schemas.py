"""d_02: many JSON Schemas from each domain spec, split by domain and schema, once.

Variants differ in their subset of fields, order, name style, operator aliases and descriptions, so that a student must
read the schema. The held-out domains are divided between validation, align and test; `new_words` are schemas of made-up
domains whose words occur nowhere else.

With --schemas, a folder of your own JSON Schemas (any draft) takes the place of the domains: each is accepted, accepted
with keywords that decoding cannot enforce, or refused with the reason.

In   outputs/d_01_domain_specs.jsonl, or the folder of --schemas
Out  outputs/d_02_final_schemas.jsonl   schema_id, domain, split, schema, operators (alias -> canonical), fields (name,
                                        type, words, operators, values, absent_values), absent_fields

    uv run python scripts/build_schemas.py --config config/offline.json
    uv run python scripts/build_schemas.py --config config/offline.json --schemas examples
    uv run python scripts/build_schemas.py --train-schemas 800 --max-fields 8
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, content_id, locked, read_jsonl, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import AST_TEMPLATE, LANGUAGE, OPERATORS, Layout
from pipeline.schemas.json_text import minify
from pipeline.schemas.names import STYLES, name_in_style, words_of
from pipeline.teachers.made_up_words import Words

VERSION = 11
FEW = 8
"""Fewer schemas of a user's own than these are all trained on."""
LEAST_ROWS = 256
"""Train rows that each of such few schemas is asked for at least: 64 taught students of three schemas hardly
anything."""
COUPLING = {"if", "dependentRequired", "dependentSchemas", "anyOf", "oneOf", "allOf", "not"}
"""Keywords through which one part of a schema depends on the properties of another."""
HELD_OUT = ("validation", "align", "test")


def split_domains(domains: list[str], options: SimpleNamespace, seed: int) -> dict[str, list[str]]:
    """Split -> domains: the held-out share is divided as the wanted numbers of schemas are."""
    shuffled = sorted(domains)
    random.Random(f"{seed}-domains").shuffle(shuffled)
    wanted = {split: getattr(options, f"{split}_schemas") for split in HELD_OUT}
    total = sum(wanted.values())
    held = round(options.held_out_domain_share * len(shuffled)) if total else 0
    result: dict[str, list[str]] = {}
    start = 0
    for split in HELD_OUT:
        count = max(1, round(held * wanted[split] / total)) if wanted[split] else 0
        result[split] = shuffled[start : start + count]
        start += count
    result["train"] = shuffled[start:]
    for split in ("train", *HELD_OUT):
        if not result[split] and (split == "train" or wanted[split]):
            raise UserError(
                f"{len(domains)} domains are too few to give the split {split!r} a domain of its own; "
                f"add domains, or set the schemas of a split to 0"
            )
    return result


def _hints(values: list[dict[str, Any]], languages: list[str]) -> dict[str, str]:
    """Phrase -> spelling, for phrases that the spelling does not show by itself."""
    hints = {}
    for value in values:
        spelling = str(value["value"]).lower() if isinstance(value["value"], bool) else value["value"]
        for language in languages:
            phrase = value["words"][language]
            if phrase != spelling:
                hints[phrase] = spelling
    return hints


def _field(
    spec: dict[str, Any], style: str, aliases: dict[str, str], options: SimpleNamespace, languages: list[str],
    rng: random.Random,
) -> tuple[dict[str, Any], Any]:  # fmt: skip
    """A field as one schema shows it: (the d_02 row's entry, its SchemaField)."""
    from pipeline.schemas.dsl import SchemaField, operators_for
    from pipeline.teachers.language import operator_phrases

    name = name_in_style(spec["name"].replace("_", " "), style)
    possible = operators_for(spec["type"])
    chosen = sorted(rng.sample(range(len(possible)), rng.randint(1, min(4, len(possible)))))
    mine = {possible[index].name: aliases[possible[index].name] for index in chosen}
    entry: dict[str, Any] = {"name": name, "type": spec["type"], "words": spec["words"], "operators": mine}
    hints: dict[str, str] = {}
    values: tuple[str, ...] = ()
    if spec["type"] == "enum":
        shown = rng.sample(spec["values"], min(len(spec["values"]), rng.randint(2, max(2, options.max_enum_values))))
        value_style = rng.choice(("snake", style))
        entry["values"] = [
            {"value": name_in_style(v["name"].replace("_", " "), value_style), "words": v["words"]} for v in shown
        ]
        entry["absent_values"] = [{"words": v["words"]} for v in spec["values"] if v not in shown]
        values = tuple(v["value"] for v in entry["values"])
        hints = _hints(entry["values"], languages)
    elif spec["type"] == "boolean":
        entry["values"] = [{"value": v["name"] == "true", "words": v["words"]} for v in spec["values"]]
        hints = _hints(entry["values"], languages)
    said = [spec["words"][language] for language in languages]
    rng.shuffle(said)
    operator_hints = {}
    for canonical, alias in mine.items():
        for language in languages:
            phrases = operator_phrases(language, canonical, spec["type"])[: options.operator_phrases]
            operator_hints |= dict.fromkeys(phrases, alias)
    return entry, SchemaField(name, spec["type"], mine, tuple(dict.fromkeys(said)), values, hints, operator_hints)


def build_variant(
    spec: dict[str, Any], split: str, options: SimpleNamespace, languages: list[str], rng: random.Random
) -> dict[str, Any]:
    """One d_02 row from a domain spec."""
    from pipeline.schemas.dsl import answer_schema, operators
    from pipeline.teachers.embedded_teacher import clashes
    from pipeline.teachers.language import step_phrases

    style = rng.choice(STYLES[:-1])
    aliases: dict[str, str] = {}
    for operator in operators().values():
        free = [alias for alias in operator.aliases if alias not in aliases.values()]
        aliases[operator.name] = rng.choice(free)
    most = min(options.max_fields, len(spec["fields"]))
    count = rng.randint(min(options.min_fields, most), most)
    chosen = rng.sample(spec["fields"], count)
    pairs = [_field(field, style, aliases, options, languages, rng) for field in chosen]
    fields = [pair[0] for pair in pairs]
    between_steps = [phrase for language in languages for phrase in step_phrases(language)[: options.operator_phrases]]
    schema = answer_schema([pair[1] for pair in pairs], between_steps)
    absent = [
        {"type": field["type"], "words": field["words"], "values": [{"words": v["words"], "value": v["name"]} for v in
         field.get("values", [])]}
        for field in spec["fields"]
        if field not in chosen and field["type"] != "boolean" and not clashes(field, chosen, languages)
    ]  # fmt: skip
    return {
        "schema_id": content_id(schema),
        "domain": spec["domain"],
        "split": split,
        "schema": schema,
        "operators": {alias: name for entry in fields for name, alias in entry["operators"].items()},
        "fields": fields,
        "absent_fields": absent,
    }


def made_up_domain(number: int, seed: int, languages: list[str]) -> dict[str, Any]:
    """A domain of made-up words: no shipped file holds them."""
    rng = random.Random(f"{seed}-new-words-{number}")
    words = Words(rng)

    def said() -> dict[str, str]:
        return {language: words.phrase(0.0 if language == "en" else 0.15) for language in languages}

    fields = []
    for kind in ("enum", "enum", "enum", "text", "integer", "number", "boolean", "date"):
        phrases = said()
        field: dict[str, Any] = {"name": next(iter(phrases.values())).replace(" ", "_"), "type": kind, "words": phrases}
        if kind == "enum":
            values = [said() for _ in range(4)]
            field["values"] = [{"name": next(iter(v.values())).replace(" ", "_"), "words": v} for v in values]
        elif kind == "boolean":
            field["values"] = [{"name": name, "words": said()} for name in ("true", "false")]
        fields.append(field)
    return {"domain": f"new_words_{number}", "description": "made-up words", "fields": fields}


def build(specs: list[dict[str, Any]], options: SimpleNamespace, run: SimpleNamespace) -> list[dict[str, Any]]:
    """The d_02 rows: as many different schemas of each split as the options ask for."""
    by_name = {spec["domain"]: spec for spec in specs}
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()

    def fill(split: str, domains: list[dict[str, Any]], wanted: int) -> None:
        wanted = min(wanted, run.max_samples or wanted)
        made = attempt = 0
        while made < wanted and attempt < 20 * wanted:
            rng = random.Random(f"{run.seed}-{split}-{attempt}")
            row = build_variant(domains[attempt % len(domains)], split, options, run.languages, rng)
            attempt += 1
            if row["schema_id"] not in seen:
                seen.add(row["schema_id"])
                rows.append(row)
                made += 1
        if made < wanted:
            raise UserError(
                f"only {made} different schemas of {wanted} for {split!r}; add domains or allow more fields"
            )

    for split, names in split_domains(list(by_name), options, run.seed).items():
        if names:
            fill(split, [by_name[name] for name in names], getattr(options, f"{split}_schemas"))
    if options.new_word_schemas:
        made_up = [made_up_domain(i, run.seed, run.languages) for i in range(max(2, options.new_word_schemas // 2))]
        fill("new_words", made_up, options.new_word_schemas)
    return rows


def variant_of(schema: Any, rng: random.Random) -> Any:
    """The schema with its properties in another order and without some that are optional; half of the time reworded,
    too.

    Then properties bear the same words in another name style, and descriptions lose an article in front and a full
    stop. Names stay where something beside `properties` and `required` could speak of them.
    """
    style = rng.choice((*dict.fromkeys(STYLES[:-1]), *[None] * 5))
    return _variant(schema, rng, style if _names_are_free(schema) else None)


def _names_are_free(schema: Any) -> bool:
    """Whether only an object's own `properties` and `required` name its properties.

    Not so with a keyword that couples objects around any that has properties, a reference to a property or beside
    `properties`, or an object as an example or a value.
    """
    from pipeline.schemas.json_schemas import children

    if not isinstance(schema, dict):
        return True
    if {"propertyNames", "patternProperties", "unevaluatedProperties"} & set(schema):
        return False
    here = {"properties", "required"} & set(schema)
    if "$ref" in schema and (here or "/properties/" in schema["$ref"]):
        return False
    if COUPLING & set(schema) and (here or '"properties":' in minify(schema)):
        return False
    values = [schema.get(key) for key in ("examples", "default", "const", "enum")]
    if any("{" in minify(value) for value in values):
        return False
    parts = [part for _, part in children(schema)] + list(schema.get("$defs", {}).values())
    return all(map(_names_are_free, parts))


def _variant(schema: Any, rng: random.Random, style: str | None) -> Any:
    from pipeline.schemas.json_schemas import with_children

    if not isinstance(schema, dict):
        return schema
    result = with_children(schema, lambda _, part: _variant(part, rng, style))
    if "$defs" in schema:
        result["$defs"] = {name: _variant(part, rng, style) for name, part in schema["$defs"].items()}
    if style and isinstance(said := schema.get("description"), str):
        result["description"] = re.sub(r"^(?:the|an?|les?|la|une?) ", "", said, flags=re.IGNORECASE).rstrip(".") or said
    known = result.get("properties")
    if known and not COUPLING & set(schema):
        needed = set(schema.get("required", []))
        optional = [name for name in known if name not in needed]
        gone = set(rng.sample(optional, rng.randint(0, len(optional) // 2)))
        names = [name for name in known if name not in gone]
        rng.shuffle(names)
        called = {name: name_in_style(words_of(name), style) if style else name for name in names}
        if len(set(called.values())) < len(names) or not all(called.values()):
            called = dict(zip(names, names, strict=True))
        result["properties"] = {called[name]: _renamed(known[name], name, called[name]) for name in names}
        if "required" in schema:
            result["required"] = [called.get(name, name) for name in schema["required"]]
    return result


def _renamed(schema: Any, name: str, called: str) -> Any:
    """A property's schema whose description lists phrases for what the property is called now."""
    from pipeline.schemas.dsl import describe, described, said_for

    if name == called or not said_for(name, schema):
        return schema
    return schema | describe({said: called if of == name else of for said, of in described(schema).items()})


def own_row(name: str, schema: Any, split: str, unenforced: tuple[str, ...]) -> dict[str, Any]:
    """One d_02 row from a user's schema."""
    from pipeline.schemas.dsl import with_refusal

    answer = with_refusal(schema)
    said = schema.get("title") if isinstance(schema, dict) else None
    title = words_of(said if isinstance(said, str) and 0 < len(said) <= 40 else name.rpartition("/")[2])
    return {
        "schema_id": content_id(answer),
        "domain": name,
        "title": title,
        "split": split,
        "schema": answer,
        "operators": {},
        "unenforced": list(unenforced),
    }


def own_splits(names: list[str], seed: int) -> dict[str, str]:
    """Name -> split; with fewer than FEW schemas all of them are trained on."""
    shuffled = sorted(names)
    random.Random(f"{seed}-own").shuffle(shuffled)
    splits = dict.fromkeys(shuffled, "train")
    if len(names) >= FEW:
        start = 0
        for split, share in (("test", 0.2), ("align", 0.15), ("validation", 0.1)):
            count = max(1, round(share * len(names)))
            splits |= dict.fromkeys(shuffled[start : start + count], split)
            start += count
    return splits


def refused_because(schema: Any, renderer: Any, limit: int) -> str | None:
    """Why a schema cannot be learned, or None: nothing satisfies it, or its prompt leaves no room for an answer."""
    from pipeline.schemas.dsl import with_refusal
    from pipeline.teachers.instances import NoInstance, Sampler

    try:
        Sampler(schema).sample(random.Random(0))
    except NoInstance:
        return "no value that satisfies it was found"
    length = len(renderer.request(with_refusal(schema), "", "2024-01-01"))
    if length > 0.8 * limit:
        return f"its prompt has {length} tokens of --max-seq-length {limit}; an answer needs room"
    return None


def build_own(schemas: dict[str, Any], options: SimpleNamespace) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """(d_02 rows of a user's schemas and their variants, name -> why it was refused)."""
    from pipeline.schemas.constraints import enforceable
    from pipeline.schemas.dsl import with_refusal
    from pipeline.students.student import Renderer, load_tokenizer

    student = options.student
    renderer = Renderer(load_tokenizer(student.base_model))
    refused = {}
    for name, schema in schemas.items():
        if why := refused_because(schema, renderer, student.max_seq_length):
            refused[name] = why
    accepted = [name for name in schemas if name not in refused]
    if not accepted:
        raise UserError("; ".join(f"{name}: {why}" for name, why in refused.items()))
    rows: list[dict[str, Any]] = []
    for name, split in own_splits(accepted, options.run.seed).items():
        rows.append(own_row(name, schemas[name], split, enforceable(with_refusal(schemas[name]))[1]))
        known = {rows[-1]["schema_id"]}
        for number in range(options.schemas.variants if split == "train" else 0):
            variant = variant_of(schemas[name], random.Random(f"{options.run.seed}-{name}-{number}"))
            row = own_row(name, variant, "train", enforceable(with_refusal(variant))[1]) | {"variant": number + 1}
            if row["schema_id"] not in known and refused_because(variant, renderer, student.max_seq_length) is None:
                known.add(row["schema_id"])
                rows.append(row)
    if len(accepted) < FEW:
        originals = [row for row in rows if "variant" not in row]
        for row in originals:
            row["shared"] = max(LEAST_ROWS, options.schemas.train_schemas // len(rows) * 8)
    return rows, refused


def table_of(rows: list[dict[str, Any]], refused: dict[str, str]) -> str:
    """Lines of a user's schemas: accepted, accepted with keywords that decoding cannot enforce, refused."""
    lines = []
    for row in rows:
        if "variant" not in row:
            loose = (
                f"accepted; not enforced while decoding: {', '.join(row['unenforced'])}"
                if row["unenforced"]
                else "accepted"
            )
            lines.append(f"  {row['domain']:<24} {row['split']:<11} {loose}")
    return "\n".join([*lines, *(f"  {name:<24} {'refused':<11} {why}" for name, why in refused.items())])


def build_from_folder(options: SimpleNamespace, layout: Layout) -> int:
    """d_02 from a folder of the user's own schemas."""
    from pipeline.schemas.json_schemas import read_folder
    from pipeline.students.student import base_inputs

    folder = Path(options.run.schemas)
    facts = {"schemas": {"variants": options.schemas.variants, "train_schemas": options.schemas.train_schemas}}
    facts |= {"seed": options.run.seed, "max_seq_length": options.student.max_seq_length}
    facts |= {"base_model": options.student.base_model}
    with locked(layout.root, "schemas"):
        read = read_folder(folder)
        inputs = [*sorted(folder.rglob("*.json")), AST_TEMPLATE, *base_inputs(options.student.base_model)]
        stage = Stage("schemas", VERSION, layout.root, [layout.schemas], facts, inputs)
        if not options.force and stage.up_to_date():
            return 0
        rows, refused = build_own(read, options)
        stage.set_aside()
        write_jsonl(layout.schemas, rows)
        print(table_of(rows, refused))
        originals = sum("variant" not in row for row in rows)
        counts = {"schemas": originals, "variants": len(rows) - originals, "refused": refused}
        stage.finish(
            counts, f"{originals} schemas of {folder} and {len(rows) - originals} variants, {len(refused)} refused"
        )
    return 0


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "schemas", "student"))
    layout = Layout(options.run)
    if options.run.schemas:
        return build_from_folder(options, layout)
    facts = {"schemas": vars(options.schemas)}
    facts |= {key: getattr(options.run, key) for key in ("seed", "languages", "max_samples")}
    with locked(layout.root, "schemas"):
        inputs = [layout.domain_specs, OPERATORS, AST_TEMPLATE, LANGUAGE]
        stage = Stage("schemas", VERSION, layout.root, [layout.schemas], facts, inputs)
        if not options.force and stage.up_to_date():
            return 0
        specs = list(read_jsonl(layout.domain_specs, "generate_domain_specs.py"))
        rows = build(specs, options.schemas, options.run)
        stage.set_aside()
        write_jsonl(layout.schemas, rows)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["split"]] = counts.get(row["split"], 0) + 1
        stage.finish(
            counts, f"{len(rows)} schemas ({', '.join(f'{k} {v}' for k, v in counts.items())}) -> {layout.schemas}"
        )
    return 0


if __name__ == "__main__":
    errors.run(main)
