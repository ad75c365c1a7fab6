"""A folder of images beside a folder of masks with the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from hubscout.data.below import bytes_below, files_below, folders_below, text_below
from hubscout.data.class_files import MaskClasses, find_class_file
from hubscout.data.images import IMAGE_SUFFIXES
from hubscout.data.mask_images import decode_mask
from hubscout.data.masks import IGNORED_VALUE, masks_target
from hubscout.data.samples import MAX_FILE_BYTES, ImageFiles
from hubscout.data.splits import canonical_split, choose_split, is_split_name, require_no_split
from hubscout.data.task import RowProblem, Target
from hubscout.errors import DataError

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
# In this order: VOC has Annotations of boxes beside its masks.
MASK_FOLDERS = ("masks", "mask", "segmentationclass", "labels", "label", "annotations", "annotation")
_LISTS = "ImageSets/Segmentation"
_MASK_ENDING = "_mask"
_LIST_BYTES = 64 * 1024 * 1024


def looks_like_masks(path: Path) -> bool:
    """Tell whether a folder, or a split in it, holds images beside masks.

    Parameters
    ----------
    path : Path
        A folder.

    Returns
    -------
    bool
        Whether two folders are named like images and masks, and both hold image files. Never raises.
    """
    try:
        places = ["", *(name for name in folders_below(path) if is_split_name(name))]
        pairs = [pair for place in places if (pair := _pair(path, place)) is not None]
        return any(files_below(path, pair.images, IMAGE_SUFFIXES) for pair in pairs)
    except DataError:
        return False


def mask_folder_target(path: Path, *, name: str, split: str = "train") -> Target:
    """Read a segmentation target from a folder.

    Parameters
    ----------
    path : Path
        A folder with ``images`` and ``masks`` (or ``labels``, ``annotations``), each perhaps with folders of splits, or
        below such folders; or ``JPEGImages`` and ``SegmentationClass``, with splits listed in
        ``ImageSets/Segmentation``. A mask has the name of its image, perhaps with ``_mask`` behind it. A file such as
        ``classes.txt`` may name the classes, a line each, perhaps with their colours.
    name : str
        Name of the task.
    split : str
        Which split to read.

    Returns
    -------
    Target
        As `hubscout.data.masks.masks_target`; images without a mask, and masks without an image, are problems.

    Raises
    ------
    UsageError
        When the split does not exist.
    DataError
        When there are no such folders, or nothing can be ranked on.
    """
    source = f"the folder {name!r}"
    pairs, read_split, listed = _choose_pairs(path, split, source)
    found = _Partners()
    for pair in pairs:
        found.read(path, pair, listed)
    classes = find_class_file(path)
    names = None if classes is None else classes.names
    root = path.resolve()
    return masks_target(
        ImageFiles(root, tuple(found.images)),
        MaskFiles(root, tuple(found.masks), classes),
        name=name,
        source=source,
        split=read_split,
        class_names=names,
        # More classes than that, and the usual value for none is the code of one.
        ignore=() if names is not None and len(names) > IGNORED_VALUE else (IGNORED_VALUE,),
        problems=found.problems,
        notes=() if classes is None else (f"the classes are named in {classes.file!r}",),
    )


@dataclass(frozen=True)
class MaskFiles:
    """Mask files below one folder, read when they are asked for.

    Parameters
    ----------
    root : Path
        The folder; nothing outside of it is ever read.
    paths : tuple of str
        Relative to `root`.
    classes : MaskClasses or None
        Turns colours into codes.
    """

    root: Path
    paths: tuple[str, ...]
    classes: MaskClasses | None = None

    def __call__(self, index: int) -> npt.NDArray[Any]:
        """Read one mask."""
        try:
            content = bytes_below(self.root, self.paths[index], MAX_FILE_BYTES)
        except DataError as error:
            msg = f"mask cannot be read: {error}"
            raise DataError(msg) from None
        values = decode_mask(content)
        return values if self.classes is None else self.classes.codes(values)


@dataclass(frozen=True)
class _Pair:
    """A folder of images and one of masks, relative to the source."""

    images: str
    masks: str | None


def _pair(root: Path, place: str) -> _Pair | None:
    """Find the two folders in one place; a folder of masks must hold images, since others hold boxes or texts."""
    folders = {folder.lower(): folder for folder in folders_below(root, place)}
    images = next((folders[wanted] for wanted in IMAGE_FOLDERS if wanted in folders), None)
    if images is None:
        return None
    prefix = f"{place}/" if place else ""
    for wanted in MASK_FOLDERS:
        if wanted in folders and files_below(root, prefix + folders[wanted], IMAGE_SUFFIXES):
            return _Pair(prefix + images, prefix + folders[wanted])
    return None


def _choose_pairs(root: Path, split: str, source: str) -> tuple[list[_Pair], str, set[str] | None]:
    """Choose the folders of the asked split, how it is called in the result, and the names it lists, if it does."""
    pair = _pair(root, "")
    if pair is None:
        splits = [name for name in folders_below(root) if is_split_name(name) and _pair(root, name) is not None]
        if not splits:
            msg = (
                f"{source} must hold a folder 'images' and a folder 'masks' with the same names of files, got "
                f"{sorted(folders_below(root))[:10]!r}; rename them"
            )
            raise DataError(msg)
        chosen = choose_split(splits, split, source)
        return [found for name in chosen if (found := _pair(root, name)) is not None], split, None
    lists = {PurePosixPath(file).stem: file for file in files_below(root, _LISTS, (".txt",), deep=False)}
    if lists:
        chosen = choose_split(lists, split, source)
        return [pair], split, {line for name in chosen for line in _listed(root, lists[name])}
    splits = [name for name in folders_below(root, pair.images) if is_split_name(name)]
    if not splits:
        return [pair], require_no_split(split, source), None
    pairs = []
    for name in choose_split(splits, split, source):
        # The same split may be called training on one side and train on the other.
        others = folders_below(root, str(pair.masks))
        same = [other for other in others if other == name] or [
            other for other in others if is_split_name(other) and canonical_split(other) == canonical_split(name)
        ]
        pairs.append(_Pair(f"{pair.images}/{name}", f"{pair.masks}/{same[0]}" if same else None))
    return pairs, split, None


def _listed(root: Path, file: str) -> list[str]:
    try:
        text = text_below(root, file, _LIST_BYTES)
    except DataError as error:
        msg = f"{file!r} must be a file that can be read, got {str(error)!r}"
        raise DataError(msg) from None
    return [line.strip() for line in text.split("\n") if line.strip()]


@dataclass
class _Partners:
    """Images with their masks."""

    images: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)

    def read(self, root: Path, pair: _Pair, listed: set[str] | None) -> None:
        """Find the partners of one pair of folders."""
        images = self._by_key(root, pair.images)
        masks = {} if pair.masks is None else self._by_key(root, pair.masks)
        if listed is not None:
            self._report([name for name in sorted(listed) if name not in images], "image is listed and not there")
            images = {key: file for key, file in images.items() if key in listed}
            masks = {key: file for key, file in masks.items() if key.removesuffix(_MASK_ENDING) in listed}
        used = set()
        for key, file in images.items():
            partner = next((k for k in (key, key + _MASK_ENDING) if k in masks), None)
            if partner is None:
                self._report([file], "image has no mask")
                continue
            used.add(partner)
            self.images.append(file)
            self.masks.append(masks[partner])
        self._report([file for key, file in masks.items() if key not in used], "mask has no image")

    def _by_key(self, root: Path, folder: str) -> dict[str, str]:
        """List the image files of a folder by their paths in it without a suffix."""
        found: dict[str, str] = {}
        for file in files_below(root, folder, IMAGE_SUFFIXES):
            key = str(PurePosixPath(file).relative_to(folder).with_suffix(""))
            if key in found:
                self._report([file], f"another file has the same name, {found[key]!r}")
            else:
                found[key] = file
        return found

    def _report(self, files: Sequence[str], reason: str) -> None:
        self.problems += [RowProblem(file, reason) for file in files]
