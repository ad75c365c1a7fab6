"""Annotations in YOLO form: one text file an image, one box a line, in shares of the image."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from hubscout.data.below import files_below, text_below
from hubscout.data.box_cleaning import BoxRecords, Corners
from hubscout.data.boxes import detection_target
from hubscout.data.samples import ImageFiles
from hubscout.data.task import RowProblem, Target
from hubscout.data.yolo_layout import NAME_LISTS, YoloLayout, find_yolo, label_file
from hubscout.errors import DataError

_MAX_LABEL_BYTES = 64 * 1024**2
_NUMBER = re.compile(
    r"[+-]?(\d{1,20}\.?\d{0,30}|\.\d{1,30})([eE][+-]?\d{1,3})?|[+-]?(nan|inf)", re.ASCII | re.IGNORECASE
)
_BOX_NUMBERS = 5
_LEAST_OUTLINE = 7
_LARGEST_SHARE = 10


def yolo_target(path: Path, *, name: str, split: str = "train") -> Target:
    """Read the boxes of a data set in YOLO form.

    Parameters
    ----------
    path : Path
        A ``data.yaml`` of Ultralytics, or a folder with one; or a folder with ``images/train/a.jpg`` and
        ``labels/train/a.txt``, or with both below ``train/``, or with label files beside images, and with
        ``classes.txt`` or ``obj.names``.
    name : str
        Name of the task.
    split : str
        Which of the splits to take, where there are any.

    Returns
    -------
    Target
        A detection task: images in natural order of their paths, and their boxes in the order of their lines.

    Raises
    ------
    DataError, UsageError
        When a description cannot be read, the split is absent, or no usable box is left.
    MissingExtraError
        When there is a ``data.yaml`` and pyyaml is not installed.

    Notes
    -----
    A line is ``class x y width height`` with the centre and the sides as shares of the image. A line with an outline
    (``class x1 y1 x2 y2 x3 y3 ...``) counts with the box around it. An image without a label file, or with an empty
    one, has no boxes. Nothing outside of the folder is read, whatever paths the description states.

    References
    ----------
    J. Redmon et al., "You Only Look Once: Unified, Real-Time Object Detection", CVPR 2016, arXiv:1506.02640.
    """
    source = repr(path.name) if path.is_file() else f"the folder {name!r}"
    layout = find_yolo(path, split, source)
    reader = _LabelReader(layout)
    for position, image in enumerate(layout.images):
        reader.read(position, image)
    if not reader.n_files:
        first = label_file(layout.images[0])
        msg = f"{source} must hold label files (.txt) for its images, got none; the first would be {first!r}"
        raise DataError(msg)
    reader.report_strays()
    return detection_target(
        ImageFiles(layout.root.resolve(), layout.images),
        [None] * len(layout.images),
        reader.boxes,
        name=name,
        source=source,
        split=layout.split,
        class_names=() if layout.names is None else layout.names.values(),
        problems=reader.problems,
        notes=reader.notes(),
    )


class _LabelReader:
    """Reads label files, and keeps what is wrong with them."""

    def __init__(self, layout: YoloLayout) -> None:
        self.layout = layout
        self.boxes = BoxRecords(in_shares=True)
        self.problems: list[RowProblem] = []
        self.n_files = 0
        self.n_outlines = 0
        self._read: set[str] = set()

    def read(self, position: int, image: str) -> None:
        """Read the label file of one image, if there is one."""
        file = label_file(image)
        self._read.add(file)
        try:
            lines = text_below(self.layout.root, file, _MAX_LABEL_BYTES).splitlines()
        except DataError as error:
            if str(error) != "file does not exist":
                self.problems.append(RowProblem(file, str(error)))
            return
        self.n_files += 1
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words:
                continue
            try:
                self.boxes.add(position, self._class_name(words[0]), self._corners(words))
            except DataError as error:
                self.problems.append(RowProblem(f"{file}, line {number}", str(error)))

    def report_strays(self) -> None:
        """Report label files that belong to no image."""
        folders = dict.fromkeys(PurePosixPath(file).parent.as_posix() for file in sorted(self._read))
        for folder in folders:
            for file in files_below(self.layout.root, "" if folder == "." else folder, (".txt",), deep=False):
                is_known = file in self._read or PurePosixPath(file).name in NAME_LISTS
                # On top of the data set lie lists and read-me files too.
                if not is_known and (folder != "." or self._starts_with_number(file)):
                    self.problems.append(RowProblem(file, "label file has no image"))

    def notes(self) -> list[str]:
        """Say what was made of outlines, and of classes without names."""
        notes = []
        if self.n_outlines:
            many = self.n_outlines > 1
            count = f"{self.n_outlines} {'objects have outlines' if many else 'object has an outline'}"
            notes.append(f"{count}, of which the box around {'each' if many else 'it'} is taken")
        if self.layout.names is None:
            notes.append("no names of classes were found (names in data.yaml, or classes.txt); their numbers are used")
        return notes

    def _starts_with_number(self, file: str) -> bool:
        try:
            words = text_below(self.layout.root, file, _MAX_LABEL_BYTES).split(maxsplit=1)
        except DataError:
            return False
        return bool(words) and _NUMBER.fullmatch(words[0]) is not None

    def _class_name(self, word: str) -> str:
        value = float(word) if _NUMBER.fullmatch(word) else -1.0
        if not (0 <= value < 1e9 and value == int(value)):
            msg = f"class must be a whole number of at least 0, got {word[:30]!r}"
            raise DataError(msg)
        names = self.layout.names
        if names is None:
            return str(int(value))
        if int(value) not in names:
            msg = f"class {int(value)} is none of the {len(names)} classes"
            raise DataError(msg)
        return names[int(value)]

    def _corners(self, words: list[str]) -> Corners:
        wrong = next((word for word in words[1:] if not _NUMBER.fullmatch(word)), None)
        if wrong is not None:
            msg = f"coordinates must be numbers, got {wrong[:30]!r}"
            raise DataError(msg)
        values = [float(word) for word in words[1:]]
        is_box = len(words) == _BOX_NUMBERS or (self.layout.has_keypoints and len(words) > _BOX_NUMBERS)
        if not is_box and (len(words) < _LEAST_OUTLINE or len(words) % 2 == 0):
            msg = f"line must hold a class and 4 numbers, or a class and an outline, got {len(words)} numbers"
            raise DataError(msg)
        used = values[:4] if is_box else values
        if any(abs(value) > _LARGEST_SHARE for value in used):
            msg = "coordinates must be shares of the image's width and height, got pixels"
            raise DataError(msg)
        if is_box:
            x, y, width, height = used
            return x - width / 2, y - height / 2, x + width / 2, y + height / 2
        self.n_outlines += 1
        if any(value != value for value in used):
            return (float("nan"),) * 4
        return min(used[::2]), min(used[1::2]), max(used[::2]), max(used[1::2])
