"""A user's own torch module: ``torch:package.module:factory?weights=file.safetensors``.

The factory is imported and called, so only name modules you trust. Query keys that are not settings of ours
are passed to it as keyword arguments, read as JSON where they are JSON.

Images (the default): the module has ``forward_features`` and ``forward_head(f, pre_logits=True)`` as timm's
models do, or its ``forward`` returns the features; where boxes, points and layers are read from it is told in
`hubscout.models.torch_maps.find_maps`. Text (``modality=text``): the module has
``tokenize(text) -> list[int]``, and ``forward(ids, mask)`` takes two integer tensors of shape (b, tokens),
padded on the right with 0, and returns (b, features), or (b, tokens, features), which is then pooled over
the mask. ``hidden(ids)`` gives its layers, see `hubscout.models.torch_text.text_encoder`. Options of text are
``max_length=``, ``pair=vectors|joint`` (how pairs of texts are read) and ``subword=mean|first`` (how words are).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._optional import require
from hubscout._preflight import quiet_hub
from hubscout.errors import UsageError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.image_input import ImageInput
from hubscout.models.image_readings import read_maps, reads_maps
from hubscout.models.image_transform import IMAGE_OPTIONS, ImageTransform, transform_from_options
from hubscout.models.loading import LoadRequest, unused_pooling
from hubscout.models.torch_factory import build, find_factory, first_tensor, json_value, load_weights, source_digest
from hubscout.models.torch_maps import detector_config, find_maps
from hubscout.models.torch_text import TEXT_OPTIONS, text_encoder

_OURS = ("weights", "modality", "max_length")


class FactoryImageEncoder:
    """A vision module made by a factory.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    transform : ImageTransform
        From a picture to an array.
    run : callable
        From a batch to (features, logits or None).
    """

    def __init__(self, card: ModelCard, transform: ImageTransform, run: Callable[[Any], Any]) -> None:
        self.card = card
        self._transform = transform
        self._run = run

    def prepare(self, sample: Any) -> npt.NDArray[np.float32]:
        """Transform one picture."""
        return self._transform(sample)

    def encode(self, prepared: Sequence[npt.NDArray[np.float32]]) -> EncodedBatch:
        """Run the module once over a batch."""
        with torch_runtime.forward_pass():
            features, logits = self._run(torch_runtime.image_batch(prepared, self.card.device))
            return EncodedBatch(
                torch_runtime.to_numpy(features), None if logits is None else torch_runtime.to_numpy(logits)
            )


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a factory's module. See `hubscout.models.loading.load_encoder`."""
    quiet_hub()
    require("torch", "torch", "torch: addresses")
    modality = address.options.get("modality", "image")
    if modality not in ("image", "text"):
        msg = f"modality must be image or text, got {modality!r}"
        raise UsageError(msg)
    factory = find_factory(address.name)
    ours = (*_OURS, *(IMAGE_OPTIONS if modality == "image" else TEXT_OPTIONS))
    arguments = {key: json_value(text) for key, text in address.options.items() if key not in ours}
    device = torch_runtime.choose_device(request.device)
    model = build(address, factory, arguments)
    identity, notes = load_weights(model, address)
    model = torch_runtime.ready(model, device)
    facts = {
        "library": "torch",
        "factory": address.name,
        "factory_digest": source_digest(factory),
        "arguments": arguments,
    }
    common = Common(str(address), identity, device, facts, notes)
    finish = text_encoder if modality == "text" else _image_encoder
    return finish(address, request, model, common)


class Common:
    """What the card of both kinds of encoder states."""

    def __init__(self, address: str, identity: str, device: str, facts: dict[str, Any], notes: tuple[str, ...]) -> None:
        self.address, self.identity, self.device, self.facts, self.notes = (
            address,
            identity,
            device,
            facts,
            notes,
        )

    def card(self, **rest: Any) -> ModelCard:
        """Complete the card."""
        import torch

        transform = {**self.facts, **rest.pop("transform")}
        notes = (*self.notes, *rest.pop("notes"))
        return ModelCard(
            address=self.address,
            identity=self.identity,
            device=self.device,
            loader=f"torch {torch.__version__}",
            transform=transform,
            notes=notes,
            **rest,
        )


def _image_encoder(address: Address, request: LoadRequest, model: Any, common: Common) -> Encoder:
    import torch

    stated = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    config = stated if isinstance(stated, Mapping) else detector_config(model)
    transform, notes = transform_from_options(address.options, config)
    reads = reads_maps(request.reading)
    # Two pictures tell the axis of the batch from any other that has one place.
    shape = (1 + reads, transform.channels, transform.height, transform.width)
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(common.device)
    if reads:
        facts = common.card(modality="image", transform={}, feature_dim=0, notes=notes)
        layers = request.reading.unit == "sample"
        source = find_maps(
            model, lambda: _runner(model, example)[0], example, common.device, address.name, layers=layers
        )
        return read_maps(source, request, facts, ImageInput(transform, transform.to_dict(), transform))
    run, (features, logits) = _runner(model, example)
    head = model.get_classifier() if logits is not None else None
    card = common.card(
        modality="image",
        transform=transform.to_dict(),
        feature_dim=int(features.shape[1]),
        n_parameters=torch_runtime.count_parameters(model, without=head),
        source_classes=None if logits is None else int(logits.shape[1]),
        notes=(*notes, *unused_pooling(request)),
    )
    return FactoryImageEncoder(card, transform, run)


def _runner(model: Any, example: Any) -> tuple[Callable[[Any], tuple[Any, Any]], tuple[Any, Any]]:
    """Return the way from a batch to (pooled features, logits), and what it gives for the example."""
    if callable(getattr(model, "forward_features", None)) and callable(getattr(model, "forward_head", None)):
        run, (features, logits) = torch_runtime.split_head(model, example)
    else:

        def run(batch: Any) -> tuple[Any, Any]:
            return first_tensor(model(batch)), None

        with torch_runtime.forward_pass():
            features, logits = run(example)

    def pooled(batch: Any) -> tuple[Any, Any]:
        features, logits = run(batch)
        return torch_runtime.pool_map(features), logits

    return pooled, (torch_runtime.pool_map(features), logits)
