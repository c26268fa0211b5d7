"""Options: config files, their checks, and the command-line flags made from config/config.schema.json.

A stage names the sections it reads; each key of them is one flag. Defaults stand in config/defaults.json only.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from pipeline.errors import UserError
from pipeline.paths import CONFIG_DIR, ROOT
from pipeline.processes import chain

DEFAULTS = CONFIG_DIR / "defaults.json"
Sections = dict[str, dict[str, Any]]


@cache
def option_schema() -> dict[str, Any]:
    """config/config.schema.json: section -> properties, each with type, range and meaning."""
    return read_json(CONFIG_DIR / "config.schema.json")


def flag_of(section: str, key: str) -> str:
    """The command-line flag of an option."""
    spec = option_schema()["properties"][section]["properties"][key]
    return spec.get("x-flag") or "--" + key.replace("_", "-")


def chain_sections() -> tuple[str, ...]:
    """The sections that the stages of `runAll.sh` read, in which each flag stands once."""
    return tuple(section for section in option_schema()["properties"] if section != "export")


def read_json(path: Path) -> Any:
    """What a JSON file holds; raises UserError naming file and line."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder where a JSON file is expected") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; it should be a JSON file") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} line {error.lineno} is not JSON: {error.msg}; mend that line") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object; raises UserError naming file and line."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {type(value).__name__}, not a JSON object")
    return value


def _allowed(spec: dict[str, Any]) -> str:
    if "enum" in spec:
        return "one of " + ", ".join("none" if value is None else str(value) for value in spec["enum"])
    if "enum" in spec.get("items", {}):
        return "a list, each once, of " + ", ".join(spec["items"]["enum"])
    types = spec.get("type", "value")
    words = " or ".join(types) if isinstance(types, list) else str(types)
    bounds = [
        f"{word} {spec[key]}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in spec
    ]
    return f"{words.replace('null', 'none')}{', ' if bounds else ''}{' and '.join(bounds)}"


def _check(section: str, key: str, value: Any, place: str) -> None:
    """Raise UserError where a value does not satisfy the option's schema."""
    from jsonschema import Draft202012Validator

    spec = option_schema()["properties"][section]["properties"][key]
    if not Draft202012Validator(spec).is_valid(value):
        shown = "none" if value is None else json.dumps(value)
        raise UserError(f"{place} is {shown}; allowed: {_allowed(spec)}")


def load_sections(path: Path, _seen: tuple[Path, ...] = ()) -> Sections:
    """The sections of a config file over what it extends; every key checked.

    Raises UserError for an unknown section or key, a wrong type, a value out of range, a circle of `extends`.
    """
    if path.resolve() in _seen:
        raise UserError(f"{path} extends itself through {' -> '.join(str(p) for p in _seen)}; break the circle")
    data = read_json_object(path)
    sections: Sections = {}
    if "extends" in data:
        sections = load_sections(path.parent / data.pop("extends"), (*_seen, path.resolve()))
    known = option_schema()["properties"]
    for section, values in data.items():
        if section not in known:
            raise UserError(f"{path} has the unknown section {section!r}; known: extends, {', '.join(known)}")
        if not isinstance(values, dict):
            raise UserError(f"{path}: section {section!r} is not an object")
        for key, value in values.items():
            if key not in known[section]["properties"]:
                names = ", ".join(known[section]["properties"])
                raise UserError(f"{path} has the unknown key {section}.{key}; known: {names}")
            _check(section, key, value, f"{path}: {section}.{key}")
            sections.setdefault(section, {})[key] = value
    return sections


def complete_sections(path: Path) -> Sections:
    """The sections of `path` with every key of the defaults present."""
    sections = load_sections(path)
    merged = load_sections(DEFAULTS)
    for section, values in sections.items():
        merged[section].update(values)
    return merged


def parse_value(text: str, spec: dict[str, Any]) -> Any:
    """A flag's text as the type that its schema names; `none` is null. Raises ValueError."""
    types = spec.get("type", [])
    types = types if isinstance(types, list) else [types]
    if text == "none" and ("null" in types or None in spec.get("enum", [])):
        return None
    if "integer" in types:
        return int(text)
    if "number" in types:
        return float(text)
    if "array" in types:
        return [part for part in text.split(",") if part]
    return text


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=118)


