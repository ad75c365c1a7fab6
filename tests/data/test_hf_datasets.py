from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

from hubscout.data import hf_datasets
from hubscout.data.columns import ColumnRequest
from hubscout.data.hf_datasets import hub_target, is_saved_dataset, saved_target
from hubscout.data.hf_images import DatasetImages
from hubscout.data.sampling import draw_probe
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, MissingExtraError, UnsafeFileError, UsageError

TEXTS = {"text": ["a", "b", "c", "d"], "label": [0, 1, 1, -1]}
TEXT_FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos", "odd"])})

NOT_THERE = (
    "the data set 'org/name' is not in the cache of the datasets library and the hub cannot be reached; "
    "connect once to fetch it, or give a folder that save_to_disk wrote"
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    datasets.disable_progress_bars()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def make(data: Dataset | DatasetDict) -> Path:
        data.save_to_disk(str(tmp_path / "saved"))
        return tmp_path / "saved"

    return make


def read(path: Path, **options: object) -> Target:
    return saved_target(path, name="saved", **options)


class TestSavedTexts:
    def test_reads(self, save: Callable[..., Path]) -> None:
        path = save(Dataset.from_dict(TEXTS, features=TEXT_FEATURES))
        assert is_saved_dataset(path)
        target = read(path)
        assert (target.task.kind, target.task.modality, target.split) == ("classification", "text", "all")
        assert target.task.label_names == ("neg", "pos", "odd")
        assert ([target.samples[i] for i in range(3)], target.labels.tolist()) == (["a", "b", "c"], [0, 1, 1])
        assert target.problems == (RowProblem("row 4", "label is missing"),)
        assert target.notes == ("columns guessed: text 'text', label 'label'",)

    def test_an_index_of_rows_is_honoured(self, save: Callable[..., Path]) -> None:
        data = Dataset.from_dict(TEXTS, features=TEXT_FEATURES).select([2, 0, 1])
        assert read(save(data)).labels.tolist() == [1, 0, 1]

    def test_regression_and_faults(self, save: Callable[..., Path]) -> None:
        data = Dataset.from_dict({"sentence": ["a", "", "c", None], "score": [0.5, 1.5, 2.5, 3]})
        target = read(save(data))
        assert (target.task.kind, target.labels.tolist()) == ("regression", [0.5, 2.5])
        assert target.problems == (RowProblem("row 2", "text is empty"), RowProblem("row 4", "text is missing"))

    def test_splits(self, save: Callable[..., Path]) -> None:
        part = Dataset.from_dict(TEXTS, features=TEXT_FEATURES)
        path = save(DatasetDict({"train": part, "validation": part.select(range(3)), "test": part}))
        assert is_saved_dataset(path)
        assert read(path).split == "train"
        assert read(path, split="val").split == "val"
        assert TEST_NOTE in read(path, split="test").notes
        with pytest.raises(UsageError) as caught:
            read(path, split="extra")
        assert str(caught.value) == (
            "the data set 'saved' has no split 'extra'; name one of its splits ('test', 'train', "
            "'validation') with split (--split)"
        )

    def test_two_splits_of_one_meaning(self, save: Callable[..., Path]) -> None:
        part = Dataset.from_dict(TEXTS, features=TEXT_FEATURES)
        path = save(DatasetDict({"dev": part, "val": part}))
        with pytest.raises(UsageError) as caught:
            read(path, split="validation")
        assert str(caught.value) == (
            "split (--split) 'validation' must name one split of the data set 'saved', got ('dev', 'val'); "
            "name one of them exactly"
        )
        assert read(path, split="dev").split == "dev"

    def test_labels_that_are_lists(self, save: Callable[..., Path]) -> None:
        features = Features({"text": Value("string"), "label": List(ClassLabel(names=["a", "b"]))})
        rows = {"text": ["t", "u", "v", "w"], "label": [[0], [1, 0], [], None]}
        target = read(save(Dataset.from_dict(rows, features=features)))
        assert (target.task.kind, target.task.label_names) == ("multilabel", ("a", "b"))
        assert target.labels.tolist() == [[1, 0], [1, 1], [0, 0]]
        assert target.problems == (RowProblem("row 4", "label is missing"),)


class TestSavedImages:
    @pytest.fixture
    def path(self, save: Callable[..., Path], picture: Callable[..., bytes]) -> Path:
        images = [{"bytes": picture(i), "path": None} for i in range(6)]
        images[2] = {"bytes": b"", "path": None}
        images[4] = None
        features = Features({"photo": Image(), "kind": ClassLabel(names=["x", "y"])})
        return save(Dataset.from_dict({"photo": images, "kind": [0, 1] * 3}, features=features))

    def test_decodes_on_demand(self, path: Path) -> None:
        target = read(path)
        assert (target.task.modality, target.notes) == ("image", ("columns guessed: image 'photo', label 'kind'",))
        assert (target.samples[0].mode, target.samples[0].size) == ("RGB", (12, 10))

    def test_bad_images_are_problems_of_their_rows(self, path: Path) -> None:
        probe = draw_probe(read(path), max_bad=0.5)
        assert probe.problems == (
            RowProblem("row 3", "image is empty (0 bytes)"),
            RowProblem("row 5", "image is missing"),
        )
        assert probe.rows.tolist() == [0, 1, 3, 5]
        with pytest.raises(DataError) as caught:
            read(path).samples[4]
        assert str(caught.value) == "sample 'row 5' cannot be used: image is missing"

    def test_travels_to_another_process(self, path: Path) -> None:
        target = read(path)
        samples = target.samples.subset(np.array([5, 0]))
        copy = pickle.loads(pickle.dumps(samples))
        assert copy.name(0) == "row 6"
        assert copy.content(1) == target.samples.content(0)

    def test_images_that_are_paths_as_in_the_cache_of_the_hub(self, folder: Callable[..., Path]) -> None:
        root = folder("blobs/1", "b.png")
        (root / "link.png").symlink_to("blobs/1")
        names = [str(root / name) for name in ("link.png", "b.png", "gone.png")]
        data = Dataset.from_dict({"image": names}, features=Features({"image": Image(decode=False)}))
        samples = DatasetImages(data, "image", (1, 2, 3))
        assert samples.content(0) == (root / "blobs/1").read_bytes()
        assert samples[1].size == (12, 10)
        with pytest.raises(DataError) as caught:
            samples.content(2)
        assert str(caught.value) == "sample 'row 3' cannot be used: file does not exist"

    def test_a_column_of_strings_is_no_image(self, save: Callable[..., Path]) -> None:
        path = save(Dataset.from_dict(TEXTS, features=TEXT_FEATURES))
        with pytest.raises(DataError) as caught:
            read(path, request=ColumnRequest(image="text"))
        assert str(caught.value) == (
            "the column 'text' of the data set 'saved' must have the type datasets.Image, got "
            "Value('string'); use cast_column before saving"
        )


class TestDamage:
    def test_a_broken_description(self, save: Callable[..., Path]) -> None:
        path = save(Dataset.from_dict(TEXTS, features=TEXT_FEATURES))
        (path / "state.json").write_text("{")
        with pytest.raises(
            DataError, match=r"^the data set 'saved' must be one that the datasets library can read, got"
        ):
            read(path)

    def test_without_the_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingExtraError) as caught:
            read(tmp_path)
        assert str(caught.value) == (
            "reading a Hugging Face data set needs datasets; install it with pip install 'hubscout[data]'"
        )


