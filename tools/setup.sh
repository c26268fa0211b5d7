# shellcheck shell=bash
# Sourced by the runners: finds or makes uv and the Python environment; prints nothing when nothing was to do.
# Sets $python, the environment's interpreter. Needs a POSIX shell's basics and some Python 3 to bootstrap uv from.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit
stamp=".venv/.synced"
turn=".setup.turn"

find_uv() {
  # A uv behind a version manager's shim can be on the PATH and still not run: try it.
  local candidate
  for candidate in uv "$root/.uv/bin/uv" "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv"; do
    if "$candidate" --version >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
}

make_uv() {
  local candidate
  for candidate in python3.12 python3.13 python3 python; do
    if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "set-up: uv is not here, making one in .uv/ (on your PATH $root/.uv/bin gives you \`uv run\`)" >&2
      "$candidate" -m venv .uv >&2 && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
      echo "$root/.uv/bin/uv"
      return
    fi
  done
  echo "error: neither uv nor a Python 3 with venv is here; install one of them (uv: see its installation page)" >&2
  return 2
}

is_old() {
  [ ! -x .venv/bin/python ] || [ ! -e "$stamp" ] || [ uv.lock -nt "$stamp" ] || [ pyproject.toml -nt "$stamp" ]
}

take_turn() {
  # One set-up at a time: a link to the number of the process whose turn it is, unless that one is gone.
  local holder said='' lost=0
  until ln -s $$ "$turn" 2>/dev/null; do
    if ! holder=$(readlink "$turn"); then
      lost=$((lost + 1))
      [ "$lost" -lt 10 ] || { echo "error: cannot write $root/$turn; make room, or the folder writable" >&2 && exit 2; }
    elif ! kill -0 "$holder" 2>/dev/null; then
      rm -f "$turn"
    else
      [ -n "$said" ] || echo "set-up: waiting for that of process $holder (if it is another program, delete $turn)" >&2
      said=yes
      sleep 1
    fi
  done
}

if is_old; then
  take_turn
  if is_old; then
    uv=$(find_uv)
    [ -n "$uv" ] || uv=$(make_uv)
    echo "set-up: syncing .venv with uv.lock" >&2
    # A proxy's certificate may be known to the machine only, not to uv's own list.
    "$uv" sync --frozen --quiet || UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 "$uv" sync --frozen --quiet || {
      echo "error: the environment could not be made, see above; it needs a package index that answers, and Python" \
        "3.12 on the PATH or a network from which uv can fetch one" >&2
      exit 2
    }
    touch "$stamp"
  fi
  rm -f "$turn"
fi
# shellcheck disable=SC2034  # for the runner that sources this
python="$root/.venv/bin/python"
