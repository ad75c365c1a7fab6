from __future__ import annotations

import pytest

from hubscout.errors import UsageError
from hubscout.models.listing import expand_candidates, list_models, natural_key


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


class TestFiles:
    def test_onnx_and_features_in_natural_order(self, tmp_path):
        _touch(tmp_path, "a-10.onnx", "a-9.onnx", "b.txt", "f.npz", "g.npy", "[x].onnx")
        assert list_models(f"onnx:{tmp_path}/a*") == [f"onnx:{tmp_path}/a-9.onnx", f"onnx:{tmp_path}/a-10.onnx"]
        assert list_models(f"features:{tmp_path}/*") == [f"features:{tmp_path}/{n}" for n in ("f.npz", "g.npy")]
        assert list_models(f"onnx:{tmp_path}/[x]*") == [f"onnx:{tmp_path}/[x].onnx"]

    def test_options_are_kept(self, tmp_path):
        _touch(tmp_path, "a.onnx")
        found = expand_candidates([f"onnx:{tmp_path}/*.onnx?features=x"])
        assert [dict(address.options) for address in found] == [{"features": "x"}]

    def test_torch_steps(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        _touch(tmp_path, "run/step-100.safetensors", "run/step-20.safetensors")
        found = expand_candidates(["torch:nets:build?weights=run/step-*.safetensors&n=3"])
        assert [str(address) for address in found] == [
            f"torch:nets:build?n=3&weights=run/step-{step}.safetensors" for step in (20, 100)
        ]

    def test_folders(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        _touch(tmp_path, "m/a/config.json", "m/b/config.json", "m/b/modules.json", "m/c/x")
        assert list_models("hf:./m/*") == ["hf:./m/a", "hf:./m/b"]
        assert list_models("st:./m/*") == ["st:./m/b"]
        assert list_models("timm:local-dir:m/*") == ["timm:local-dir:./m/a", "timm:local-dir:./m/b"]
        assert list_models(f"hf:{tmp_path}/m/a*") == [f"hf:{tmp_path}/m/a"]


class TestTimm:
    def test_names_with_weights(self):
        import timm

        found = list_models("timm:*mobilenetv4*")
        assert found == [f"timm:{name}" for name in timm.list_pretrained("*mobilenetv4*")]
        assert len(list_models("timm:")) == len(timm.list_pretrained())


class TestExpandCandidates:
    def test_order_and_repetitions(self, tmp_path):
        _touch(tmp_path, "a.onnx", "b.onnx")
        found = expand_candidates(["hf:org/name", f"onnx:{tmp_path}/b.onnx", f"onnx:{tmp_path}/*", "hf:org/name"])
        assert [str(address) for address in found] == [
            "hf:org/name",
            f"onnx:{tmp_path}/b.onnx",
            f"onnx:{tmp_path}/a.onnx",
        ]

    @pytest.mark.parametrize(
        ("patterns", "message"),
        [
            (
                ["onnx:nope/*.onnx"],
                (
                    "pattern 'onnx:nope/*.onnx' matches no candidate; "
                    "check the path, which is relative to the current folder"
                ),
            ),
            (
                ["timm:test_vit.r161*"],
                "pattern 'timm:test_vit.r161*' matches no candidate; did you mean 'timm:test_vit.r160_in1k'?",
            ),
            (
                [],
                "candidates must be a list of at least one address, such as ['bundled:*'], got []",
            ),
            (
                "bundled:*",
                "candidates must be a list of at least one address, such as ['bundled:*'], got 'bundled:*'",
            ),
            (
                ["torch:nets:*"],
                "pattern 'torch:nets:*' can have '*' in weights= only; name the factory in full",
            ),
            (
                ["hf:org/*@main"],
                "pattern 'hf:org/*@main' must not have a revision: it belongs to one model; leave '@…' out",
            ),
        ],
    )
    def test_errors(self, patterns, message):
        if patterns == ["torch:nets:*"]:
            with pytest.raises(UsageError) as caught:
                list_models(patterns[0])
        else:
            with pytest.raises(UsageError) as caught:
                expand_candidates(patterns)
        assert str(caught.value) == message


class TestNaturalKey:
    def test_numbers_count(self):
        assert sorted(["a10", "a9", "a", "b1", "²"], key=natural_key) == ["a", "a9", "a10", "b1", "²"]


class TestCandidatesFile:
    def test_lines_stand_where_the_file_is_named(self, tmp_path):
        path = tmp_path / "candidates.txt"
        path.write_text("\ufeff# the small ones\ntimm:a\n\n  hf:org/name  \n", encoding="utf-8")
        found = expand_candidates(["timm:first", f"@{path}", "timm:last"])
        assert [str(each) for each in found] == ["timm:first", "timm:a", "hf:org/name", "timm:last"]

    def test_a_file_that_is_not_there_is_one_sentence(self):
        with pytest.raises(UsageError) as caught:
            expand_candidates(["@no/such/file.txt"])
        assert str(caught.value) == (
            "candidates file 'no/such/file.txt' cannot be read: No such file or directory; "
            "give a text file of one address a line"
        )

    def test_a_file_without_addresses_is_one_sentence(self, tmp_path):
        path = tmp_path / "empty.txt"
        path.write_text("# nothing yet\n")
        with pytest.raises(UsageError) as caught:
            expand_candidates([f"@{path}"])
        assert str(caught.value) == f"candidates file {str(path)!r} must hold at least one address, got none"
