"""Nothing heavy is loaded before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch", "timm", "transformers", "sentence_transformers", "datasets", "pandas", "pyarrow", "onnxruntime", "sklearn",
}  # fmt: skip

IMPORT = "import hubscout"
COMMAND = """
import contextlib, io
from hubscout.cli.app import run
with contextlib.redirect_stdout(io.StringIO()):
    run({words!r})
"""


def loaded(code):
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        IMPORT,
        COMMAND.format(words=["--help"]),
        COMMAND.format(words=["--version"]),
        COMMAND.format(words=["rank", "--help"]),
        COMMAND.format(words=["scores"]),
        "import hubscout.report, hubscout.evaluation",
        "import hubscout.ranking.engines.worker, hubscout.data, hubscout.models, hubscout.features",
    ],
)
def test_heavy_libraries_stay_unloaded(code):
    assert loaded(code) & HEAVY == set()


def test_plain_import_does_not_even_load_numpy():
    assert not loaded(IMPORT) & {"numpy", "scipy", "typer", "rich"}


def test_ranking_bundled_models_needs_no_torch(tmp_path):
    code = (
        "import hubscout\n"
        f"hubscout.rank('bundled:digits', 'bundled:random', probe_size=50, store={str(tmp_path)!r}, engine='inline')"
    )
    assert loaded(code) & {"torch", "timm", "transformers"} == set()