class _Parser(argparse.ArgumentParser):
    """One whose errors are a sentence, without the usage of some dozens of flags before it."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help lists the flags")


def _unknown(said: str, sections: tuple[str, ...]) -> UserError:
    """The sentence for what no flag of these sections is."""
    flag = said.partition("=")[0]
    section_of = {
        flag_of(name, key): name for name, spec in option_schema()["properties"].items() for key in spec["properties"]
    }
    section = section_of.get(flag.replace("--no-", "--", 1))
    if section is not None and section not in sections:
        takes_it = "./runAll.sh" if section in chain_sections() else "export_student.py"
        return UserError(
            f"{flag} is an option of {section!r}, which is not read here; leave it out ({takes_it} takes it)"
        )
    near = difflib.get_close_matches(flag, section_of, 1)
    return UserError(f"there is no flag {flag}{f', but {near[0]}' if near else ''}; --help lists the flags")


def _add_flags(parser: argparse.ArgumentParser, sections: tuple[str, ...], defaults: Sections) -> None:
    for section in sections:
        spec = option_schema()["properties"][section]
        group = parser.add_argument_group(f"{section} ({spec['description']})")
        for key, option in spec["properties"].items():
            default = defaults[section][key]
            shown = "none" if default is None else ",".join(default) if isinstance(default, list) else default
            text = f"{option['description']} [{shown}]".replace("%", "%%")
            destination = f"{section}.{key}"
            flag = flag_of(section, key)
            if option.get("type") == "boolean":
                group.add_argument(
                    flag, dest=destination, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
                )
            else:
                group.add_argument(flag, dest=destination, default=argparse.SUPPRESS, metavar="X", help=text)


def parse_options(
    argv: list[str] | None, doc: str | None, sections: tuple[str, ...], extra: argparse.ArgumentParser | None = None
) -> SimpleNamespace:
    """The options of a stage: `options.<section>.<key>`, and what `extra` adds as `options.<name>`.

    Order: flag, then for the teacher LLM_MODEL, .llmrc and OLLAMA_HOST, then the config file, then what it extends.
    In a chain of stages flags of the others may stand among them. Raises UserError for what is not allowed.
    """
    parser = _Parser(description=doc, formatter_class=_Formatter, parents=[extra] if extra else [], allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=DEFAULTS, help="config file [config/defaults.json]")
    parser.add_argument("--force", action="store_true", help="make the artifacts again even if they are up to date")
    defaults = load_sections(DEFAULTS)
    _add_flags(parser, sections, defaults)
    if chain():
        _add_flags(parser, tuple(section for section in chain_sections() if section not in sections), defaults)
    known, unknown = parser.parse_known_args(argv)
    if unknown:
        raise _unknown(unknown[0], sections)
    given = vars(known)
    config_path = given.pop("config")
    values = complete_sections(config_path)
    if "teacher" in sections:
        values["teacher"]["model"] = _teacher_model(values["teacher"]["model"])
        values["teacher"]["host"] = os.environ.get("OLLAMA_HOST") or values["teacher"]["host"]
    result = SimpleNamespace(force=given.pop("force"), config=str(config_path))
    for destination, value in list(given.items()):
        section, dot, key = destination.partition(".")
        if not dot:
            setattr(result, destination, value)
            continue
        spec = option_schema()["properties"][section]["properties"][key]
        if isinstance(value, str):
            try:
                value = parse_value(value, spec)
            except ValueError:
                raise UserError(f"{flag_of(section, key)} is {value!r}; allowed: {_allowed(spec)}") from None
        _check(section, key, value, flag_of(section, key))
        values[section][key] = value
    if own := values["run"]["schemas"]:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(own).resolve().name).strip("-.") or "own"
        if "run.name" not in given:
            values["run"]["name"] = name
        if "run.output_root" not in given:
            values["run"]["output_root"] += f"/own/{name}"
    for section in sections:
        setattr(result, section, SimpleNamespace(**values[section]))
    return result


def _teacher_model(configured: str) -> str:
    if os.environ.get("LLM_MODEL"):
        return os.environ["LLM_MODEL"]
    llmrc = ROOT / ".llmrc"
    if llmrc.exists():
        line = llmrc.read_text(encoding="utf-8").strip()
        if not line or "\n" in line:
            raise UserError(f"{llmrc} should hold one line, the name of the teacher's model")
        return line
    return configured
