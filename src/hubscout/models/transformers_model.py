"""Loading a model of transformers from a folder, and reading features and logits off one forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubscout._typing import Unit
from hubscout.errors import CandidateError
from hubscout.models.pooling import pool_tokens
from hubscout.models.reading import Readout
from hubscout.models.transformers_config import check_code, choose_pooling, choose_side, is_causal, read_config
from hubscout.models.transformers_pooling import pool_image, prefix_tokens, settle_pooling

_CLASSIFIERS = {
    "ForImageClassification": "AutoModelForImageClassification",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
}
# The head that gives logits for one row of the features; other heads are left out.
_HEADS_OF_UNITS: dict[Unit, dict[str, str]] = {
    "sample": _CLASSIFIERS,
    "pair": _CLASSIFIERS,
    "word": {"ForTokenClassification": "AutoModelForTokenClassification"},
}


@dataclass(frozen=True)
class Outcome:
    """What one forward pass gives.

    Parameters
    ----------
    base : ModelOutput
        Of the model without its head.
    before : Tensor of shape (b, d) or (b, tokens, d), or None
        What goes into the head.
    logits : Tensor of shape (b, source_classes) or (b, tokens, source_classes), or None
        What comes out of it.
    """

    base: Any
    before: Any = None
    logits: Any = None


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
    is_causal : bool
        Whether a token sees only what comes before it.
    """

    model: Any
    head: Any
    modality: str
    pooling: str
    has_pooler: bool
    notes: tuple[str, ...] = ()
    is_causal: bool = False
    _seen: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.head is not None:
            self.head.register_forward_pre_hook(lambda _module, args: self._seen.update(head=args[0]))
            self.model.base_model.register_forward_hook(lambda _module, _args, output: self._seen.update(base=output))

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """None: the features are the model's own output."""
        return ()

    @property
    def late_notes(self) -> tuple[str, ...]:
        """None: what a first batch tells is no news."""
        return ()

    def settle(self, inputs: dict[str, Any]) -> None:
        """Choose the pooling on a first batch."""
        settle_pooling(self, inputs)

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
        if self.pooling == "joint":
            mask = inputs.get("attention_mask")
            project = self.model.get_image_features if mask is None else self.model.get_text_features
            output = project(**inputs)
            return getattr(output, "pooler_output", output), None
        outcome = self.forward(inputs)
        return self.features(outcome, inputs), outcome.logits

    def forward(self, inputs: dict[str, Any], **settings: Any) -> Outcome:
        """Run the whole model once over a batch.

        Parameters
        ----------
        inputs : dict
            As for `run`.
        **settings
            Of the model's call, such as ``output_hidden_states``.

        Returns
        -------
        Outcome
        """
        output = self.model(**inputs, **settings)
        if self.head is None:
            return Outcome(output)
        before, base = self._seen.pop("head"), self._seen.pop("base")
        if before.ndim == 3 and output.logits.ndim == 2:  # a causal classifier reads every token and keeps the last
            before = pool_tokens(before, inputs["attention_mask"], "last")
            return Outcome(base, before, self.head(before))
        return Outcome(base, before, output.logits)

    def features(self, outcome: Outcome, inputs: dict[str, Any]) -> Any:
        """Make the rows of a batch from what its forward pass gave.

        Parameters
        ----------
        outcome : Outcome
            From `forward`.
        inputs : dict
            As for `run`.

        Returns
        -------
        Tensor of shape (b, d)
        """
        if outcome.before is not None and self.pooling == "head":
            return outcome.before
        output, mask = outcome.base, inputs.get("attention_mask")
        if self.pooling == "pooler":
            return output.pooler_output.flatten(1)
        hidden = last_hidden(output)
        if mask is not None:
            return pool_tokens(hidden, mask, self.pooling)
        return pool_image(hidden, prefix_tokens(self.model.base_model), self.pooling)


def last_hidden(output: Any) -> Any:
    """Return the last hidden state of an output, which some models give without its name."""
    return output[0] if getattr(output, "last_hidden_state", None) is None else output.last_hidden_state


def load_model(
    folder: Path, name: str, modality: str | None, pooling: str | None, *, trusted: bool, unit: Unit = "sample"
) -> LoadedModel:
    """Load a model from its folder.

    Parameters
    ----------
    folder : Path
        Of one snapshot.
    name : str
        How the user calls it.
    modality : {"image", "text"} or None
        Needed for a model that has both sides; None takes the image side.
    pooling : {"cls", "mean", "max", "last", "pooler"} or None
        None: what goes into the head of a classification checkpoint; for text the mean, or the last token
        of a causal model; for images the class token, else the model's own pooling, else the mean.
    trusted : bool
        Whether the folder's Python code may run.
    unit : {"sample", "pair", "box", "word", "point"}
        What a row of the features belongs to: decides which head, if any, is loaded.

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
    heads = _HEADS_OF_UNITS.get(unit, {})
    class_name = next((auto for suffix, auto in heads.items() if architecture.endswith(suffix)), "AutoModel")
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
    own = choose_pooling(model, head, architecture, side, pooling)
    causal = not config.is_encoder_decoder and is_causal(model.config.model_type, architecture)
    return LoadedModel(model, head, side, own, not missing["pooler"], notes, causal)


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