class TestHub:
    @pytest.fixture
    def builder(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
        """Stand in for the hub, with a builder of the given module, and record what is asked of it."""

        def install(module: str) -> list[tuple[Any, ...]]:
            asked: list[tuple[Any, ...]] = []

            class Builder:
                def download_and_prepare(self) -> None:
                    asked.append(("prepare",))

                def as_dataset(self) -> DatasetDict:
                    return DatasetDict({"train": Dataset.from_dict(TEXTS, features=TEXT_FEATURES)})

            Builder.__module__ = module

            def load(path: str, name: str | None = None, revision: str | None = None) -> Builder:
                asked.append((path, name, revision))
                return Builder()

            monkeypatch.setattr(datasets, "load_dataset_builder", load)
            return asked

        return install

    @pytest.mark.parametrize("reader", ["parquet.parquet", "cache.cache", "imagefolder.imagefolder"])
    def test_reads(self, builder: Callable[..., list[tuple[Any, ...]]], reader: str) -> None:
        asked = builder(f"datasets.packaged_modules.{reader}")
        target = hub_target("org/name@abc123?config=small")
        assert asked == [("org/name", "small", "abc123"), ("prepare",)]
        assert (target.task.name, target.split, target.labels.tolist()) == ("org/name", "train", [0, 1, 1])

    @pytest.mark.parametrize(
        "reader",
        [
            "datasets.packaged_modules.pandas.pandas",
            "datasets.packaged_modules.webdataset.webdataset",
            "datasets_modules.datasets.org--name.abc.name",
            "datasets.packaged_modules",
            "parquet",
        ],
    )
    def test_other_readers_never_run(self, builder: Callable[..., list[tuple[Any, ...]]], reader: str) -> None:
        asked = builder(reader)
        with pytest.raises(UnsafeFileError) as caught:
            hub_target("org/name")
        assert str(caught.value) == (
            f"the data set 'org/name' needs the reader {reader!r}, which is none of arrow, cache, csv, "
            "imagefolder, json, parquet, text, and was refused; save it as Parquet and give that file"
        )
        assert asked == [("org/name", None, None)]
        assert caught.value.exit_code == 6

    @pytest.mark.parametrize(
        "address",
        ["csv", "pandas", "imagefolder", "", "a/b/c", "../b", "a/..", "org/name?data_files=x", "org/na me", "/etc"],
    )
    def test_only_names_of_the_hub(self, address: str) -> None:
        with pytest.raises(UsageError) as caught:
            hub_target(address)
        assert str(caught.value) == (
            f"a data set of the hub must be written hf:org/name@revision?config=name, got {'hf:' + address!r}"
        )

    def test_a_folder_of_the_same_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "org/name").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError) as caught:
            hub_target("org/name")
        assert str(caught.value) == (
            "'hf:org/name' must name a data set of the hub, but a folder 'org/name' lies here too; "
            "give './org/name' or move it"
        )

    @pytest.mark.parametrize("error", [ConnectionError("Couldn't reach it"), FileNotFoundError("no such data set")])
    def test_neither_cached_nor_reachable(self, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
        def load(*args: object, **options: object) -> None:
            raise error

        monkeypatch.setattr(hf_datasets, "hub_is_reachable", lambda: False)
        monkeypatch.setattr(datasets, "load_dataset_builder", load)
        with pytest.raises(DataError) as caught:
            hub_target("org/name")
        assert str(caught.value) == NOT_THERE

    def test_offline_and_not_in_the_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        with pytest.raises(DataError) as caught:
            hub_target("org/name")
        assert str(caught.value) == NOT_THERE
