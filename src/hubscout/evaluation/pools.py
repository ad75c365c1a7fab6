"""Named pools of candidates that the literature fine-tuned: addresses, files of weights, preprocessing."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hubscout.errors import UsageError

POOLS = ("sfda_supervised", "sfda_selfsup")
# Resize(224, bicubic), CenterCrop(224), ImageNet statistics: for every model of both pools, Inception too.
PREPROCESSING = {
    "input_size": "224",
    "crop_pct": "1.0",
    "interpolation": "bicubic",
    "mean": "[0.485, 0.456, 0.406]",
    "std": "[0.229, 0.224, 0.225]",
}
_FACTORIES = "hubscout.evaluation.pool_models"


@dataclass(frozen=True)
class PoolModel:
    """One model of a pool.

    Parameters
    ----------
    name : str
        As the ground truth calls it.
    factory : str
        Function of `hubscout.evaluation.pool_models` that builds it without weights.
    weights : tuple of str
        Names its file of weights has had; the same parameters under each.
    url : str
        Where the file, or what it is made of, is to be had.
    timm : str or None
        The same parameters on timm's hub.
    n_parameters : int
        With the head where it has one.
    imagenet_top1 : float or None
        Accuracy in percent that torchvision publishes; None where the model has no ImageNet head.
    """

    name: str
    factory: str
    weights: tuple[str, ...]
    url: str
    timm: str | None
    n_parameters: int
    imagenet_top1: float | None

    def find_weights(self, folder: str | Path) -> Path | None:
        """Return the model's file in a folder, or None.

        Parameters
        ----------
        folder : str or Path
            Such as ``~/.cache/torch/hub/checkpoints``, where torchvision keeps its files.

        Returns
        -------
        Path or None
        """
        for name in self.weights:
            for file in (Path(folder) / name, (Path(folder) / name).with_suffix(".safetensors")):
                if file.is_file():
                    return file
        return None

    def address(self, folder: str | Path | None = None) -> str | None:
        """Return the candidate's address with the preprocessing of the benchmark.

        Parameters
        ----------
        folder : str or Path, optional
            Folder of the files of weights; a file there comes before timm's hub.

        Returns
        -------
        str or None
            None when there is no file and timm's hub does not have it.
        """
        from hubscout.models.address import Address

        file = None if folder is None else self.find_weights(folder)
        if file is not None:
            options = {**PREPROCESSING, "weights": str(file)}
            return str(Address("torch", f"{_FACTORIES}:{self.factory}", options=options))
        return None if self.timm is None else str(Address("timm", self.timm, options=PREPROCESSING))


def load_pool(name: str) -> tuple[PoolModel, ...]:
    """Return the models of a pool.

    Parameters
    ----------
    name : {"sfda_supervised", "sfda_selfsup"}
        The 11 supervised networks, or the 12 self-supervised ResNet-50s, that SFDA, ETran, DISCO and others are
        judged on.

    Returns
    -------
    tuple of PoolModel

    Raises
    ------
    UsageError
        When there is no such pool.

    Notes
    -----
    Files of weights, counts of parameters and accuracies of the supervised pool are those of torchvision's tables
    (weights ``IMAGENET1K_V1``). Files of the self-supervised pool are what ``download_and_prepare_models.py`` of
    linusericsson/ssl-transfer writes: a ResNet-50 without ``fc``; simclr-v1 and simclr-v2 are converted by hand.

    Examples
    --------
    >>> len(load_pool("sfda_supervised")), len(load_pool("sfda_selfsup"))
    (11, 12)
    >>> print(load_pool("sfda_supervised")[0].address()[:27])
    timm:resnet34.tv_in1k?crop_
    """
    if name not in POOLS:
        msg = f"name must be one of {', '.join(POOLS)}, got {name!r}"
        raise UsageError(msg)
    text = (resources.files("hubscout.evaluation") / "tables" / "pools" / f"{name}.csv").read_text(encoding="utf-8")
    return tuple(
        PoolModel(
            name=row["name"],
            factory=row["factory"],
            weights=tuple(row["weights"].split()),
            url=row["url"],
            timm=row["timm"] or None,
            n_parameters=int(row["n_parameters"]),
            imagenet_top1=float(row["imagenet_top1"]) if row["imagenet_top1"] else None,
        )
        for row in csv.DictReader(io.StringIO(text))
    )
