"""The report: what was made, what was learned, what it cost, and answers side by side.

In   every artifact of the run and the meta files beside them
Out  outputs/reports/<run>/report.md, report.html (one file), plots/*.png
     outputs/reports/<run>/summary.json   models (base, sft, dpo, ... as in their evaluation_summary.json), dataset,
                                          training, alignment, result, cost (seconds and peak memory of each stage)

    uv run python scripts/report_training.py
    uv run python scripts/report_training.py --config config/offline.json
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import textwrap
from pathlib import Path
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, locked, read_jsonl, write_json
from pipeline.config import parse_options, read_json_object
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.schemas.json_text import minify
from pipeline.statistics import paired_difference
from pipeline.tables import percent

VERSION = 7
SIGNIFICANT = 0.05
"""The p of a sign-flip test below which a difference is called one, as with an interval of 95 % that excludes zero."""
USE_VERDICTS = ("semantic_pass", "wrong_but_valid")
ORDER = ("base", "sft", "dpo")
SPLITS = {
    "test_seen": "seen schemas, new requests",
    "test": "unseen schemas and domains",
    "new_words": "unseen schemas of made-up words",
    "gold": "gold (written by hand)",
    "own": "your own requests, held out",
    "validation": "validation",
}


def load_models(layout: Layout) -> dict[str, dict[str, Any]]:
    """Evaluation summaries by model, base first, each with the `label` that tables show."""
    found = {p.parent.name: read_json_object(p) for p in layout.student.glob("eval/*/evaluation_summary.json")}
    if not found:
        raise UserError(f"{layout.student / 'eval'} has no evaluation; ./runEvals.sh makes one")
    method = meta_counts(layout.dpo_adapter).get("method", "dpo").upper()
    labels = {"sft": "SFT", "dpo": f"SFT+{method}"}
    return {
        name: found[name] | {"label": labels.get(name, name)}
        for name in sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else 9, n))
    }


def load_cost(layout: Layout) -> dict[str, dict[str, Any]]:
    """Stage -> seconds and peak memory, from the meta files."""
    cost = {}
    for path in sorted(layout.root.glob("*.meta.json")) + sorted(layout.student.rglob("*.meta.json")):
        meta = json.loads(path.read_text(encoding="utf-8"))
        cost[meta["facts"]["stage"]] = {key: meta[key] for key in ("seconds", "peak_memory_mib")}
    return cost


def meta_counts(path: Path) -> dict[str, Any]:
    """The counts that a stage recorded beside its artifact; empty where it has not run."""
    meta = path.with_name(path.name + ".meta.json")
    return json.loads(meta.read_text(encoding="utf-8"))["counts"] if meta.exists() else {}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL that may be missing."""
    return list(read_jsonl(path, "its stage")) if path.exists() else []


def comparisons(layout: Layout, models: dict[str, Any]) -> dict[str, Any]:
    """Paired differences of exact match between neighbouring models, by split, free decoding."""
    result: dict[str, Any] = {}
    names = [name for name in ORDER if name in models]
    rows = {
        name: {
            r["row_id"]: r
            for r in read_rows(layout.evaluation(name) / "evaluation_results.jsonl")
            if r["mode"] == "free"
        }
        for name in names
    }
    for first, second in itertools.pairwise(names):
        both = rows[first].keys() & rows[second].keys()
        for split in models[second]["splits"]:
            mine = [k for k in sorted(both) if rows[first][k]["split"] == split]
            result.setdefault(f"{second} minus {first}", {})[split] = paired_difference(
                (rows[first][k]["schema_id"], rows[first][k]["exact_match"], rows[second][k]["exact_match"])
                for k in mine
            )
    return result


def main_table(models: dict[str, Any], splits: list[str]) -> list[list[str]]:
    """Header and lines: a model and mode a line, exact match by split."""
    lines = [["model", "decoding", *(SPLITS.get(split, split) for split in splits)]]
    for summary in models.values():
        modes = next(iter(summary["splits"].values()))
        for mode in modes:
            cells = [
                percent(summary["splits"][s][mode]["exact_match"]) if s in summary["splits"] else "-" for s in splits
            ]
            lines.append([summary["label"], mode, *cells])
    return lines


def metric_table(models: dict[str, Any], split: str) -> list[list[str]]:
    """Header and lines: every metric of a split."""
    metrics = ("parsed", "schema_valid", "exact_match", "semantic_match", "semantic_pass", "wrong_but_valid")
    lines = [["model", "decoding", *metrics]]
    for summary in models.values():
        for mode, values in summary["splits"].get(split, {}).items():
            missing = f", {lacking} verdicts missing" if (lacking := values.get("verdicts_missing")) else ""
            cells = [percent(values[m]) + (missing if m in USE_VERDICTS else "") for m in metrics]
            lines.append([summary["label"], mode, *cells])
    return lines


