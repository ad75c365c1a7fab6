"""Vision models of timm: ``timm:resnet50.a1_in1k``, ``timm:hf-hub:org/name``, ``timm:local-dir:/folder``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hubscout._optional import check_installed, require
from hubscout._preflight import hub_is_reachable, quiet_hub
from hubscout.errors import CandidateError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.hub import locate
from hubscout.models.image_input import ImageInput
from hubscout.models.image_readings import read_maps, reads_maps
from hubscout.models.image_transform import ImageTransform
from hubscout.models.loading import LoadRequest, check_options, unused_pooling
from hubscout.models.timm_maps import IntermediateMaps

_DESCRIBED = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode")


class TimmEncoder:
    """A timm model with its own evaluation transform.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    transform : callable
        From a picture to a tensor of shape (channels, height, width).
    run : callable
        From a batch to (features, logits or None), see `hubscout.models.torch_runtime.split_head`.
    """

    def __init__(self, card: ModelCard, transform: Callable[[Any], Any], run: Callable[[Any], Any]) -> None:
        self.card = card
        self._transform = transform
        self._run = run

    def prepare(self, sample: Any) -> Any:
        """Transform one picture with the model's own evaluation transform."""
        return self._transform(sample)

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        """Run the trunk and the head once over a batch."""
        with torch_runtime.forward_pass():
            features, logits = self._run(torch_runtime.image_batch(prepared, self.card.device))
            return EncodedBatch(
                torch_runtime.to_numpy(torch_runtime.pool_map(features)),
                None if logits is None else torch_runtime.to_numpy(logits),
            )


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a timm model. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ())
    if not address.is_local:
        hub_is_reachable()  # before timm imports the hub's library, which reads the offline mode only once
    timm = import_timm()
    device = torch_runtime.choose_device(request.device)
    model, pinned, identity, licence = _create(timm, address)
    if len(getattr(model, "pretrained_cfg", {}).get("input_size") or (3, 0, 0)) != 3:
        msg = f"timm model {address.name!r} states no input size of the form (channels, height, width)"
        raise CandidateError(msg)
    model = torch_runtime.ready(model, device)
    config = timm.data.resolve_model_data_config(model)
    facts = ModelCard(
        address=str(pinned),
        identity=identity or torch_runtime.state_digest(model),
        modality="image",
        transform={"library": "timm"},
        feature_dim=0,
        licence=licence or model.pretrained_cfg.get("license"),
        loader=f"timm {timm.__version__}",
        device=device,
    )
    transform = timm.data.create_transform(**config, is_training=False)
    stated = {key: _plain(config.get(key)) for key in _DESCRIBED}
    if reads_maps(request.reading):
        source = IntermediateMaps(model, device, _example(config, device))
        return read_maps(source, request, facts, ImageInput(transform, stated, _pixels(config)))
    run, width, n_classes = _try_out(model, config, device)
    card = replace(
        facts,
        transform={**facts.transform, **stated},
        feature_dim=width,
        n_parameters=torch_runtime.count_parameters(model, without=model.get_classifier() if n_classes else None),
        source_classes=n_classes,
        notes=unused_pooling(request),
    )
    return TimmEncoder(card, transform, run)


def import_timm() -> Any:
    """Import timm, or say in one sentence what is missing.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        When it is not installed, or torchvision does not match torch.
    """
    quiet_hub()
    for module in ("torch", "torchvision", "timm"):
        check_installed(module, "timm", "timm: addresses")
    torch_runtime.check_torchvision("timm: addresses")
    timm = require("timm", "timm", "timm: addresses")
    require("timm.data", "timm", "timm: addresses")
    return timm


def _create(timm: Any, address: Address) -> tuple[Any, Address, str | None, str | None]:
    """Build the model; return it with its pinned address, identity (None: digest the state) and licence."""
    if ":" in address.name:
        snapshot = locate(address)
        snapshot.check()
        return (
            timm.create_model(f"local-dir:{snapshot.path}", pretrained=True),
            snapshot.address,
            snapshot.identity,
            snapshot.licence,
        )
    _check_name(timm, address.name)
    cfg = timm.get_pretrained_cfg(address.name)
    if cfg.hf_hub_id is None or cfg.custom_load:
        return timm.create_model(address.name, pretrained=True), address, None, None
    snapshot = locate(Address("timm", f"hf-hub:{cfg.hf_hub_id}", address.revision))
    snapshot.check()
    named = [file for file in snapshot.weights if file.name == cfg.hf_hub_filename]
    file = named[0] if named else snapshot.weights[0]
    # With the file given timm still applies the model's own key remapping, and asks the hub nothing.
    model = timm.create_model(address.name, pretrained=True, pretrained_cfg_overlay={"file": str(file)})
    revision = snapshot.address.revision or ""
    return model, address.with_revision(revision), snapshot.identity, snapshot.licence


def _check_name(timm: Any, name: str) -> None:
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1)
        advice = f"did you mean 'timm:{near[0]}'?" if near else "list them with: hubscout models 'timm:*'"
        msg = f"timm has no model {architecture!r}; {advice}"
        raise CandidateError(msg)
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    tags += [""] if timm.is_model_pretrained(architecture) else []
    if not tags:
        msg = f"timm model {architecture!r} comes without pre-trained weights; give a folder: timm:local-dir:/folder"
        raise CandidateError(msg)
    if tag and tag not in tags:
        msg = f"timm model {architecture!r} has no weights {tag!r}; it has {', '.join(filter(None, tags))}"
        raise CandidateError(msg)


def _try_out(model: Any, config: dict[str, Any], device: str) -> tuple[Callable[[Any], Any], int, int | None]:
    run, (features, logits) = torch_runtime.split_head(model, _example(config, device))
    width = int(torch_runtime.pool_map(features).shape[1])
    return run, width, None if logits is None else int(logits.shape[1])


def _example(config: dict[str, Any], device: str) -> Any:
    import torch

    return torch.rand(1, *config["input_size"], generator=torch.Generator().manual_seed(0)).to(device)


def _pixels(config: dict[str, Any]) -> ImageTransform:
    _, height, width = config["input_size"]
    mean, std = (tuple(float(number) for number in config[key]) for key in ("mean", "std"))
    return ImageTransform(height, width, mean, std, config["interpolation"])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
