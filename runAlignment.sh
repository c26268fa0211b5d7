#!/usr/bin/env bash
# Preference pairs, then DPO (or --method rft). Both scripts take the same flags.
#   ./runAlignment.sh --config config/defaults.json --adapter CKPT --teacher-model ID
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
"$python" scripts/build_alignment_pairs.py "$@"
exec "$python" scripts/train_alignment.py "$@"
