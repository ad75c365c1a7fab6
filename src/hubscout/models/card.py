"""What we transfer from: the card of a candidate, and the encoder that an adapter builds from its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from hubscout._typing import Modality, Unit
from hubscout.models.reading import Readout


@dataclass(frozen=True)
class ModelCard:
    """The facts of one candidate that a result must carry to be reproducible.

    Parameters
    ----------
    address : str
        The canonical address, with the pinned revision where there is one.
    identity : str
        What pins the weights: ``sha256:…`` of the weights, or ``revision:<40 hex digits>`` of a hub snapshot.
    modality : {"image", "text", "features"}
        What it takes.
    transform : dict
        The complete preprocessing as plain JSON values (input size, mean, std, interpolation, crop,
        truncation, pooling, prompt, ...). Part of the store's key.
    feature_dim : int
        Width of the feature vector, D.
    n_parameters : int or None
        Parameters of the encoder without its source head; None when unknown.
    source_classes : int or None
        Width of the source head; None when there is none.
    licence : str or None
        As the hub states it.
    loader : str
        The library and version that runs it, such as ``timm 1.0.31``.
    device : str
        Where it runs: ``cpu``, ``cuda:0``, ``mps``.
    n_macs : int or None
        Multiplications with an addition in one forward pass of one sample; None when it was not counted.
    notes : tuple of str
        Sentences the user should see, such as a missing tokenizer setting.
    readouts : tuple of Readout
        The layers that stand side by side in the features; empty for the model's own output.
    unit : {"sample", "pair", "box", "word", "point"}
        What one row of the features belongs to.
    """

    address: str
    identity: str
    modality: Modality
    transform: dict[str, Any]
    feature_dim: int
    n_parameters: int | None = None
    source_classes: int | None = None
    licence: str | None = None
    loader: str = ""
    device: str = "cpu"
    notes: tuple[str, ...] = field(default=())
    readouts: tuple[Readout, ...] = field(default=())
    unit: Unit = "sample"
    n_macs: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "notes": list(self.notes), "readouts": [asdict(each) for each in self.readouts]}


@dataclass(frozen=True)
class EncodedBatch:
    """What an encoder returns for one batch of b samples.

    Parameters
    ----------
    features : ndarray of shape (b, n_features), float32
        The pooled features before the source head. For boxes, words or points one row for each of them, sample after
        sample.
    logits : ndarray of shape (b, source_classes), float32, or None
        The source head's output, where the model has one.
    """

    features: npt.NDArray[Any]
    logits: npt.NDArray[Any] | None = None


class Encoder(Protocol):
    """A frozen model, ready to run. Adapters build it; only they know their framework."""

    card: ModelCard

    def prepare(self, sample: Any) -> Any:
        """Turn one decoded sample into the model's input.

        The sample is a picture, a text, or one of `hubscout.data.parts`, as the reading asks. Called from several
        threads at once, so it must not change the encoder. For text the result has a
        length (``len(prepared)``: its number of tokens), by which the loop batches.
        """
        ...

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the model once over prepared inputs, in inference mode.

        Raises
        ------
        MemoryError
            When the batch does not fit the device's memory; the loop halves the batch and tries again.
        """
        ...
