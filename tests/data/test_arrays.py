from __future__ import annotations

import io
import pickle
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data import arrays
from hubscout.data.arrays import array_target
from hubscout.data.sampling import draw_probe
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, HubscoutError, UnsafeFileError, UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npz"


def read(path: Path, /, **options: object) -> Target:
    return array_target(path, name="x", **options)


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **{key: np.asarray(value) for key, value in arrays.items()})
    return path


def refusal(path: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


class TestImages:
    @pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 1), (4, 6, 5, 3), (4, 6, 5, 4), (4, 3, 6, 5)])
    def test_shapes(self, path: Path, shape: tuple[int, ...]) -> None:
        target = read(save(path, images=pixels(*shape), labels=[0, 1, 0, 1]))
        assert (target.task.modality, target.split, target.labels.tolist()) == ("image", "all", [0, 1, 0, 1])
        assert (target.samples[2].mode, target.samples[2].size) == ("RGB", (5, 6))
        assert target.samples.name(2) == "row 3"

    def test_colours_are_exact(self, path: Path) -> None:
        images = pixels(4, 6, 5, 3)
        target = read(save(path, images=images, labels=[0, 1, 0, 1]))
        assert np.array_equal(np.asarray(target.samples[2]), images[2])

    @pytest.mark.parametrize(
        ("values", "dtype", "expected"),
        [
            ([0, 128, 255], "uint8", [0, 128, 255]),
            ([0, 257, 65535], "uint16", [0, 1, 255]),
            ([0, 0.5, 1], "float32", [0, 128, 255]),
            ([0, 0.5, 1], "float16", [0, 128, 255]),
            ([0, 16, 255], "float64", [0, 16, 255]),
            ([0, 16, 255], "int64", [0, 16, 255]),
            ([False, True, True], "bool", [0, 255, 255]),
        ],
    )
    def test_ranges(self, path: Path, values: list[float], dtype: str, expected: list[int]) -> None:
        images = np.array([values] * 4, dtype=dtype).reshape(4, 1, 3)
        image = read(save(path, images=images, labels=[0, 1, 0, 1])).samples[3]
        assert np.asarray(image)[0, :, 0].tolist() == expected

    def test_a_range_nobody_knows(self, path: Path) -> None:
        assert refusal(save(path, images=np.full((4, 2, 2), -1.0), labels=[0, 1, 0, 1]), DataError) == (
            "images of 'x.npz' must lie within 0..1 or 0..255, got -1..-1; scale them, or save them as uint8"
        )

    def test_pixels_that_are_not_finite(self, path: Path) -> None:
        images = np.zeros((4, 2, 2))
        images[1, 0, 0] = np.nan
        target = read(save(path, images=images, labels=[0, 1, 0, 1]))
        with pytest.raises(DataError) as caught:
            target.samples[1]
        assert str(caught.value) == "sample 'row 2' cannot be used: image holds values that are not finite numbers"
        assert draw_probe(target).problems == (RowProblem("row 2", "image holds values that are not finite numbers"),)

    @pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5, 2), (4, 0, 5), (4, 2, 2, 2, 3)])
    def test_other_shapes(self, path: Path, shape: tuple[int, ...]) -> None:
        assert refusal(save(path, images=pixels(*shape), labels=[0, 1, 0, 1]), DataError) == (
            "images of 'x.npz' must be numbers of shape (n, height, width) or (n, height, width, 1, 3 or 4), "
            f"got uint8 of shape {shape}"
        )

    def test_travels_as_a_path(self, path: Path) -> None:
        target = read(save(path, images=pixels(400, 20, 20), labels=np.arange(400) % 2))
        samples = target.samples.subset(np.array([399, 5]))
        copy = pickle.loads(pickle.dumps(samples))
        assert len(pickle.dumps(samples)) < 1000
        assert np.array_equal(np.asarray(copy[1]), np.asarray(target.samples[5]))
        assert copy.content(0) == target.samples.content(399)

    def test_threads_read_the_file_once(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        samples = read(save(path, images=pixels(40, 8, 8), labels=np.arange(40) % 2)).samples
        copy = pickle.loads(pickle.dumps(samples))
        read_images, n_reads, together = arrays._read_images, [], threading.Barrier(4)

        def slow(*args: object) -> object:
            n_reads.append(1)
            time.sleep(0.05)
            return read_images(*args)

        def first(index: int) -> bytes:
            together.wait()
            return copy.content(index)

        monkeypatch.setattr(arrays, "_read_images", slow)
        with ThreadPoolExecutor(4) as pool:
            contents = list(pool.map(first, range(4)))
        assert contents == [samples.content(index) for index in range(4)]
        assert len(n_reads) == 1

    def test_rows_without_a_label_are_left_out(self, path: Path) -> None:
        images = pixels(4, 2, 2)
        target = read(save(path, images=images, labels=[0.5, np.nan, 1, 2]))
        assert (target.task.kind, target.problems) == ("regression", (RowProblem("row 2", "label is missing"),))
        assert np.array_equal(np.asarray(target.samples[1])[:, :, 0], images[2])


class TestTexts:
    def test_reads(self, path: Path) -> None:
        target = read(save(path, texts=["a", "", "b", "c"], labels=["x", "x", "y", "y"]))
        assert (target.task.modality, [target.samples[i] for i in range(3)]) == ("text", ["a", "b", "c"])
        assert target.labels.tolist() == [0, 1, 1]
        assert target.samples.name(1) == "row 3"
        assert target.problems == (RowProblem("row 2", "text is empty"),)

    def test_bytes(self, path: Path) -> None:
        target = read(save(path, texts=np.array(["fän".encode(), b"b", b"c"]), labels=[0, 1, 1]))
        assert target.samples[0] == "fän"


class TestFeatures:
    @pytest.mark.parametrize("others", [{}, {"features": np.zeros((4, 7))}])
    def test_samples_are_positions_in_the_file(self, path: Path, others: dict[str, np.ndarray]) -> None:
        target = read(save(path, labels=[0.5, np.nan, 1, 2], **others))
        assert (target.task.modality, target.task.kind) == ("features", "regression")
        assert [target.samples[i] for i in range(3)] == [0, 2, 3]
        assert draw_probe(target).rows.tolist() == [0, 1, 2]

    def test_fingerprints_are_of_positions(self, path: Path) -> None:
        one = draw_probe(read(save(path, labels=[0, 1, 0, 1])))
        other = draw_probe(read(save(path, labels=[0, 1, 0, 1, 1])))
        assert one.fingerprint != other.fingerprint


class TestLabels:
    def test_names(self, path: Path) -> None:
        target = read(save(path, labels=[0, 2, 0, -1], label_names=["a", "b", "c"]))
        assert (target.task.label_names, target.labels.tolist()) == (("a", "b", "c"), [0, 2, 0])
        assert target.problems == (RowProblem("row 4", "label is missing"),)

    def test_a_column_of_labels(self, path: Path) -> None:
        assert read(save(path, labels=[[0], [1], [0]])).labels.tolist() == [0, 1, 0]

    def test_another_number_of_labels(self, path: Path) -> None:
        assert refusal(save(path, labels=[0, 1, 0], features=np.zeros((4, 2))), DataError) == (
            "features of 'x.npz' must have one row a label (3), got shape (4, 2)"
        )

    def test_splits(self, path: Path) -> None:
        save(path, labels=[0, 1, 0, 1, 1], split=["train", "train", "train", "test", "test"])
        target = read(path)
        assert (target.split, [target.samples[i] for i in range(3)]) == ("train", [0, 1, 2])
        assert TEST_NOTE in read(save(path, labels=[0, 1, 1, 0], split=["test"] * 4), split="test").notes
        assert refusal(path, UsageError) == (
            "'x.npz' has no split 'train'; name one of its splits ('test') with split (--split)"
        )
        assert refusal(save(path, labels=[0, 1, 0], split=["train"]), DataError) == (
            "split of 'x.npz' must have one entry a label (3), got 1"
        )


class TestErrors:
    def test_keys(self, path: Path) -> None:
        message = "'x.npz' must hold labels and one of images, texts and features, got {}; "
        message += "save it with numpy.savez under these names"
        assert refusal(save(path, X=[1], y=[2]), UsageError) == message.format("['X', 'y']")
        both = save(path, images=[1], texts=["a"], labels=[2])
        assert refusal(both, UsageError) == message.format("['images', 'labels', 'texts']")

    def test_pickled_objects_are_refused(self, path: Path) -> None:
        np.savez(path, labels=np.array([0, "a", None], dtype=object))
        assert refusal(path, UnsafeFileError) == (
            "labels of 'x.npz' holds pickled objects, which could run code, and was refused; "
            "save it as an array of numbers or of strings"
        )

    def test_no_archive(self, path: Path) -> None:
        path.write_bytes(b"hello")
        assert refusal(path, DataError) == (
            "'x.npz' must be an .npz file that can be read, got 'File is not a zip file'; save it again "
            "with numpy.savez"
        )

    def test_a_member_that_is_no_array(self, path: Path) -> None:
        save(path, labels=[0, 1, 0])
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels", b"not an array")
        assert "no array under the name labels" in refusal(path, DataError)

    def test_truncated(self, path: Path) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=pixels(4, 20, 20), labels=np.array([0, 1, 0, 1]))
        content = bytearray(buffer.getvalue())
        content[300:800] = bytes(500)
        path.write_bytes(bytes(content))
        assert refusal(path, DataError).startswith("'x.npz' must be an .npz file that can be read, got ")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
    @given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5), cut=st.integers(0, 3000))
    def test_any_damage_gives_a_target_or_one_sentence(
        self, path: Path, flips: list[tuple[int, int]], cut: int
    ) -> None:
        save(path, images=pixels(4, 3, 3), labels=[0, 1, 0, 1])
        content = bytearray(path.read_bytes())
        for place, value in flips:
            content[place % len(content)] = value
        path.write_bytes(bytes(content[: cut or None] if cut < 300 else content))
        try:
            target = read(path)
        except HubscoutError as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message
        assert message or len(target.samples) == len(target.labels) > 0
