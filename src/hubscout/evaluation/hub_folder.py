"""A folder of real encoders, labelled sets and fine-tuned accuracies, laid out as one hub.

``weights/manifest.csv`` names the encoders, ``weights/NAME.safetensors`` holds their parameters, ``hub_models.py``
builds them; ``data/SET.npz`` holds encoded pictures, their labels and splits; ``ground_truth.csv`` what each encoder
reached.
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.data.task import Target, Task
from hubscout.errors import DataError, UsageError
from hubscout.evaluation.task_truth import TaskTruth
from hubscout.models.address import Address

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_FACTORY = "hub_models:build"
_BUILDER = "hub_models.py"


@dataclass(frozen=True)
class HubTruth:
    """Fine-tuned accuracies on one set.

    Parameters
    ----------
    truth : TaskTruth
        Test accuracy of each encoder, at the learning rate with the better validation accuracy.
    sizes : dict of str to int
        Pixels a side that each encoder was fine-tuned at.
    """

    truth: TaskTruth
    sizes: dict[str, int] = field(default_factory=dict)


class HubFolder:
    """The folder, read as far as it is asked for.

    Parameters
    ----------
    root : str or Path

    Raises
    ------
    UsageError
        When there is no such folder.
    DataError
        When a file of it is missing or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            msg = f"folder must be a hub with weights/, data/ and ground_truth.csv, got {str(root)!r}; check the path"
            raise UsageError(msg)
        rows = _rows(self.root / "weights" / "manifest.csv", ("name", "kind", "config", "mean", "std"))
        self.encoders = {row["name"]: row for row in rows if row["kind"] == "image"}

    def truths(self, extra: Sequence[str | Path] = ()) -> dict[str, HubTruth]:
        """Read the fine-tuned accuracies.

        Parameters
        ----------
        extra : sequence of str or Path
            Further tables with the same columns.

        Returns
        -------
        dict of set to HubTruth
            Values are means over seeds where a table has several.
        """
        columns = ("dataset", "model", "size", "lr", "n_test", "val_accuracy", "test_accuracy")
        rows = [row for file in (self.root / "ground_truth.csv", *extra) for row in _rows(Path(file), columns)]
        best: dict[tuple[str, str, str], dict[str, str]] = {}
        for row in rows:
            key = row["dataset"], row["model"], row.get("seed") or "0"
            if key not in best or _number(row, "val_accuracy") > _number(best[key], "val_accuracy"):
                best[key] = row
        return {name: self._truth(name, best) for name in dict.fromkeys(key[0] for key in best)}

    def _truth(self, name: str, best: Mapping[tuple[str, str, str], dict[str, str]]) -> HubTruth:
        reached: dict[str, list[float]] = {}
        sizes: dict[str, int] = {}
        n_test = 0
        for (task, model, _), row in best.items():
            if task == name and model in self.encoders:
                reached.setdefault(model, []).append(_number(row, "test_accuracy"))
                sizes[model] = int(_number(row, "size"))
                n_test = int(_number(row, "n_test"))
        values = {model: float(np.mean(own)) for model, own in reached.items()}
        return HubTruth(TaskTruth(name, values, family="fine-tuned images", n_test=n_test), sizes)

    def target(self, name: str, split: str = "train") -> Target:
        """Read one labelled set.

        Parameters
        ----------
        name : str
            Of a file ``data/NAME.npz``.
        split : {"train", "test"}

        Returns
        -------
        Target
        """
        path = self.root / "data" / f"{_checked(name)}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rows = np.flatnonzero(arrays["split"] == (split == "test"))
                raw, offset = arrays["bytes"].tobytes(), arrays["offset"]
                labels, classes = arrays["label"][rows].astype(int), tuple(str(each) for each in arrays["classes"])
        except (OSError, ValueError, KeyError) as error:
            msg = f"the set {str(path)!r} must hold bytes, offset, label, split and classes: {error}"
            raise DataError(msg) from error
        pictures = EncodedPictures([raw[offset[row] : offset[row + 1]] for row in rows], name)
        return Target(Task(name, "classification", "image", classes), pictures, labels, split)

    def address(self, encoder: str, size: int) -> str:
        """Return the address of one encoder at a size of its input.

        Parameters
        ----------
        encoder : str
            Of the manifest.
        size : int
            Pixels a side.

        Returns
        -------
        str
        """
        row = self.encoders[encoder]
        options = {key: row[key] for key in ("config", "mean", "std")}
        weights = str(self.root / "weights" / f"{_checked(encoder)}.safetensors")
        return str(Address("torch", _FACTORY, options={**options, "input_size": str(size), "weights": weights}))

    def facts(self, column: str) -> dict[str, float | None]:
        """Return one number about each encoder; None where the manifest has none.

        Parameters
        ----------
        column : str
            Such as ``params``, ``feature_dim`` or ``top1_published``.

        Returns
        -------
        dict of str to float or None
        """
        return {name: _optional(row.get(column, "")) for name, row in self.encoders.items()}

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let addresses find the folder's own program, searched last, as long as this lasts."""
        name = Path(_BUILDER).stem
        if not (self.root / _BUILDER).is_file():
            msg = f"the hub {str(self.root)!r} must hold {_BUILDER}, which builds its encoders, and does not"
            raise DataError(msg)
        # Another hub of this process has a program of the same name.
        other = sys.modules.pop(name, None)
        sys.path.append(str(self.root))
        try:
            yield
        finally:
            sys.path.remove(str(self.root))
            sys.modules.pop(name, None)
            if other is not None:
                sys.modules[name] = other


class EncodedPictures:
    """Encoded pictures in memory, as the samples of a target.

    Parameters
    ----------
    files : sequence of bytes
        PNG or JPEG files.
    name : str
        Of the set.
    """

    def __init__(self, files: Sequence[bytes], name: str) -> None:
        self._files, self._name = list(files), name

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._files)

    def __getitem__(self, index: int) -> Any:
        """Decode one picture."""
        from PIL import Image

        return Image.open(io.BytesIO(self._files[index])).convert("RGB")

    def content(self, index: int) -> bytes:
        """Return the file."""
        return self._files[index]

    def name(self, index: int) -> str:
        """Say where it stands."""
        return f"{self._name} {index}"

    def subset(self, rows: npt.NDArray[np.integer]) -> EncodedPictures:
        """Keep some of them."""
        return EncodedPictures([self._files[row] for row in rows], self._name)


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"the table {str(path)!r} cannot be read: {error}; a hub has it"
        raise DataError(msg) from error
    if missing:
        msg = f"the table {str(path)!r} must have the columns {', '.join(columns)}, and lacks {', '.join(missing)}"
        raise DataError(msg)
    return rows


def _number(row: Mapping[str, str], column: str) -> float:
    value = _optional(row[column])
    if value is None:
        msg = f"a table of ground truth must hold a number in {column!r} of {row['model']!r}, got {row[column]!r}"
        raise DataError(msg)
    return value


def _optional(text: str) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _checked(name: str) -> str:
    """Refuse a name that would lead out of the folder."""
    if not _NAME.fullmatch(name):
        msg = f"a hub's names must be of letters, digits, '_', '.' and '-', got {name!r}"
        raise DataError(msg)
    return name
