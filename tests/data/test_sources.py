from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hubscout.data import digits_target, draw_probe, load_target
from hubscout.errors import UsageError

CSV = "text,label\nfine,pos\nbad,neg\nok,pos\n"


def refusal(source: object, **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        load_target(source, **options)
    return str(caught.value)


class TestForms:
    def test_a_folder_of_images(self, folder: Callable[..., Path]) -> None:
        target = load_target(folder("cat/1.png", "cat/2.png", "dog/1.png"))
        assert (target.task.name, target.task.modality) == ("pets", "image")

    def test_the_folder_one_stands_in_has_a_name(
        self, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder("cat/1.png", "cat/2.png", "dog/1.png"))
        assert load_target(".").task.name == "pets"

    @pytest.mark.parametrize("suffix", ["csv", "CSV", "tsv"])
    def test_a_table(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"reviews.{suffix}").write_text(CSV.replace(",", "\t") if suffix == "tsv" else CSV)
        target = load_target(str(tmp_path / f"reviews.{suffix}"))
        assert (target.task.name, target.task.modality) == ("reviews", "text")

    def test_arrays(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", labels=[0, 1, 0])
        assert load_target(tmp_path / "x.npz").task.modality == "features"

    def test_a_saved_data_set(self, tmp_path: Path) -> None:
        import datasets

        datasets.disable_progress_bars()
        datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": ["x", "y", "x"]}).save_to_disk(
            str(tmp_path / "d")
        )
        assert load_target(tmp_path / "d").task.name == "d"

    def test_the_digits(self) -> None:
        target = load_target("bundled:digits")
        assert target.task == digits_target().task
        assert np.array_equal(target.labels, digits_target().labels)
        assert len(load_target("bundled:digits", split="test").labels) > 0

    def test_a_target_is_itself(self) -> None:
        target = digits_target()
        assert load_target(target) is target

    def test_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "x.csv").write_text(CSV)
        assert load_target("~/x.csv").task.name == "x"


class TestOptions:
    def test_reach_the_reader(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("a,b,c,split\nt,1,7,dev\nu,2,8,dev\nv,3,8,dev\nw,4,9,train\n")
        target = load_target(
            tmp_path / "x.csv", kind="regression", text_column="a", label_column="b", split="dev", name="mine"
        )
        assert (target.task.name, target.task.kind, target.labels.tolist()) == ("mine", "regression", [1, 2, 3])
        assert target.split == "dev"

    def test_image_column(self, folder: Callable[..., Path]) -> None:
        root = folder("a.png", "b.png", "c.png")
        (root / "x.csv").write_text("one,two,label\na.png,b.png,0\nb.png,c.png,1\nc.png,a.png,1\n")
        assert load_target(root / "x.csv", image_column="two").samples.name(0) == "b.png"

    @pytest.mark.parametrize("column", ["text_column", "image_column", "label_column"])
    def test_columns_without_a_table(self, tmp_path: Path, column: str) -> None:
        np.savez(tmp_path / "x.npz", labels=[0, 1, 0])
        expected = "options that name columns (--label-column and others) need a table, got {!r}; leave them out"
        source = str(tmp_path / "x.npz")
        assert refusal(source, **{column: "a"}) == expected.format(source)
        assert refusal("bundled:digits", **{column: "a"}) == expected.format("bundled:digits")

    def test_the_digits_are_classes(self) -> None:
        assert refusal("bundled:digits", kind="regression") == (
            "kind (--task) must be 'classification' for 'bundled:digits', got 'regression'"
        )


class TestErrors:
    @pytest.mark.parametrize("source", ["no/such.csv", "org/name", "", "nul\0", "x" * 5000, "~nobody-here/x", "hf"])
    def test_absent(self, source: str) -> None:
        assert refusal(source) == (
            f"target must be an existing file or folder, got {source!r}; check the path, or write "
            "hf:org/name for a data set of the hub"
        )

    def test_another_form(self, tmp_path: Path) -> None:
        (tmp_path / "x.pkl").write_bytes(b"")
        assert refusal(tmp_path / "x.pkl") == (
            "target must be a folder of images, a table (.csv, .tsv, .jsonl, .ndjson, .parquet), an .npz "
            "file, boxes in the form of COCO, Pascal VOC or YOLO, images and masks, a CoNLL file, a folder saved by "
            "datasets, hf:org/name, or bundled:digits, got "
            f"{str(tmp_path / 'x.pkl')!r}"
        )

    def test_the_hub_takes_names_alone(self) -> None:
        assert "must be written hf:org/name@revision?config=name, got 'hf:csv'" in refusal("hf:csv")


def test_heavy_libraries_stay_unloaded(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(CSV)
    code = (
        f"import sys, hubscout.data as d; d.draw_probe(d.load_target({str(tmp_path / 'x.csv')!r})); "
        "print({'torch', 'pandas', 'pyarrow', 'datasets', 'timm', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_folder_of_images_to_its_probe(folder: Callable[..., Path]) -> None:
    root = folder(*(f"train/{name}/{i}.png" for name in ("cat", "dog") for i in range(20)), "test/cat/1.png")
    (root / "train/cat/3.png").write_bytes(b"oops")
    probe = draw_probe(load_target(root), size=30, seed=1, max_bad=0.2)
    assert len(probe) in (29, 30)
    assert probe.split == "train"
    assert all(probe.samples[i].mode == "RGB" for i in range(len(probe)))
