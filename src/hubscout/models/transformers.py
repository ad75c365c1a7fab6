"""Vision and text encoders of transformers: ``hf:org/name@revision`` or ``hf:./folder``.

Options: ``pooling=``, ``max_length=`` (tokens), ``prompt=`` (put before every text), ``modality=`` (for
models such as CLIP that take images and text).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._optional import check_installed
from hubscout._preflight import quiet_hub
from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.hub import locate
from hubscout.models.loading import POOLINGS, LoadRequest, check_options
from hubscout.models.pooling import pad
from hubscout.models.tokens import Tokenizer, load_tokenizer
from hubscout.models.transformers_config import read_config, untrusted
from hubscout.models.transformers_model import LoadedModel, load_model, settle_pooling


class TransformersEncoder:
    """A model of transformers with its own processor or tokenizer.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    loaded : LoadedModel
        The model, on its device.
    """

    def __init__(self, card: ModelCard, loaded: LoadedModel) -> None:
        self.card = card
        self._loaded = loaded

    def inputs(self, prepared: Sequence[Any]) -> dict[str, Any]:
        """Build the model's arguments from prepared samples."""
        raise NotImplementedError

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the model once over a batch."""
        with torch_runtime.forward_pass():
            features, logits = self._loaded.run(self.inputs(prepared))
            return EncodedBatch(
                torch_runtime.to_numpy(features), None if logits is None else torch_runtime.to_numpy(logits)
            )

    def complete(self, first: Any) -> None:
        """Settle on a first sample what only a forward pass tells, and write it on the card."""
        with torch_runtime.forward_pass():
            settle_pooling(self._loaded, self.inputs([first]))
        outcome, again = self.encode([first]), self.encode([first])
        if not np.allclose(outcome.features, again.features, rtol=1e-3, atol=1e-5, equal_nan=True):
            msg = f"model of {self.card.address!r} gives other features each time; it cannot be ranked"
            raise CandidateError(msg)
        self.card = replace(
            self.card,
            transform={**self.card.transform, "pooling": self._loaded.pooling},
            feature_dim=int(outcome.features.shape[1]),
            source_classes=None if outcome.logits is None else int(outcome.logits.shape[1]),
        )


class ImageEncoder(TransformersEncoder):
    """A vision model with its own image processor."""

    def __init__(self, card: ModelCard, loaded: LoadedModel, processor: Any) -> None:
        super().__init__(card, loaded)
        self._processor = processor

    def prepare(self, sample: Any) -> npt.NDArray[np.float32]:
        """Run the model's own image processor on one picture."""
        pixels = self._processor(images=sample.convert("RGB"), return_tensors="np")["pixel_values"]
        return np.asarray(pixels[0], dtype=np.float32)

    def inputs(self, prepared: Sequence[npt.NDArray[np.float32]]) -> dict[str, Any]:
        """Stack pictures, which must have come out in one size."""
        shapes = sorted({array.shape for array in prepared})
        if len(shapes) > 1:
            msg = f"the image processor gives pictures of different sizes, such as {shapes[0]} and {shapes[-1]}"
            raise CandidateError(msg)
        return {"pixel_values": torch_runtime.image_batch(prepared, self.card.device)}