def slice_table(summary: dict[str, Any], split: str) -> list[list[str]]:
    """Header and lines: exact match of a split's slices, free decoding."""
    lines = [["slice", "rows", "exact match"]]
    for key in ("language", "kind", "conditions", "operator", "dates", "schema_size"):
        for value, figures in summary["slices"][split]["free"][key].items():
            lines.append([f"{key}: {value}", str(figures["rows"]), percent(figures)])
    return lines


def judge_table(models: dict[str, Any], splits: list[str]) -> list[list[str]]:
    """Header and lines: the judge's error on planted answers, and the rates that used its verdicts with their
    correction."""
    lines = [["model", "split", "decoding", "verdicts", "missing", "semantic_pass", "corrected"]]
    for summary in models.values():
        for split in splits:
            for mode, values in summary["splits"].get(split, {}).items():
                given, missing = values.get("verdicts", 0), values.get("verdicts_missing", 0)
                if not given + missing:
                    continue
                better = values.get("semantic_pass_corrected")
                said = "-" if better is None else f"{100 * better:.1f} %"
                cells = [summary["label"], split, mode, str(given), str(missing), percent(values["semantic_pass"])]
                lines.append([*cells, said])
    return lines


def said_judge(judge: dict[str, Any]) -> str:
    """The judge's error in a sentence."""
    parts = [
        f"wrong answers accepted {percent(judge['false_accept'])}, right ones rejected {percent(judge['false_reject'])}"
    ]
    for language, wrong in judge["languages"].items():
        parts.append(
            f"{language}: {percent(wrong['false_accept'])} accepted, {percent(wrong['false_reject'])} rejected"
        )
    if judge["repeat_agreement"] is not None:
        parts.append(f"asked twice, it agreed with itself in {100 * judge['repeat_agreement']:.0f} %")
    return f"The judge, on planted answers of {judge['rows']} programs: " + "; ".join(parts) + "."


def plot_training(layout: Layout, target: Path) -> list[Path]:
    """Curves of SFT and of DPO as PNG files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made = []
    target.mkdir(parents=True, exist_ok=True)
    rows = read_rows(layout.training_metrics)
    if any("loss" in row for row in rows):
        figure, left = plt.subplots(figsize=(7, 3.6))
        for key, label in (("loss", "training loss"), ("eval_loss", "validation loss")):
            points = [(r["step"], r[key]) for r in rows if key in r]
            left.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label) if points else None
        left.set_xlabel("optimiser step")
        left.set_ylabel("cross-entropy (nats a token)")
        left.set_yscale("log")
        points = [(r["step"], r["eval_exact_match"]) for r in rows if "eval_exact_match" in r]
        if points:
            right = left.twinx()
            right.plot(
                *zip(*points, strict=True), marker="s", markersize=4, color="tab:green", label="generated exact match"
            )
            right.set_ylim(0, 1)
            right.set_ylabel("exact match on validation rows")
        figure.legend(loc="upper center", ncols=3, fontsize=8)
        made.append(target / "training.png")
        figure.savefig(made[-1], dpi=130, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
    rows = [r for r in read_rows(layout.alignment_metrics) if "rewards/margins" in r]
    if rows:
        figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
        for axis, key, label in (
            (axes[0], "rewards/margins", "reward margin"),
            (axes[1], "chosen_change", "chosen log-probability, change (nats)"),
        ):
            axis.plot([r["step"] for r in rows], [r[key] for r in rows], marker="o", markersize=3)
            axis.set_xlabel("optimiser step")
            axis.set_title(label, fontsize=9)
        made.append(target / "alignment.png")
        figure.savefig(made[-1], dpi=130, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
    return made


def plot_rates(models: dict[str, Any], splits: list[str], target: Path) -> Path:
    """Exact match with intervals, free decoding."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.6))
    width = 0.8 / max(1, len(models))
    for index, summary in enumerate(models.values()):
        rates = [summary["splits"].get(split, {}).get("free", {}).get("exact_match") for split in splits]
        shown = [(place, value) for place, value in enumerate(rates) if value and value["rate"] is not None]
        end = lambda value, key: value["rate"] if value[key] is None else value[key]
        axis.bar(
            [place + (index - (len(models) - 1) / 2) * width for place, _ in shown],
            [value["rate"] for _, value in shown],
            width * 0.9,
            yerr=[
                [max(0, value["rate"] - end(value, "low")) for _, value in shown],
                [max(0, end(value, "high") - value["rate"]) for _, value in shown],
            ],
            capsize=3,
            label=summary["label"],
        )
    axis.set_xticks(range(len(splits)), [textwrap.fill(SPLITS.get(s, s), 17) for s in splits], fontsize=8)
    axis.set_ylim(0, 1)
    axis.set_ylabel("exact match, 95 % interval")
    figure.legend(loc="upper center", ncols=len(models), fontsize=8)
    path = target / "rates.png"
    figure.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path


