"""Where things lie in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG_DIR = ROOT / "config"
EMBEDDED_BASE = ROOT / "assets" / "embedded_base"
