"""A folder of images: ``class/name.jpg``, perhaps with splits on top, or images listed in a metadata file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubscout._typing import TaskKind
from hubscout.data.assembly import assemble_target
from hubscout.data.columns import ColumnRequest
from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.data.ordering import natural_key
from hubscout.data.samples import ImageFiles
from hubscout.data.splits import choose_split, is_split_name, require_no_split, split_notes
from hubscout.data.tables import table_target
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError, UsageError

METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# What file managers and archivers leave behind; nobody's sample.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


def image_folder_target(
    root: Path,
    *,
    name: str,
    request: ColumnRequest | None = None,
    kind: TaskKind | None = None,
    split: str = "train",
) -> Target:
    """Read a folder of images.

    Parameters
    ----------
    root : Path
        An existing folder. Hidden files are passed over; nothing outside the folder is read.
    name : str
        Name of the task.
    request : ColumnRequest, optional
        Columns the user named, for a folder with a metadata file.
    kind : {"classification", "regression"}, optional
        What the labels are; names of folders are classes.
    split : str
        Which of the folders on top to take, where they are splits.

    Returns
    -------
    Target
        The images in natural order of class and path, and the problems of all other files.

    Raises
    ------
    DataError, UsageError
        When there are no class folders, the split is absent, or fewer than two classes have images.
    """
    source = f"the folder {name!r}"
    if (listing := _metadata(root)) is not None:
        return _listed_target(listing, name=name, request=request, kind=kind, split=split)
    folders, read_split = _split_folders(root, split, source)
    if len(folders) == 1 and (listing := _metadata(folders[0])) is not None:
        # The metadata of a split's own folder lists that split alone: nothing is left to choose.
        target = _listed_target(listing, name=name, request=request, kind=kind, split="train")
        return replace(target, split=read_split, notes=(*target.notes, *split_notes(read_split)))
    if request is not None and not request.is_empty():
        msg = (
            f"text_column, image_column and label_column need a table, got {source} without "
            f"{METADATA_NAMES[0]!r}; leave them out"
        )
        raise UsageError(msg)
    if kind == "regression":
        msg = (
            f"{source} has classes, but kind (--task) 'regression' was asked for; "
            f"add {METADATA_NAMES[0]!r} with the columns file_name and label"
        )
        raise UsageError(msg)
    scan = _Scan(root)
    for folder in folders:
        scan.read(folder)
    if not scan.paths and scan.outside:
        msg = (
            f"{source} must hold one folder a class, got {scan.outside} images outside of class folders; "
            f"move each image into a folder named after its class, or add {METADATA_NAMES[0]!r} with "
            "file_name and label"
        )
        raise DataError(msg)
    return assemble_target(
        ImageFiles(root.resolve(), tuple(scan.paths)),
        scan.labels,
        name=name,
        source=source,
        modality="image",
        split=read_split,
        kind=kind or "classification",
        class_names=sorted(set(scan.labels), key=natural_key),
        problems=scan.problems,
        notes=_class_notes(root, folders, scan, read_split),
    )


def _split_folders(root: Path, split: str, source: str) -> tuple[list[Path], str]:
    """Find the folders that hold the asked split, and how the split is called in the result."""
    names = _subfolders(root)
    splits = [name for name in names if is_split_name(name)]
    others = [name for name in names if name not in splits]
    layered = [name for name in splits if _subfolders(root / name)]
    # Beside other classes, a folder "train" that holds images directly is a class too: the vehicle.
    if not splits or (others and not layered):
        return [root], require_no_split(split, source)
    if others:
        msg = (
            f"{source} must hold either splits or classes, got the split {layered[0]!r} beside "
            f"{others[0]!r}; move one kind elsewhere, or give the folder of one split"
        )
        raise UsageError(msg)
    return [root / name for name in choose_split(splits, split, source)], split


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_seen(entry.name) and entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        msg = f"the folder {folder.name!r} must be readable, got {error.strerror!r}; change its permissions"
        raise DataError(msg) from None
    return sorted(names, key=natural_key)


def _is_seen(name: str) -> bool:
    return not name.startswith(".") and name not in _LITTER


def _metadata(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA_NAMES if (folder / name).is_file()), None)


def _listed_target(
    listing: Path, *, name: str, request: ColumnRequest | None, kind: TaskKind | None, split: str
) -> Target:
    target = table_target(listing, name=name, request=request, kind=kind, split=split)
    return replace(target, notes=(*target.notes, f"the labels come from {listing.name!r}"))


@dataclass
class _Scan:
    """The images found so far, each with the name of its class."""

    root: Path
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    empty_classes: list[str] = field(default_factory=list)
    outside: int = 0

    def read(self, top: Path) -> None:
        """Read the class folders of one split, or of a folder without splits."""
        for entry, folder in self._walk(top, deep=False):
            if folder:
                self._read_class(Path(entry.path))
            elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                self.outside += 1
                self._report(entry, "image lies outside of the class folders")
            elif entry.name not in METADATA_NAMES:
                self._report_other(entry)

    def _read_class(self, folder: Path) -> None:
        before = len(self.paths)
        for entry, is_folder in self._walk(folder, deep=True):
            if is_folder:
                continue
            if entry.name.lower().endswith(IMAGE_SUFFIXES):
                self.paths.append(self._relative(entry.path))
                self.labels.append(folder.name)
            else:
                self._report_other(entry)
        if len(self.paths) == before:
            self.empty_classes.append(folder.name)

    def _walk(self, folder: Path, *, deep: bool) -> Iterator[tuple[os.DirEntry[str], bool]]:
        """Yield what lies in a folder, and whether it is a folder itself, in natural order."""
        try:
            with os.scandir(folder) as listing:
                entries = sorted(
                    (entry for entry in listing if _is_seen(entry.name)), key=lambda e: natural_key(e.name)
                )
        except OSError as error:
            self.problems.append(RowProblem(self._relative(folder), f"folder cannot be read ({error.strerror})"))
            return
        for entry in entries:
            if entry.is_symlink() and (reason := self._link_problem(entry)) is not None:
                self._report(entry, reason)
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            yield entry, is_folder
            if is_folder and deep:
                yield from self._walk(Path(entry.path), deep=True)

    def _link_problem(self, entry: os.DirEntry[str]) -> str | None:
        goal = os.path.realpath(entry.path)
        try:
            Path(entry.path).stat()
        except OSError:
            return "symbolic link leads nowhere"
        if not Path(goal).is_relative_to(os.path.realpath(self.root)):
            return "symbolic link leads out of the folder"
        # A link to a folder can lead round in a circle, or count images twice.
        return "symbolic link to a folder is not followed" if Path(goal).is_dir() else None

    def _report(self, entry: os.DirEntry[str], reason: str) -> None:
        self.problems.append(RowProblem(self._relative(entry.path), reason))

    def _report_other(self, entry: os.DirEntry[str]) -> None:
        self._report(entry, f"not an image file (suffix {Path(entry.name).suffix!r})")

    def _relative(self, path: str | Path) -> str:
        return os.path.relpath(path, self.root)


def _class_notes(root: Path, folders: list[Path], scan: _Scan, split: str) -> list[str]:
    notes = [f"the class {name!r} holds no images" for name in scan.empty_classes]
    if split != "all":
        known = set(scan.labels) | set(scan.empty_classes)
        for other in _subfolders(root):
            if root / other not in folders:
                strange = [name for name in _subfolders(root / other) if name not in known]
                notes += [f"the class {name!r} of split {other!r} is not in split {split!r}" for name in strange]
    return notes