def examples(layout: Layout, model: str, count: int = 4) -> list[dict[str, Any]]:
    """Some right and some wrong answers of unseen schemas."""
    rows = [r for r in read_rows(layout.evaluation(model) / "evaluation_results.jsonl") if r["mode"] == "free"]
    rows = [r for r in rows if r["split"] == "test"] or rows
    right, wrong = [r for r in rows if r["semantic_match"]], [r for r in rows if not r["semantic_match"]]
    spread = lambda found: found[:: max(1, len(found) // count)][:count]
    return spread(right) + spread(wrong)


def marked(expected: str, text: str) -> tuple[str, str]:
    """Both texts as HTML with what differs marked."""
    import difflib
    import re

    a, b = (re.findall(r"\w+|\W", part) for part in (expected, text))
    left, right = [], []
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for parts, out in ((a[a0:a1], left), (b[b0:b1], right)):
            said = html.escape("".join(parts))
            out.append(said if kind == "equal" or not said else f"<mark>{said}</mark>")
    return "".join(left), "".join(right)


def markdown_table(lines: list[list[str]]) -> str:
    """A Markdown table from header and lines."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def html_table(lines: list[list[str]]) -> str:
    """An HTML table from header and lines."""
    row = lambda cells, tag: "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"
    return "<table>" + row(lines[0], "th") + "".join(row(line, "td") for line in lines[1:]) + "</table>"


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0;font-size:.9rem}td,th{border:1px solid #ccc;padding:.3rem .6rem;"
    "text-align:left}th{background:#f3f3f3}pre{white-space:pre-wrap;background:#f7f7f7;padding:.5rem;margin:.2rem 0}"
    "mark{background:#ffd6d6}img{max-width:100%}h1,h2{line-height:1.2}"
)


def said_differences(comparisons: dict[str, Any]) -> list[str]:
    """A sentence for each paired difference that has an interval: "better" or "worse" where both tests show it."""
    lines = []
    for name, parts in comparisons.items():
        for split, d in parts.items():
            if d["low"] is None:
                continue
            shown = d["p"] < SIGNIFICANT and d["low"] * d["high"] > 0
            sure = ("better" if d["low"] > 0 else "worse") if shown else "no difference shown"
            p = f"p = {d['p']:.3f}" if d["p"] >= 0.001 else "p < 0.001"
            lines.append(
                f"{name}, {SPLITS.get(split, split)}: {100 * d['difference']:+.1f} points ({100 * d['low']:+.1f} to "
                f"{100 * d['high']:+.1f}), sign-flip {p}: {sure}."
            )
    return lines


def report_sections(layout: Layout, summary: dict[str, Any], plots: list[Path], teacher: str) -> list[tuple[str, Any]]:
    """The report as (kind, value): p (text), h (heading), table, image, example (a result row)."""
    models = summary["models"]
    splits = [s for s in SPLITS if any(s in m["splits"] for m in models.values())]
    best = summary["result"].get("winner") or next((n for n in reversed(ORDER) if n in models), next(iter(models)))
    intro = (
        "Exact match with 95 % intervals that take the rows of one schema as one cluster. Requests and expected answers "
        f"come from the {teacher} teacher"
    )
    if teacher == "embedded":
        intro += (
            ", a built-in grammar: the figures say how well the student learned that grammar's language, not how well it "
            "understands people"
        )
    sections: list[tuple[str, Any]] = [("p", intro + "."), ("table", main_table(models, splits))]
    if summary["result"]:
        sections.append(("p", f"Result: {summary['result']['why']}."))
    if "test" not in splits:
        sections.append(("p", "There are no unseen schemas here: nothing can be said about schemas not trained on."))
    sections += [("p", line) for line in said_differences(summary["comparisons"])]
    sections += [("image", path) for path in plots]
    sections.append(("h", "All metrics"))
    for split in splits:
        sections += [("p", SPLITS.get(split, split)), ("table", metric_table(models, split))]
    if best in models:
        split = "test" if "test" in models[best]["splits"] else next(iter(models[best]["splits"]))
        sections.append(("h", f"Slices of {models[best]['label']} on {SPLITS.get(split, split)}"))
        sections.append(("table", slice_table(models[best], split)))
        failures = models[best]["slices"][split]["free"]["failures"]
        if failures:
            sections.append(("table", [["failure", "rows"], *[[k, str(v)] for k, v in failures.items()]]))
    judged = next((m["judge"] for m in models.values() if m.get("judge")), None)
    if len(verdicts := judge_table(models, splits)) > 1:
        sections += [("h", "The judge"), *([("p", said_judge(judged))] if judged else []), ("table", verdicts)]
    for title, key in (("Data", "dataset"), ("Training", "training"), ("Alignment", "alignment")):
        lines = [[name, _flat(value)] for name, value in summary[key].items() if value not in (None, {})]
        if lines:
            sections += [("h", title), ("table", [["figure", "value"], *lines])]
    cost = [[name, f"{c['seconds']:.0f}", str(c["peak_memory_mib"])] for name, c in summary["cost"].items()]
    sections += [("h", "Cost"), ("table", [["stage", "seconds", "peak memory (MiB)"], *cost])]
    sections.append(("h", "Answers side by side"))
    return sections + [("example", row) for row in examples(layout, best)]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def render_markdown(run: str, sections: list[tuple[str, Any]]) -> str:
    """report.md."""
    lines = [f"# Report of {run}"]
    for kind, value in sections:
        if kind == "p":
            lines.append(value)
        elif kind == "h":
            lines.append(f"## {value}")
        elif kind == "table":
            lines.append(markdown_table(value))
        elif kind == "image":
            lines.append(f"![{value.stem}](plots/{value.name})")
        else:
            lines.append(
                f"- {_verdict(value)}: {value['query']} ({value['current_date']})\n"
                f"  - expected `{minify(value['expected'])}`\n  - answered `{value['text']}`"
            )
    return "\n\n".join(lines) + "\n"


def render_html(run: str, sections: list[tuple[str, Any]]) -> str:
    """report.html, pictures and style inside."""
    title = html.escape(f"Report of {run}")
    parts = [f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>']
    parts.append(f"<h1>{title}</h1>")
    for kind, value in sections:
        if kind == "p":
            parts.append(f"<p>{html.escape(value)}</p>")
        elif kind == "h":
            parts.append(f"<h2>{html.escape(value)}</h2>")
        elif kind == "table":
            parts.append(html_table(value))
        elif kind == "image":
            data = base64.b64encode(value.read_bytes()).decode()
            parts.append(f'<img alt="{value.stem}" src="data:image/png;base64,{data}">')
        else:
            left, right = marked(minify(value["expected"]), value["text"])
            asked = f"<b>{html.escape(_verdict(value))}</b>: {html.escape(value['query'])} ({value['current_date']})"
            parts.append(f"<p>{asked}</p><pre>{left}</pre><pre>{right}</pre>")
    return "\n".join([*parts, "</html>\n"])


def _verdict(row: dict[str, Any]) -> str:
    return "right" if row["semantic_match"] else f"wrong ({row['failure']})"


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "teacher"))
    layout = Layout(options.run)
    with locked(layout.root, "report"):
        models = load_models(layout)
        inputs = [layout.evaluation(name) / "evaluation_results.jsonl" for name in models]
        inputs += [
            p for p in (layout.dataset, layout.training_metrics, layout.alignment_metrics, layout.result) if p.exists()
        ]
        names = ("summary.json", "report.md", "report.html")
        stage = Stage(
            "report", VERSION, layout.root, [layout.report / name for name in names], {"run": options.run.name}, inputs
        )
        splits = [s for s in SPLITS if s != "validation" and any(s in m["splits"] for m in models.values())]
        if options.force or not stage.up_to_date():
            stage.set_aside()
            layout.report.mkdir(parents=True, exist_ok=True)
            summary = {
                "run": options.run.name,
                "models": models,
                "comparisons": comparisons(layout, models),
                "dataset": meta_counts(layout.dataset),
                "training": meta_counts(layout.sft_adapter),
                "alignment": meta_counts(layout.dpo_adapter),
                "result": read_json_object(layout.result) if layout.result.exists() else {},
                "cost": load_cost(layout),
            }
            plots = plot_training(layout, layout.report / "plots")
            plots.append(plot_rates(models, splits, layout.report / "plots"))
            write_json(layout.report / "summary.json", summary)
            sections = report_sections(layout, summary, plots, options.teacher.kind)
            (layout.report / "report.md").write_text(render_markdown(options.run.name, sections), encoding="utf-8")
            (layout.report / "report.html").write_text(render_html(options.run.name, sections), encoding="utf-8")
            stage.finish({"models": list(models)}, f"{len(models)} models compared -> {layout.report / 'report.html'}")
        table = main_table(models, splits)
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        print("\nexact match, 95 % intervals")
        for line in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if layout.result.exists():
            print(read_json_object(layout.result)["why"])
        print(f"report: {layout.report / 'report.html'}")
    return 0


if __name__ == "__main__":
    errors.run(main)