class TextEncoder(TransformersEncoder):
    """A text model with its own tokenizer."""

    def __init__(self, card: ModelCard, loaded: LoadedModel, tokenizer: Tokenizer) -> None:
        super().__init__(card, loaded)
        self._tokenizer = tokenizer

    def prepare(self, sample: str) -> list[int]:
        """Tokenize one text."""
        return self._tokenizer(sample)

    def inputs(self, prepared: Sequence[list[int]]) -> dict[str, Any]:
        """Pad token lists to one length."""
        import torch

        ids, mask = (torch.from_numpy(a).to(self.card.device) for a in pad(prepared, self._tokenizer.pad_id))
        return {"input_ids": ids, "attention_mask": mask}


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a model of transformers. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ("pooling", "max_length", "prompt", "modality"))
    wanted = address.options.get("pooling", request.pooling)
    modality = address.options.get("modality")
    if wanted is not None and wanted not in POOLINGS:
        msg = f"pooling must be one of {', '.join(POOLINGS)}, got {wanted!r}"
        raise UsageError(msg)
    if modality not in (None, "image", "text"):
        msg = f"modality must be image or text, got {modality!r}"
        raise UsageError(msg)
    quiet_hub()
    for module in ("torch", "transformers"):
        check_installed(module, "hf", "hf: addresses")
    trusted = request.trusts(address)
    # Before the libraries are imported: they take seconds, and read the offline mode only once.
    snapshot = locate(address, with_code=trusted)
    snapshot.check()
    _check_kind(snapshot.path, address)
    torch_runtime.check_torchvision("hf: addresses")
    import transformers

    device = torch_runtime.choose_device(request.device)
    with no_untrusted_code(address.name):
        loaded = load_model(snapshot.path, address.name, modality, wanted, trusted=trusted)
        loaded.model = torch_runtime.ready(loaded.model, device)
        card = ModelCard(
            address=str(snapshot.address),
            identity=snapshot.identity,
            modality="image" if loaded.modality == "image" else "text",
            transform={"library": "transformers", **snapshot.facts()},
            feature_dim=0,
            n_parameters=torch_runtime.count_parameters(loaded.model, without=loaded.head),
            licence=snapshot.licence,
            loader=f"transformers {transformers.__version__}",
            device=device,
            notes=(*loaded.notes, *_better_scheme(snapshot.path, address)),
        )
        if loaded.modality == "image":
            return _image(card, loaded, snapshot.path, trusted=trusted)
        return _text(card, loaded, snapshot.path, address, trusted=trusted)


def _check_kind(folder: Path, address: Address) -> None:
    config = read_config(folder)
    if "pretrained_cfg" in config and "model_type" not in config:
        source = "local-dir" if address.is_local else "hf-hub"
        msg = f"model {address.name!r} is one of timm's; load it as timm:{source}:{address.name}"
        raise CandidateError(msg)


def _better_scheme(folder: Path, address: Address) -> tuple[str, ...]:
    if not (folder / "modules.json").is_file():
        return ()
    note = "this is a model of sentence-transformers, whose own pooling and prompts are not used here"
    return (f"{note}; st:{address.name} uses them",)


@contextlib.contextmanager
def no_untrusted_code(name: str) -> Iterator[None]:
    """Turn a library's refusal to run a model's code into ours.

    Parameters
    ----------
    name : str
        How the user calls the model.

    Raises
    ------
    UnsafeFileError
        Naming the option that trusts it.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if "trust_remote_code" in str(error):
            raise UnsafeFileError(untrusted(name)) from error
        raise


def _image(card: ModelCard, loaded: LoadedModel, folder: Path, *, trusted: bool) -> Encoder:
    from PIL import Image
    from transformers import AutoImageProcessor

    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        msg = (
            f"model of {card.address!r} has no image processor (preprocessor_config.json), so its "
            "input is unknown; "
            "save its own there with save_pretrained()"
        )
        raise CandidateError(msg)
    # Of the two implementations the one on Pillow is there on every machine, so features agree between them.
    processor = AutoImageProcessor.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=trusted, backend="pil"
    )
    settings = {key: _listed(value) for key, value in processor.to_dict().items() if _is_plain(value)}
    encoder = ImageEncoder(replace(card, transform={**card.transform, **settings}), loaded, processor)
    encoder.complete(encoder.prepare(Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 20)))
    return encoder


def _text(card: ModelCard, loaded: LoadedModel, folder: Path, address: Address, *, trusted: bool) -> Encoder:
    tokenizer, notes = load_tokenizer(
        folder,
        address.options.get("max_length"),
        _longest_input(loaded.model),
        prompt=address.options.get("prompt", ""),
        trust_remote_code=trusted,
    )
    if loaded.head is not None and loaded.model.config.pad_token_id is None:
        loaded.model.config.pad_token_id = tokenizer.pad_id  # classifiers refuse a batch without one
    card = replace(card, transform={**card.transform, **tokenizer.to_dict()}, notes=(*card.notes, *notes))
    encoder = TextEncoder(card, loaded, tokenizer)
    encoder.complete(encoder.prepare("The quick brown fox"))
    return encoder


def _longest_input(model: Any) -> int | None:
    """Find how many positions a model has."""
    config = getattr(model.config, "text_config", None) or model.config
    limit = getattr(config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            # RoBERTa and its kin count positions from behind the padding's own.
            limit = int(module.num_embeddings) - int(module.padding_idx) - 1
    return int(limit) if limit is not None and limit > 0 else None


def _listed(value: Any) -> Any:
    """Turn tuples into lists, which is how they come back from JSON."""
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, str | int | float | bool)
