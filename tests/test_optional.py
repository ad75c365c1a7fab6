from __future__ import annotations

import pytest

from hubscout._optional import check_installed, require
from hubscout.errors import MissingExtraError


class TestRequire:
    def test_returns_the_module(self):
        import json.decoder

        assert require("json.decoder", "none", "tests") is json.decoder

    def test_missing(self):
        with pytest.raises(MissingExtraError) as caught:
            require("no_such.part", "timm", "timm: addresses")
        assert str(caught.value) == (
            "timm: addresses need no_such, which is not installed; run: pip install 'hubscout[timm]'"
        )

    def test_a_part_of_it_is_missing(self, tmp_path, monkeypatch):
        (tmp_path / "half_installed.py").write_text("import its_missing_part")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(MissingExtraError, match="need its_missing_part, which is not installed"):
            require("half_installed", "hf", "hf: addresses")


class TestCheckInstalled:
    def test_there_and_not_imported(self, tmp_path, monkeypatch):
        (tmp_path / "never_imported.py").write_text("raise SystemExit")
        monkeypatch.syspath_prepend(tmp_path)
        check_installed("never_imported", "hf", "hf: addresses")

    def test_missing(self):
        with pytest.raises(MissingExtraError) as caught:
            check_installed("no_such_library", "hf", "hf: addresses")
        assert str(caught.value) == (
            "hf: addresses need no_such_library, which is not installed; run: pip install 'hubscout[hf]'"
        )
