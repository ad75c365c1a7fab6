from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hubscout.data import image_folder as image_folder_module
from hubscout.data.columns import ColumnRequest
from hubscout.data.image_folder import image_folder_target
from hubscout.data.splits import TEST_NOTE
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

Folder = Callable[..., Path]


def read(root: Path, **options: object) -> Target:
    return image_folder_target(root, name=root.name, **options)


def refusal(root: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(root, **options)
    return str(caught.value)


def names(target: Target) -> list[str]:
    return [target.samples.name(i) for i in range(len(target.samples))]


class TestClassFolders:
    def test_reads_in_natural_order(self, folder: Folder) -> None:
        target = read(folder("dog/2.png", "dog/10.png", "cat/a.png", "cat/B.png"))
        assert names(target) == ["cat/a.png", "cat/B.png", "dog/2.png", "dog/10.png"]
        assert target.task.name == "pets"
        assert (target.task.kind, target.task.modality, target.task.label_names) == (
            "classification",
            "image",
            ("cat", "dog"),
        )
        assert (target.labels.tolist(), target.split, target.problems, target.notes) == ([0, 0, 1, 1], "all", (), ())
        assert target.samples[0].size == (12, 10)

    def test_reads_what_lies_deeper_in_a_class(self, folder: Folder) -> None:
        target = read(folder("cat/x/1.png", "cat/2.png", "dog/y/z/3.png", "dog/4.png"))
        assert names(target) == ["cat/2.png", "cat/x/1.png", "dog/4.png", "dog/y/z/3.png"]
        assert target.labels.tolist() == [0, 0, 1, 1]

    @pytest.mark.parametrize(
        "classes", [("1", "10", "2"), ("01", "1", "x"), ("1.0", "1", "2"), ("<script>", "é\n", "ü b")]
    )
    def test_names_of_classes_are_the_names_of_folders(self, folder: Folder, classes: tuple[str, ...]) -> None:
        target = read(folder(*(f"{name}/{i}.png" for name in classes for i in range(2))))
        assert sorted(target.task.label_names) == sorted(classes)
        for i, name in enumerate(names(target)):
            assert target.task.label_names[target.labels[i]] == name.split("/")[0]

    def test_suffixes_in_capitals(self, folder: Folder) -> None:
        assert len(read(folder("cat/1.PNG", "cat/2.JPeG", "dog/1.png")).labels) == 3

    def test_hidden_files_and_litter_are_passed_over(self, folder: Folder) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png", ".git/1.png", "cat/.1.png", "__MACOSX/cat/1.png")
        (root / "cat/Thumbs.db").write_bytes(b"")
        target = read(root)
        assert (len(target.labels), target.problems) == (3, ())

    def test_other_files_are_problems(self, folder: Folder) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png", "stray.png")
        (root / "cat/notes.txt").write_text("x")
        (root / "cat/README").write_text("x")
        (root / "list.xml").write_text("x")
        assert set(read(root).problems) == {
            RowProblem("cat/notes.txt", "not an image file (suffix '.txt')"),
            RowProblem("cat/README", "not an image file (suffix '')"),
            RowProblem("list.xml", "not an image file (suffix '.xml')"),
            RowProblem("stray.png", "image lies outside of the class folders"),
        }

    def test_an_empty_class_is_noted(self, folder: Folder) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png")
        (root / "owl").mkdir()
        target = read(root)
        assert target.notes == ("the class 'owl' holds no images",)
        assert target.task.label_names == ("cat", "dog")

    def test_names_that_are_not_unicode(self, folder: Folder, picture: Callable[..., bytes]) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png")
        (root / "dog" / os.fsdecode(b"\xff.png")).write_bytes(picture())
        target = read(root)
        assert len(target.labels) == 4
        assert target.samples[3].mode == "RGB"


class TestLinks:
    def test_inside_are_followed_for_files_alone(self, folder: Folder) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png")
        (root / "dog/link.png").symlink_to(root / "cat/1.png")
        (root / "dog/round").symlink_to(root / "dog")
        target = read(root)
        assert names(target) == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/link.png"]
        assert target.problems == (RowProblem("dog/round", "symbolic link to a folder is not followed"),)

    def test_outside_are_problems(self, folder: Folder, tmp_path: Path) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png")
        elsewhere = folder("x.png", root="elsewhere")
        (root / "dog/link.png").symlink_to(elsewhere / "x.png")
        (root / "owl").symlink_to(elsewhere)
        (root / "dog/broken.png").symlink_to("nowhere")
        (root / "dog/self.png").symlink_to("self.png")
        target = read(root)
        assert len(target.labels) == 3
        assert set(target.problems) == {
            RowProblem("dog/link.png", "symbolic link leads out of the folder"),
            RowProblem("owl", "symbolic link leads out of the folder"),
            RowProblem("dog/broken.png", "symbolic link leads nowhere"),
            RowProblem("dog/self.png", "symbolic link leads nowhere"),
        }

    def test_the_folder_itself_may_be_a_link(self, folder: Folder, tmp_path: Path) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png")
        (tmp_path / "link").symlink_to(root)
        target = read(tmp_path / "link")
        assert (len(target.labels), target.problems) == (3, ())
        assert target.samples[0].mode == "RGB"


class TestSplits:
    @pytest.fixture
    def root(self, folder: Folder) -> Path:
        return folder(
            *(f"train/{name}/{i}.png" for name in ("cat", "dog") for i in range(3)),
            *(f"Val/{name}/{i}.png" for name in ("cat", "dog") for i in range(2)),
            *(f"test/{name}/{i}.png" for name in ("cat", "dog", "owl") for i in range(1, 3)),
        )

    def test_train_by_default(self, root: Path) -> None:
        target = read(root)
        assert (len(target.labels), target.split) == (6, "train")
        assert target.samples.name(0) == "train/cat/0.png"
        assert target.task.label_names == ("cat", "dog")
        assert target.notes == ("the class 'owl' of split 'test' is not in split 'train'",)

    def test_other_spellings(self, root: Path) -> None:
        assert (len(read(root, split="validation").labels), read(root, split="dev").split) == (4, "dev")

    def test_test_only_when_asked_for_and_noted(self, root: Path) -> None:
        target = read(root, split="test")
        assert (len(target.labels), target.split, target.notes) == (6, "test", (TEST_NOTE,))

    def test_absent(self, root: Path, folder: Folder) -> None:
        assert refusal(folder("val/cat/1.png", "test/cat/1.png", root="r"), UsageError) == (
            "the folder 'r' has no split 'train'; name one of its splits ('test', 'val') with split (--split)"
        )

    def test_none_to_choose_from(self, folder: Folder) -> None:
        assert refusal(folder("cat/1.png", "dog/1.png"), UsageError, split="test") == (
            "the folder 'pets' has no splits, but split='test' was asked for; leave split (--split) out to "
            "use all of it"
        )

    def test_beside_classes(self, folder: Folder) -> None:
        assert refusal(folder("train/cat/1.png", "dog/1.png"), UsageError) == (
            "the folder 'pets' must hold either splits or classes, got the split 'train' beside 'dog'; "
            "move one kind elsewhere, or give the folder of one split"
        )

    def test_a_class_called_train_is_a_class(self, folder: Folder) -> None:
        target = read(folder("train/1.png", "train/2.png", "bus/1.png"))
        assert (target.task.label_names, target.split) == (("bus", "train"), "all")

    def test_splits_without_classes(self, folder: Folder) -> None:
        assert refusal(folder("train/1.png", "train/2.png", "test/1.png"), DataError) == (
            "the folder 'pets' must hold one folder a class, got 2 images outside of class folders; move "
            "each image into a folder named after its class, or add 'metadata.csv' with file_name and label"
        )


class TestMetadata:
    def test_lists_the_images(self, folder: Folder) -> None:
        root = folder("a.png", "sub/b.png", "c.png")
        (root / "metadata.csv").write_text("file_name,label\na.png,x\nsub/b.png,y\nc.png,x\n")
        target = read(root)
        assert (names(target), target.labels.tolist(), target.split) == (
            ["a.png", "sub/b.png", "c.png"],
            [0, 1, 0],
            "all",
        )
        assert target.notes == (
            "columns guessed: image 'file_name', label 'label'",
            "the labels come from 'metadata.csv'",
        )

    def test_gives_regression(self, folder: Folder) -> None:
        root = folder("a.png", "b.png", "c.png")
        (root / "metadata.jsonl").write_text(
            '{"file_name": "a.png", "age": 0.5}\n{"file_name": "b.png", "age": 2}\n{"file_name": "c.png", "age": 3}\n'
        )
        target = read(root)
        assert (target.task.kind, target.task.modality, target.labels.tolist()) == ("regression", "image", [0.5, 2, 3])

    def test_in_the_folders_of_splits(self, folder: Folder) -> None:
        root = folder("train/a.png", "train/b.png", "train/c.png", "test/a.png", "test/b.png", "test/c.png")
        for split in ("train", "test"):
            (root / split / "metadata.csv").write_text("file_name,label\na.png,x\nb.png,y\nc.png,y\n")
        assert (read(root).split, read(root).labels.tolist()) == ("train", [0, 1, 1])
        target = read(root, split="test")
        assert (target.split, target.notes[-1]) == ("test", TEST_NOTE)
        assert target.samples.root == root / "test"

    def test_with_a_column_of_splits(self, folder: Folder) -> None:
        root = folder("train/a.png", "train/b.png", "train/c.png", "test/a.png")
        (root / "metadata.csv").write_text(
            "file_name,label,split\ntrain/a.png,x,train\ntrain/b.png,y,train\ntrain/c.png,y,train\n"
            "test/a.png,x,test\ntrain/c.png,y,test\ntrain/a.png,x,test\n"
        )
        assert len(read(root).labels) == 3
        assert names(read(root, split="test")) == ["test/a.png", "train/c.png", "train/a.png"]

    def test_named_columns(self, folder: Folder) -> None:
        root = folder("a.png", "b.png", "c.png")
        (root / "metadata.csv").write_text("file_name,one,two\na.png,x,1\nb.png,y,2\nc.png,y,2\n")
        assert read(root, request=ColumnRequest(label="two")).task.label_names == ("1", "2")


class TestErrors:
    def test_images_without_classes(self, folder: Folder) -> None:
        assert refusal(folder("a.png", "b.png"), DataError) == (
            "the folder 'pets' must hold one folder a class, got 2 images outside of class folders; move "
            "each image into a folder named after its class, or add 'metadata.csv' with file_name and label"
        )

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        root = tmp_path / "pets"
        root.mkdir()
        assert refusal(root, DataError) == (
            "the folder 'pets' must hold samples that can be used, got none; check that it is the right one"
        )

    def test_no_images(self, tmp_path: Path) -> None:
        root = tmp_path / "pets"
        (root / "cat").mkdir(parents=True)
        (root / "cat/a.txt").write_text("x")
        assert refusal(root, DataError) == (
            "the folder 'pets' must hold samples that can be used, got none; "
            "the first of 1 problems is 'cat/a.txt': not an image file (suffix '.txt')"
        )

    def test_one_class(self, folder: Folder) -> None:
        assert refusal(folder("cat/1.png", "cat/2.png"), DataError) == (
            "the folder 'pets' must hold at least two classes, got only 'cat' for all 2 samples; "
            "add another class or give another label column"
        )

    def test_a_class_for_each_image(self, folder: Folder) -> None:
        assert refusal(folder("a/1.png", "b/1.png", "c/1.png"), DataError).startswith(
            "the labels of the folder 'pets' must repeat, got 3 classes for 3 samples"
        )

    def test_columns_without_a_table(self, folder: Folder) -> None:
        assert refusal(folder("a/1.png", "b/1.png"), UsageError, request=ColumnRequest(label="x")) == (
            "text_column, image_column and label_column need a table, got the folder 'pets' without "
            "'metadata.csv'; leave them out"
        )

    def test_regression(self, folder: Folder) -> None:
        assert refusal(folder("a/1.png", "b/1.png"), UsageError, kind="regression") == (
            "the folder 'pets' has classes, but kind (--task) 'regression' was asked for; "
            "add 'metadata.csv' with the columns file_name and label"
        )

    def test_other_kinds(self, folder: Folder) -> None:
        assert "got 'detection'" in refusal(folder("a/1.png", "a/2.png", "b/1.png"), UsageError, kind="detection")

    def test_a_folder_that_cannot_be_listed(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        root = folder("cat/1.png", "cat/2.png", "dog/1.png", "owl/1.png")
        scandir = os.scandir

        def refuse(path: str | Path) -> object:
            if Path(path).name == "owl":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(image_folder_module.os, "scandir", refuse)
        target = read(root)
        assert target.problems == (RowProblem("owl", "folder cannot be read (Permission denied)"),)
        monkeypatch.setattr(image_folder_module.os, "scandir", lambda path: refuse("owl"))
        assert refusal(root, DataError) == (
            "the folder 'pets' must be readable, got 'Permission denied'; change its permissions"
        )
