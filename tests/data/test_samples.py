from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hubscout.data import samples as samples_module
from hubscout.data.samples import CheckedSamples, ImageFiles, RowNumbers, Texts, read_below, text_problem
from hubscout.errors import DataError


class TestImageFiles:
    @pytest.fixture
    def images(self, folder: Callable[..., Path]) -> ImageFiles:
        return ImageFiles(folder("a.png", "b.png", "c.png"), ("a.png", "b.png", "c.png"))

    def test_decodes_on_demand(self, images: ImageFiles) -> None:
        assert len(images) == 3
        assert images[1].mode == "RGB"
        assert images[1].size == (12, 10)

    def test_content_is_the_file(self, images: ImageFiles) -> None:
        assert images.content(2) == (images.root / "c.png").read_bytes()
        assert images.check(2) == images.content(2)

    def test_subset_keeps_the_given_order(self, images: ImageFiles) -> None:
        assert images.subset(np.array([2, 0])).paths == ("c.png", "a.png")
        assert images.subset(np.array([2, 0])).name(0) == "c.png"

    def test_pickles(self, images: ImageFiles) -> None:
        assert pickle.loads(pickle.dumps(images)) == images

    def test_a_corrupt_image_is_named(self, images: ImageFiles) -> None:
        (images.root / "b.png").write_bytes(b"")
        with pytest.raises(DataError) as caught:
            images[1]
        assert str(caught.value) == "sample 'b.png' cannot be used: image is empty (0 bytes)"

    def test_an_image_that_vanished_is_named(self, images: ImageFiles) -> None:
        (images.root / "b.png").unlink()
        for read in (images.__getitem__, images.content):
            with pytest.raises(DataError) as caught:
                read(1)
            assert str(caught.value) == "sample 'b.png' cannot be used: file does not exist"

    def test_is_checked(self, images: ImageFiles) -> None:
        assert isinstance(images, CheckedSamples)


class TestTexts:
    def test_texts(self) -> None:
        texts = Texts(("eins", "zwei", "drü"), (1, 2, 5))
        assert (len(texts), texts[1], texts.content(2), texts.name(2)) == (3, "zwei", "drü".encode(), "row 5")
        assert texts.subset(np.array([2, 0])) == Texts(("drü", "eins"), (5, 1))
        assert pickle.loads(pickle.dumps(texts)) == texts


class TestRowNumbers:
    def test_sample_is_the_position_in_the_users_arrays(self) -> None:
        rows = RowNumbers((0, 2, 3)).subset(np.array([1, 2]))
        assert [rows[i] for i in range(2)] == [2, 3]
        assert rows.name(0) == "row 3"
        assert rows.content(0) != rows.content(1)
        assert pickle.loads(pickle.dumps(rows)) == rows


class TestReadBelow:
    def reason(self, root: Path, relative: str) -> str:
        with pytest.raises(DataError) as caught:
            read_below(root, relative)
        return str(caught.value)

    def test_reads(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in/x").write_bytes(b"here")
        assert read_below(tmp_path, "in/x") == b"here"
        assert read_below(tmp_path, "in/../in/x") == b"here"

    def test_follows_links_that_stay_inside(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"here")
        (tmp_path / "link").symlink_to("x")
        assert read_below(tmp_path, "link") == b"here"

    def test_refuses_what_leaves_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        root = tmp_path / "root"
        root.mkdir()
        (root / "link").symlink_to(tmp_path / "secret")
        assert self.reason(root, "../secret") == "path leads out of the folder"
        assert self.reason(root, "link") == "path leads out of the folder"
        assert self.reason(root, str(tmp_path / "secret")) == "file does not exist"

    def test_refuses_a_sibling_whose_name_begins_alike(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "root2").mkdir()
        (tmp_path / "root2/x").write_bytes(b"secret")
        assert self.reason(tmp_path / "root", "../root2/x") == "path leads out of the folder"

    def test_refuses_what_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "round").symlink_to("round")
        assert self.reason(tmp_path, "sub") == "not a regular file"
        assert self.reason(tmp_path, "pipe") == "not a regular file"
        assert self.reason(tmp_path, "round") == "file cannot be read (Too many levels of symbolic links)"
        assert self.reason(tmp_path, "x" * 5000) == "file cannot be read (File name too long)"
        assert self.reason(tmp_path, "nul\0") == "path is not valid"

    def test_refuses_a_file_without_bounds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(samples_module, "MAX_FILE_BYTES", 2 * 1024**2)
        with (tmp_path / "big").open("wb") as file:
            file.truncate(2 * 1024**2 + 1)
        assert self.reason(tmp_path, "big") == "file is larger than 2 MB"

    def test_says_what_the_system_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(samples_module.os, "open", refuse)
        assert self.reason(tmp_path, "x") == "file cannot be read (Permission denied)"


class TestTextProblem:
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (None, "text is missing"),
            (float("nan"), "text is missing"),
            ("", "text is empty"),
            (" \t\n\u00a0", "text is empty"),
            ("a\0b", "text holds a NUL character"),
            ("\ud800", "text holds half of a surrogate pair"),
            (["a"], "text is of type list, not a string"),
        ],
    )
    def test_faults(self, value: object, reason: str) -> None:
        assert text_problem(value) == reason

    @pytest.mark.parametrize("value", ["a", "x" * 1_000_000, "ünï\n<script>", "\U0001f600"])
    def test_good_texts(self, value: str) -> None:
        assert text_problem(value) is None
