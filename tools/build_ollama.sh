#!/usr/bin/env bash
# Build the Ollama server that the tests marked "ollama" run against, from the Go module proxy.
#
# Out: $OLLAMA_TEST_BINARY, else ${XDG_CACHE_HOME:-~/.cache}/dataset-generator/ollama-<version>[-avx2]/ollama
# Needs: go 1.24 or newer, a C++ compiler, Debian's nlohmann-json3-dev and libstb-dev. Four to eight minutes on 2 cores.
# Does nothing, and prints the path, where the binary is already there. With --where it only prints the path.
set -euo pipefail

version="0.20.0"
malgo_version="0.11.24"
# Go's own flags give the matrix products no vector instructions: with them a call takes a fifth of the time.
vectors=""
if grep -qw avx2 /proc/cpuinfo 2>/dev/null && grep -qw fma /proc/cpuinfo && grep -qw f16c /proc/cpuinfo; then
  vectors="-mavx2 -mfma -mf16c"
fi
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-generator"
target="${OLLAMA_TEST_BINARY:-$cache/ollama-$version${vectors:+-avx2}/ollama}"

if [ "${1:-}" = --where ] || [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
command -v go >/dev/null || { echo "build_ollama.sh: go is not on the PATH; install Go 1.24 or newer." >&2; exit 2; }
for header in nlohmann/json.hpp stb/stb_image.h; do
  [ -e "/usr/include/$header" ] || {
    echo "build_ollama.sh: /usr/include/$header is missing; apt-get install nlohmann-json3-dev libstb-dev" >&2
    exit 2
  }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-buildvcs=false -modcacherw"
(cd "$work" && go mod download "github.com/gen2brain/malgo@v$malgo_version")
# Module archives leave out vendor/ folders, and with them miniaudio.h; malgo carries the same file.
mkdir -p "$work/include"
ln -s "$(go env GOMODCACHE)/github.com/gen2brain/malgo@v$malgo_version" "$work/include/miniaudio"
CGO_CFLAGS="-O2 $vectors" CGO_CXXFLAGS="-O2 $vectors" \
  CGO_CPPFLAGS="-I$work/include -I/usr/include/stb" GOBIN="$work/bin" \
  go install "github.com/ollama/ollama@v$version" >&2

mkdir -p "$(dirname "$target")"
mv "$work/bin/ollama" "$target.part"
mv "$target.part" "$target"
echo "$target"
