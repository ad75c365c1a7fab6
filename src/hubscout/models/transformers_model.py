"""Loading a model of transformers from a folder, and reading features and logits off one forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubscout.errors import CandidateError, UsageError
from hubscout.models.pooling import TOKEN_POOLINGS, pool_tokens
from hubscout.models.transformers_config import check_code, choose_pooling, choose_side, read_config

_CLASSIFIERS = {
    "ForImageClassification": "AutoModelForImageClassification",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
}


@dataclass
class LoadedModel:
    """A model and what we read off it.

    Parameters
    ----------
    model : PreTrainedModel
        The whole model, or the encoder of an encoder-decoder.
    head : torch.nn.Linear or None
        The last layer of a classification checkpoint.
    modality : {"image", "text"}
        Which side of a two-sided model is used.
    pooling : str
        ``head`` takes what goes into the head; ``joint`` a two-sided model's common space.
    has_pooler : bool
        Whether ``pooler_output`` comes from trained weights.
    notes : tuple of str
        For the card.
    """

    model: Any
    head: Any
    modality: str
    pooling: str
    has_pooler: bool
    notes: tuple[str, ...] = ()
    _seen: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.head is not None:
            self.head.register_forward_pre_hook(lambda _module, args: self._seen.update(head=args[0]))
            self.model.base_model.register_forward_hook(lambda _module, _args, output: self._seen.update(base=output))

    def run(self, inputs: dict[str, Any]) -> tuple[Any, Any]:
        """Run one batch.

        Parameters
        ----------
        inputs : dict
            ``pixel_values``, or ``input_ids`` and ``attention_mask``.

        Returns
        -------
        features : Tensor of shape (b, d)
        logits : Tensor of shape (b, source_classes) or None
        """
        mask = inputs.get("attention_mask")
        if self.pooling == "joint":
            project = self.model.get_image_features if mask is None else self.model.get_text_features
            output = project(**inputs)
            return getattr(output, "pooler_output", output), None
        output = self.model(**inputs)
        if self.head is None:
            return self._pool(output, mask), None
        before, base = self._seen.pop("head"), self._seen.pop("base")
        if before.ndim == 3:  # a causal classifier reads every token and keeps the last
            before = pool_tokens(before, mask, "last")
            logits = self.head(before)
        else:
            logits = output.logits
        return before if self.pooling == "head" else self._pool(base, mask), logits

    def _pool(self, output: Any, mask: Any) -> Any:
        hidden = output[0] if getattr(output, "last_hidden_state", None) is None else output.last_hidden_state
        if self.pooling == "pooler":
            return output.pooler_output.flatten(1)
        if hidden.ndim == 4:
            return hidden.mean((2, 3))
        if mask is not None:
            return pool_tokens(hidden, mask, self.pooling)
        n_prefix = prefix_tokens(self.model.base_model)
        return hidden[:, 0] if self.pooling == "cls" else hidden[:, n_prefix:].mean(1)


def load_model(folder: Path, name: str, modality: str | None, pooling: str | None, *, trusted: bool) -> LoadedModel:
    """Load a model from its folder.

    Parameters
    ----------
    folder : Path
        Of one snapshot.
    name : str
        How the user calls it.
    modality : {"image", "text"} or None
        Needed for a model that has both sides; None takes the image side.
    pooling : {"cls", "mean", "last", "pooler"} or None
        None: what goes into the head of a classification checkpoint; for text the mean, or the last token
        of a causal model; for images the class token, else the model's own pooling, else the mean.
    trusted : bool
        Whether the folder's Python code may run.

    Returns
    -------
    LoadedModel
        In float32, not yet on a device.

    Raises
    ------
    UnsafeFileError
        When the model needs its own code and is not trusted.
    CandidateError
        When weights are missing.
    """
    import torch
    import transformers

    raw = read_config(folder)
    notes = check_code(folder, name, trusted=trusted)
    architecture = str((raw.get("architectures") or [""])[0])
    class_name = next((auto for suffix, auto in _CLASSIFIERS.items() if architecture.endswith(suffix)), "AutoModel")
    config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trusted)
    notes = (*notes, *_settle(config))
    has_safetensors = any(folder.glob("*.safetensors"))
    model, info = getattr(transformers, class_name).from_pretrained(
        str(folder),
        config=config,
        dtype=torch.float32,
        use_safetensors=has_safetensors,
        local_files_only=True,
        trust_remote_code=trusted,
        output_loading_info=True,
    )
    missing = _check_complete(name, info, model)
    head = _find_head(model) if class_name != "AutoModel" else None
    if head is not None and missing["head"]:
        head, notes = None, (*notes, "the checkpoint's head has no weights, so there are no source logits")
    if head is None and class_name != "AutoModel":
        model = model.base_model
    side = choose_side(config, modality, name)
    if config.is_encoder_decoder:
        model, head = model.get_encoder(), None
    return LoadedModel(
        model, head, side, choose_pooling(model, head, architecture, side, pooling), not missing["pooler"], notes
    )


def _settle(config: Any) -> tuple[str, ...]:
    """Switch off what would make features random."""
    if getattr(config, "mask_ratio", None):
        config.mask_ratio = 0.0
        return ("the model hides patches at random while it trains; hiding is off",)
    return ()


def _check_complete(name: str, info: dict[str, Any], model: Any) -> dict[str, bool]:
    """Libraries only warn about weights that are not in the file, and fill them with random numbers."""
    head = _find_head(model)
    head_names = {key for key, module in model.named_modules() if module is head} if head is not None else set()
    found = {"pooler": False, "head": False}
    lost = []
    for key in sorted(info["missing_keys"]):
        if "pooler" in key.split("."):
            found["pooler"] = True
        elif key.rpartition(".")[0] in head_names:
            found["head"] = True
        else:
            lost.append(key)
    if lost:
        msg = f"model {name!r} lacks {len(lost)} of its weights, such as {lost[0]!r}; fetch or save it again"
        raise CandidateError(msg)
    return found


def _find_head(model: Any) -> Any:
    """Return the last linear layer outside the base model that is as wide as the number of classes."""
    import torch

    inside = {id(module) for module in model.base_model.modules()} if model.base_model is not model else set()
    fitting = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
        and id(module) not in inside
        and module.out_features == model.config.num_labels
    ]
    return fitting[-1] if fitting and inside else None


def settle_pooling(loaded: LoadedModel, inputs: dict[str, Any]) -> None:
    """Choose the pooling of an image model, and check the one that was asked for, on a first batch.

    Parameters
    ----------
    loaded : LoadedModel
        Changed in place.
    inputs : dict
        One batch.

    Raises
    ------
    UsageError
        When the model has no such pooling.
    """
    if loaded.pooling not in ("auto", "cls", "pooler") or (loaded.modality == "text" and loaded.pooling == "cls"):
        return
    base = loaded.model.base_model
    output = base(**inputs)
    pooled = getattr(output, "pooler_output", None)
    has_pooler = pooled is not None and loaded.has_pooler
    has_cls = output[0].ndim == 3 and prefix_tokens(base) > 0
    possible = {"cls": has_cls, "pooler": has_pooler, "mean": True}
    if loaded.pooling == "auto":
        loaded.pooling = next(name for name, there in possible.items() if there)
    elif not possible[loaded.pooling]:
        others = [name for name, there in possible.items() if there]
        what = "trained pooler" if loaded.pooling == "pooler" else "class token"
        if loaded.modality == "text":
            others = list(TOKEN_POOLINGS)
        msg = f"pooling {loaded.pooling!r} cannot be used: the model has no {what}; use {' or '.join(others)}"
        raise UsageError(msg)


def prefix_tokens(model: Any) -> int:
    """Count the tokens before an image's patches: class, distillation and register tokens."""
    names = [name.rpartition(".")[2] for name, _ in model.named_parameters()]
    n_named = sum(name in names for name in ("cls_token", "class_embedding", "distillation_token"))
    return n_named + (int(getattr(model.config, "num_register_tokens", 0) or 0) if n_named else 0)
