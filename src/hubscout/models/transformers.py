"""Vision and text encoders of transformers: ``hf:org/name@revision`` or ``hf:./folder``.

Options: ``pooling=``, ``max_length=`` (tokens), ``prompt=`` (put before every text), ``modality=`` (for
models such as CLIP that take images and text), ``pair=joint|vectors`` (how pairs of texts are read), and
``subword=mean|first`` (how the tokens of a word become one vector).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hubscout._optional import check_installed
from hubscout._preflight import quiet_hub
from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import Encoder, ModelCard
from hubscout.models.hub import locate
from hubscout.models.loading import POOLINGS, LoadRequest, check_options
from hubscout.models.readouts import asked_pooling
from hubscout.models.transformers_config import read_config, untrusted
from hubscout.models.transformers_image import image_encoder
from hubscout.models.transformers_model import load_model
from hubscout.models.transformers_text import text_encoder


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a model of transformers. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ("pooling", "max_length", "prompt", "modality", "pair", "subword"))
    wanted = address.options.get("pooling", asked_pooling(request))
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
        unit = request.reading.unit
        loaded = load_model(snapshot.path, address.name, modality, wanted, trusted=trusted, unit=unit)
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
            return image_encoder(card, loaded, snapshot.path, replace(request, pooling=wanted), trusted=trusted)
        return text_encoder(card, loaded, snapshot.path, address, request, trusted=trusted)


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
