"""The bundled hub: small real encoders that come with the package, ``bundled:name``."""

from __future__ import annotations

import csv
import difflib
import hashlib
import importlib.resources
import json
from importlib.resources.abc import Traversable

from hubscout.errors import CandidateError
from hubscout.models.address import Address
from hubscout.models.card import Encoder, ModelCard
from hubscout.models.image_transform import ImageTransform
from hubscout.models.loading import LoadRequest, check_options
from hubscout.models.onnx import finish_image, loader
from hubscout.models.onnx_session import device_of, open_onnx

MANIFEST = "manifest.csv"


def hub() -> Traversable:
    """Return the folder of the bundled hub, wherever the package is installed."""
    return importlib.resources.files("hubscout.models").joinpath("bundled_hub")


def read_manifest() -> dict[str, dict[str, str]]:
    """Read the facts of the bundled encoders.

    Returns
    -------
    dict of str to dict of str to str
        By name, in the order of the manifest.

    Raises
    ------
    CandidateError
        When the package was installed without them.
    """
    file = hub().joinpath(MANIFEST)
    if not file.is_file():
        msg = "the bundled hub is missing from this installation; install hubscout again from a wheel or its sources"
        raise CandidateError(msg)
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {row["name"]: row for row in rows}


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a bundled encoder. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ())
    rows = read_manifest()
    if address.name not in rows:
        near = difflib.get_close_matches(address.name, rows, n=1)
        advice = f"did you mean 'bundled:{near[0]}'?" if near else f"it has {', '.join(rows)}"
        msg = f"the bundled hub has no encoder {address.name!r}; {advice}"
        raise CandidateError(msg)
    row = rows[address.name]
    content = hub().joinpath(row["file"]).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != row["sha256"]:
        msg = f"bundled encoder {address.name!r} is damaged: its SHA-256 is not the manifest's; install hubscout again"
        raise CandidateError(msg)
    model = open_onnx(content, row["file"], device=request.device, features="features")
    channels, size = int(row["channels"]), int(row["input_size"])
    transform = ImageTransform(size, size, mean=_numbers(row["mean"], channels), std=_numbers(row["std"], channels))
    facts = ModelCard(
        address=str(address),
        identity=f"sha256:{digest}",
        modality="image",
        transform={"library": "onnx"},
        feature_dim=int(row["feature_dim"]),
        licence=row.get("licence") or None,
        loader=loader(),
        device=device_of(model),
    )
    stated = {"library": "onnx", "features": "features", **transform.to_dict(), "layout": "NCHW"}
    encoder = finish_image(facts, request, model, transform, stated)
    return _with_parameters(encoder, int(row["n_parameters"]))


def _with_parameters(encoder: Encoder, n_parameters: int) -> Encoder:
    """Take the number from the manifest, which knows it where the ``onnx`` library is not installed."""
    from dataclasses import replace

    encoder.card = replace(encoder.card, n_parameters=n_parameters)
    return encoder


def _numbers(text: str, channels: int) -> tuple[float, ...]:
    """Read one number, or one a channel, written as JSON or separated by semicolons or spaces."""
    values = json.loads("[" + ",".join(text.strip("[] ").replace(";", ",").replace(",", " ").split()) + "]")
    numbers = tuple(float(value) for value in values)
    return numbers * channels if len(numbers) == 1 else numbers
