"""Where things lie: in the repository, and under an output root."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
CONFIG_DIR = ROOT / "config"
OPERATORS, AST_TEMPLATE = CONFIG_DIR / "operators.json", CONFIG_DIR / "ast_template.json"
CALENDAR, READING = CONFIG_DIR / "calendar.json", CONFIG_DIR / "reading.json"
LANGUAGE, SCHEMA_LANGUAGE = CONFIG_DIR / "language.json", CONFIG_DIR / "schema_language.json"
REQUEST_STYLES = CONFIG_DIR / "request_styles.json"
WORDS_SCHEMA = CONFIG_DIR / "words.schema.json"
EMBEDDED_BASE = ROOT / "assets" / "embedded_base"
GOLD = ROOT / "tests" / "gold"


def resolve(text: str) -> Path:
    """A path of the config or a flag: as it is where it exists or is absolute, else from the repository's root."""
    path = Path(text)
    return path if path.is_absolute() or path.exists() else ROOT / path


class Layout:
    """The artifacts of one output root and run."""

    def __init__(self, run: SimpleNamespace) -> None:
        root = Path(run.output_root)
        self.root = root if root.is_absolute() else ROOT / root
        self.domain_specs = self.root / "d_01_domain_specs.jsonl"
        self.schemas = self.root / "d_02_final_schemas.jsonl"
        self.dataset = self.root / "d_03_dataset.jsonl"
        self.rejected = self.root / "d_03_rejected.jsonl"
        self.open_schemas = self.root / "d_03_open.jsonl"
        self.corpus = self.root / "d_04_training_corpus.jsonl"
        self.student = self.root / "student_runs" / run.name
        self.sft_adapter = self.student / "checkpoint-final"
        self.training_metrics = self.student / "training_metrics.jsonl"
        self.run_config = self.student / "run_config.json"
        self.result = self.student / "result.json"
        self.alignment = self.student / "alignment"
        self.pairs = self.alignment / "dpo_pairs.jsonl"
        self.dpo_adapter = self.alignment / "checkpoint-final"
        self.alignment_metrics = self.alignment / "alignment_metrics.jsonl"
        self.export = self.student / "export"
        self.report = self.root / "reports" / run.name

    def evaluation(self, model: str) -> Path:
        """Folder of a model's evaluation: base, sft, dpo or ollama-NAME."""
        return self.student / "eval" / model
