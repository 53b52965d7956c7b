#!/usr/bin/env bash
# Builds the wheel, installs it into a virtual environment that has maturin, and runs the package's tests there.
# ECF8_REQUIRE_TORCH=1 makes tests fail which lack torch or another framework; without it they are skipped, and say so.
# ECF8_PROFILE names another profile of cargo than release, for less waiting, ECF8_SIMCUDA a simulated GPU that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${1:?give the virtual environment to install the wheel into}"
python="$(cd "$venv/bin" && pwd)/python"
wheels=target/wheels

rm -f "$wheels"/ecf8-*.whl
"$python" -m maturin build --quiet --locked --profile "${ECF8_PROFILE:-release}" -m ecf8-python/Cargo.toml \
    --interpreter "$python" --out "$wheels"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/ecf8-*.whl
# A GPU that is none, for the tests of what decodes on one.
if [ -z "${ECF8_SIMCUDA:-}" ]; then
    cargo build --quiet --locked --profile "${ECF8_PROFILE:-release}" -p ecf8-simcuda
    folder="${ECF8_PROFILE:-release}"
    ECF8_SIMCUDA="$PWD/target/${folder/dev/debug}/libecf8_simcuda.so"
fi
export ECF8_SIMCUDA
cd ecf8-python
"$python" -m pytest -q -rs -p no:cacheprovider "${@:2}"
