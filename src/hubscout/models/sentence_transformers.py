"""Text encoders of sentence-transformers: ``st:org/name@revision`` or ``st:./folder``.

The model's own modules do everything, so that its pooling, normalisation and prompts are what its authors
meant. Options: ``prompt_name=`` (one of the model's prompts) or ``prompt=`` (put before every text);
``pair=vectors|joint`` (how pairs of texts are read) and ``subword=mean|first`` (how words are).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hubscout._optional import check_installed
from hubscout._preflight import quiet_hub
from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models import torch_runtime
from hubscout.models.address import Address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.hub import Snapshot, locate
from hubscout.models.loading import LoadRequest, check_options, unused_pooling
from hubscout.models.sentence_readings import read_sentences
from hubscout.models.transformers import no_untrusted_code
from hubscout.models.transformers_config import check_code, read_config, untrusted


@dataclass(frozen=True)
class PreparedText:
    """A text and its number of tokens, by which the loop batches.

    Parameters
    ----------
    text : str
        As it came; the model's own modules tokenize it.
    n_tokens : int
        After truncation.
    """

    text: str
    n_tokens: int

    def __len__(self) -> int:
        return self.n_tokens


class SentenceEncoder:
    """A model of sentence-transformers.

    Parameters
    ----------
    card : ModelCard
        Its facts.
    model : sentence_transformers.SentenceTransformer
        On its device.
    prompt : str or None
        Put before every text; None for the model's default prompt.
    """

    def __init__(self, card: ModelCard, model: Any, prompt: str | None) -> None:
        self.card = card
        self._model = model
        self._prompt = prompt
        self._one_at_a_time = threading.Lock()  # the tokenizer's truncation is shared state

    def prepare(self, sample: str) -> PreparedText:
        """Count one text's tokens."""
        with self._one_at_a_time:
            tokens = self._model.preprocess([sample], prompt=self._prompt)
        ids = tokens.get("input_ids")
        return PreparedText(sample, int(ids.numel()) if ids is not None else len(sample.split()))

    def encode(self, prepared: Sequence[PreparedText]) -> EncodedBatch:
        """Run the model's own modules once over a batch."""
        with torch_runtime.forward_pass():
            features = self._model.encode(
                [item.text for item in prepared],
                batch_size=len(prepared),
                prompt=self._prompt,
                show_progress_bar=False,
                convert_to_tensor=True,
            )
            return EncodedBatch(torch_runtime.to_numpy(features))


def load(address: Address, request: LoadRequest) -> Encoder:
    """Load a model of sentence-transformers. See `hubscout.models.loading.load_encoder`."""
    check_options(address, ("prompt", "prompt_name", "pair", "subword"))
    quiet_hub()
    for module in ("torch", "transformers", "sentence_transformers"):
        check_installed(module, "hf", "st: addresses")
    trusted = request.trusts(address)
    # Before the libraries are imported: they take seconds, and read the offline mode only once.
    snapshot = locate(address, with_code=trusted)
    snapshot.check()
    torch_runtime.check_torchvision("st: addresses")
    import sentence_transformers

    modules = _check_modules(snapshot.path, address.name, trusted=trusted)
    device = torch_runtime.choose_device(request.device)
    with no_untrusted_code(address.name):
        model = sentence_transformers.SentenceTransformer(
            str(snapshot.path), device=device, local_files_only=True, trust_remote_code=trusted
        )
    model = torch_runtime.ready(model, device)
    prompt, prompt_name = _prompt(model, address)
    transform = {
        "library": "sentence-transformers",
        "modules": modules,
        "max_length": getattr(model, "max_seq_length", None),
        "prompt": prompt,
        "prompt_name": prompt_name,
        "similarity": str(getattr(model, "similarity_fn_name", None) or ""),
        "truncate_dim": model.truncate_dim,
        **snapshot.facts(),
        **_module_settings(snapshot.path, modules),
    }
    card = _card(
        snapshot, transform, model, device, f"sentence-transformers {sentence_transformers.__version__}", request
    )
    encoder = SentenceEncoder(card, model, prompt)
    width = encoder.encode([encoder.prepare("The quick brown fox")]).features.shape[1]
    encoder.card = replace(card, feature_dim=int(width))
    return read_sentences(encoder, model, prompt or "", address, request)


def _card(
    snapshot: Snapshot, transform: dict[str, Any], model: Any, device: str, loader: str, request: LoadRequest
) -> ModelCard:
    return ModelCard(
        address=str(snapshot.address),
        identity=snapshot.identity,
        modality="text",
        transform=transform,
        feature_dim=0,
        n_parameters=torch_runtime.count_parameters(model),
        licence=snapshot.licence,
        loader=loader,
        device=device,
        notes=unused_pooling(request) if request.reading.layers is None and request.reading.unit != "word" else (),
    )


def _check_modules(folder: Path, name: str, *, trusted: bool) -> list[dict[str, str]]:
    """Read the list of modules, and refuse classes that do not come with the library."""
    file = folder / "modules.json"
    if not file.is_file():
        msg = f"folder of {name!r} holds no modules.json, so its pooling is unknown; load it as hf:{name} instead"
        raise CandidateError(msg)
    try:
        modules = [
            {"type": str(item["type"]), "path": str(item.get("path", ""))}
            for item in json.loads(file.read_text(encoding="utf-8"))
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"modules.json of {name!r} cannot be read ({type(error).__name__}); fetch it again"
        raise CandidateError(msg) from error
    for module in modules:
        inside = (folder / module["path"]).resolve()
        if not inside.is_relative_to(folder.resolve()):
            msg = f"modules.json of {name!r} points out of its folder, to {module['path']!r}; it is refused"
            raise UnsafeFileError(msg)
        if not trusted and not module["type"].startswith("sentence_transformers."):
            raise UnsafeFileError(untrusted(name))
        if (inside / "config.json").is_file():
            check_code(inside, name, trusted=trusted)
    return modules


def _prompt(model: Any, address: Address) -> tuple[str | None, str | None]:
    """Settle the prompt: the address's own, one of the model's by name, or the model's default."""
    if "prompt" in address.options:
        return address.options["prompt"], None
    name = address.options.get("prompt_name", model.default_prompt_name)
    if name is None:
        return None, None
    if name not in model.prompts:
        known = ", ".join(map(repr, model.prompts)) or "none"
        msg = f"prompt_name must be one of the model's prompts ({known}), got {name!r}"
        raise UsageError(msg)
    return str(model.prompts[name]), name


def _module_settings(folder: Path, modules: list[dict[str, str]]) -> dict[str, Any]:
    """Collect the settings of pooling and its neighbours, which decide the features as much as the weights do."""
    settings = {}
    for module in modules:
        file = folder / module["path"] / "config.json"
        if module["path"] and file.is_file():
            settings[module["path"]] = read_config(file.parent)
    return settings
