from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubscout.data import voc
from hubscout.data.safe_xml import parse_xml
from hubscout.data.task import RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.data.voc import voc_target
from hubscout.errors import DataError, HubscoutError, UsageError

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZE = "<size><width>12</width><height>10</height><depth>3</depth></size>"


def thing(name: str = "dog", corners: tuple = (1, 1, 6, 5), more: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


def document(*things: str, file_name: str = "", size: str = SIZE) -> str:
    return f"<annotation><filename>{file_name}</filename>{size}{''.join(things)}</annotation>"


@pytest.fixture
def write(folder: Callable[..., Path]) -> Callable[..., Path]:
    """Write files beside images, and return the folder."""

    def make(files: dict[str, str | bytes], *pictures: str) -> Path:
        root = folder(*(pictures or ("JPEGImages/a9.png", "JPEGImages/a10.png")), root="pets")
        for name, content in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return make


def read(path: Path, **options: object) -> Target:
    return voc_target(path, name="pets", **options)


def refusal(path: Path, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        read(path, **options)
    return str(caught.value)


def names(target: Target) -> list[str]:
    return [target.samples.name(i) for i in range(len(target.samples))]


class TestContent:
    def test_boxes_reach_from_one_before_their_first_pixel(self, write) -> None:
        things = [thing(corners=(1, 1, 6, 5)), thing("cat", (7, 6, 12, 10)), thing("cat", (2.5, "1e0", 12, 3))]
        target = read(write({"Annotations/a10.xml": document(*things), "Annotations/a9.xml": document(thing())}))
        assert names(target) == ["JPEGImages/a9.png", "JPEGImages/a10.png"]
        assert target.boxes[1:].tolist() == [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.125, 0, 1, 0.3]]
        assert (target.task.label_names, target.labels.tolist()) == (("cat", "dog"), [1, 1, 0, 0])
        assert (target.problems, target.notes, target.split) == ((), (), "all")

    def test_a_program_that_counts_from_zero(self, write) -> None:
        target = read(
            write({"Annotations/a9.xml": document(thing(corners=(0, 2, 6, 5)), thing(corners=(6, 5, 12, 10)))})
        )
        assert target.boxes.tolist() == [[0, 0.2, 0.5, 0.5], [0.5, 0.5, 1, 1]]
        assert target.notes == ("a box starts at 0 where Pascal VOC starts at 1, so that corners are counted from 0",)

    def test_a_corner_outside_is_no_sign_of_that(self, write) -> None:
        target = read(
            write({"Annotations/a9.xml": document(thing(corners=(-4, 1, 6, 5)), thing(corners=(0, 3, 6, 5)))})
        )
        assert target.boxes.tolist() == [[0, 0, 0.5, 0.5], [0, 0.2, 0.5, 0.5]]
        assert target.notes == ("2 of 2 boxes reach out of the image and were clipped to it",)

    def test_difficult_ones_are_left_out(self, write) -> None:
        marked = thing("cat", (2, 2, 9, 9), "<difficult>1</difficult>")
        target = read(write({"Annotations/a9.xml": document(thing(more="<difficult>0</difficult>"), marked)}))
        assert target.task.label_names == ("dog",)
        assert target.notes == ("1 box marked as crowd, difficult or ignored is left out",)

    def test_parts_of_objects_are_no_boxes(self, write) -> None:
        part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
        target = read(write({"Annotations/a9.xml": document(thing(more=part))}))
        assert target.boxes.tolist() == [[0, 0, 0.5, 0.5]]

    @pytest.mark.parametrize("size", ["", "<size/>", "<size><width>0</width><height>0</height></size>"])
    def test_a_size_that_is_not_stated_is_read(self, write, size: str) -> None:
        target = read(write({"Annotations/a9.xml": document(thing(), size=size)}))
        assert target.boxes.tolist() == [[0, 0, 0.5, 0.5]]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
    def test_encodings(self, write, encoding: str) -> None:
        text = f'<?xml version="1.0" encoding="{encoding}"?>' + document(thing("brücke"))
        assert read(write({"Annotations/a9.xml": text.encode(encoding)})).task.label_names == ("brücke",)

    def test_images_without_objects(self, write) -> None:
        target = read(write({"Annotations/a9.xml": document(thing()), "Annotations/a10.xml": document()}))
        assert (names(target), target.notes) == (
            ["JPEGImages/a9.png"],
            ("1 image without a usable box is left out",),
        )


class TestPlaces:
    @pytest.mark.parametrize(
        ("annotation", "place", "split"),
        [
            ("Annotations/a.xml", "JPEGImages/a.png", "all"),
            ("annotations/a.xml", "images/a.png", "all"),
            ("annotations/a.xml", "a.png", "all"),
            ("a.xml", "a.png", "all"),
            ("a.xml", "images/a.png", "all"),
            ("train/a.xml", "train/a.png", "train"),
            ("train/Annotations/a.xml", "train/JPEGImages/a.png", "train"),
        ],
    )
    def test_where_images_lie(self, write, annotation: str, place: str, split: str) -> None:
        target = read(write({annotation: document(thing())}, place, "valid/b.png"))
        assert (names(target), target.split) == ([place], split)
        assert target.samples[0].image.size == (12, 10)

    def test_lists_of_splits(self, write) -> None:
        files = {f"Annotations/a{n}.xml": document(thing()) for n in (9, 10)}
        lists = {"train": "a10\n\n", "val": "a9 \na9\n", "dog_train": "a9 -1\n", "trainval": "a9\na10\n"}
        root = write({**files, **{f"ImageSets/Main/{name}.txt": text for name, text in lists.items()}})
        assert [names(read(root, split=split)) for split in ("train", "validation", "trainval")] == [
            ["JPEGImages/a10.png"],
            ["JPEGImages/a9.png"],
            ["JPEGImages/a9.png", "JPEGImages/a10.png"],
        ]
        assert refusal(root, UsageError, split="test") == (
            "the folder 'pets' has no split 'test'; name one of its splits ('train', 'trainval', 'val') with split "
            "(--split)"
        )

    def test_a_list_that_leads_elsewhere(self, write, tmp_path: Path) -> None:
        (tmp_path / "secret.xml").write_text(document(thing("secret")))
        lines = "../../secret\n../../../secret\nnone\na9\n"
        root = write({"Annotations/a9.xml": document(thing()), "ImageSets/Main/train.txt": lines})
        target = read(root)
        assert target.task.label_names == ("dog",)
        assert target.problems == (
            RowProblem("Annotations/../../secret.xml", "file name leads out of the folder"),
            RowProblem("Annotations/../../../secret.xml", "file name leads out of the folder"),
            RowProblem("Annotations/none.xml", "file does not exist"),
        )

    def test_a_list_that_is_no_text(self, write) -> None:
        root = write({"Annotations/a9.xml": document(thing()), "ImageSets/Main/train.txt": b"\xff"})
        assert refusal(root, DataError) == (
            "'ImageSets/Main/train.txt' must be a list of images that can be read, got 'file is not UTF-8 text'"
        )

    def test_splits_that_are_folders(self, write) -> None:
        root = write(
            {"train/a.xml": document(thing()), "valid/b.xml": document(thing("cat"))}, "train/a.png", "valid/b.png"
        )
        assert read(root, split="val").task.label_names == ("cat",)
        assert refusal(root, UsageError, split="test") == (
            "the folder 'pets' has no split 'test'; name one of its splits ('train', 'valid') with split (--split)"
        )

    @pytest.mark.parametrize(
        ("stem", "stated", "found"),
        [
            ("a9", "old name.jpg", "a9.png"),
            ("a9", "a9.png", "a9.png"),
            ("note", "a9.png", "a9.png"),
            ("note", "C:\\pets\\a9.png", "a9.png"),
            ("gone", "", "gone"),
            ("gone", "away.png", "away.png"),
            ("gone", "../../away.png", "away.png"),
        ],
    )
    def test_which_image_a_file_is_about(self, write, stem: str, stated: str, found: str) -> None:
        target = read(write({f"Annotations/{stem}.xml": document(thing(), file_name=stated)}))
        assert names(target) == [f"JPEGImages/{found}"]
        problems = verify_samples(target.samples).problems
        missing = (RowProblem(f"JPEGImages/{found}", "file does not exist"),)
        assert problems == (() if found == "a9.png" else missing)

    def test_two_files_about_one_image(self, write) -> None:
        files = {
            "Annotations/a9.xml": document(thing()),
            "Annotations/b.xml": document(thing("cat"), file_name="a9.png"),
        }
        target = read(write(files))
        reason = "image 'JPEGImages/a9.png' has an earlier annotation file"
        assert (target.task.label_names, target.problems) == (("dog",), (RowProblem("Annotations/b.xml", reason),))

    def test_no_files(self, write) -> None:
        assert refusal(write({}), DataError) == (
            "the folder 'pets' must hold annotation files (.xml) in Annotations/ or beside the images, got none"
        )


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>"""
REFUSED = "XML declares a document type, which was refused"


class TestFaults:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "XML is not well-formed (line 1)"),
            (b"<annotation>\n<size></annotation>", "XML is not well-formed (line 2)"),
            (b"junk", "XML is not well-formed (line 1)"),
            (b"<?xml version='1.0' encoding='no-such'?><annotation/>", "XML is not well-formed"),
            (BOMB.encode(), REFUSED),
            (BOMB.encode("utf-16"), REFUSED),
            (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><annotation/>", REFUSED),
            (b"<a>" * 60, "XML has more than 50 levels"),
            (b"<annotation><filename>&other;</filename></annotation>", "XML is not well-formed (line 1)"),
        ],
    )
    def test_documents(self, write, content: bytes, reason: str) -> None:
        target = read(write({"Annotations/a9.xml": document(thing()), "Annotations/a10.xml": content}))
        (problem,) = target.problems
        assert problem.row == "Annotations/a10.xml"
        assert problem.reason.startswith(reason)

    def test_a_large_document(self, write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(voc, "MAX_XML_BYTES", 1024**2)
        padded = document(thing()) + " " * 1024**2
        target = read(write({"Annotations/a9.xml": document(thing()), "Annotations/a10.xml": padded}))
        assert target.problems == (RowProblem("Annotations/a10.xml", "file is larger than 1 MB"),)

    @pytest.mark.parametrize(
        ("broken", "row", "reason"),
        [
            ("<object/>", "object 2", "name is missing"),
            ("<object><name> </name></object>", "object 2", "name is empty"),
            ("<object><name>cat</name></object>", "box 2", "box is not made of finite numbers"),
            ("<object><name>cat</name><bndbox/></object>", "box 2", "box is not made of finite numbers"),
            (thing(corners=(1, 1, "six", 5)), "box 2", "box is not made of finite numbers"),
            (thing(corners=(1, 1, "1_0", 5)), "box 2", "box is not made of finite numbers"),
            (thing(corners=(1, 1, "1e999", 5)), "box 2", "box is not made of finite numbers"),
            (thing(corners=(1, 1, "9" * 400, 5)), "box 2", "box is not made of finite numbers"),
            (thing(corners=(6, 1, 2, 5)), "box 2", "box has a negative width or height"),
            (thing(corners=(6, 1, 5, 5)), "box 2", "box is less than one pixel wide or high"),
            (thing(corners=(13, 1, 20, 5)), "box 2", "box lies outside of the image"),
        ],
    )
    def test_objects(self, write, broken: str, row: str, reason: str) -> None:
        target = read(write({"Annotations/a9.xml": document(thing(), broken)}))
        assert target.problems == (RowProblem(f"JPEGImages/a9.png, {row}", reason),)
        assert len(target.labels) == 1

    def test_links_out_of_the_folder(self, write, tmp_path: Path) -> None:
        (tmp_path / "secret.xml").write_text(document(thing("secret")))
        root = write({"Annotations/a9.xml": document(thing())})
        (root / "Annotations" / "a10.xml").symlink_to(tmp_path / "secret.xml")
        target = read(root)
        assert target.task.label_names == ("dog",)
        assert target.problems == (RowProblem("Annotations/a10.xml", "path leads out of the folder"),)


TAGS = st.sampled_from(["annotation", "filename", "size", "width", "object", "name", "bndbox", "xmin", "xmax", "ymin"])
TREES = st.recursive(
    st.text("ab.../0123456789-e<&", max_size=6),
    lambda inner: st.builds(lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", TAGS, st.lists(inner, max_size=4)),
    max_leaves=12,
)


class TestAnything:
    @FUZZ
    @given(st.binary(max_size=200) | TREES.map(str.encode))
    def test_documents(self, write, content: bytes) -> None:
        root = write({"Annotations/a9.xml": content, "ImageSets/Main/train.txt": b"a9"})
        with pytest.raises(HubscoutError):
            read(root)

    @FUZZ
    @given(st.binary(max_size=100))
    def test_lists(self, write, content: bytes) -> None:
        root = write({"Annotations/b.xml": document(thing()), "ImageSets/Main/train.txt": content})
        with contextlib.suppress(HubscoutError):
            assert read(root).task.label_names == ("dog",)

    @given(st.text(max_size=20))
    def test_text_comes_back(self, text: str) -> None:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        if all(0x20 <= ord(letter) < 0xD800 for letter in text) and "]]>" not in text:
            assert (parse_xml(f"<a><b>{escaped}</b></a>".encode()).findtext("b") or "") == text
