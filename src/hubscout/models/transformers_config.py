"""What a model of transformers states about itself: whether it is safe, what it takes, how it is pooled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubscout.errors import CandidateError, UnsafeFileError, UsageError

# In each file, the key of the class that the model's own code would replace.
_KEYS_OF_CLASSES = {
    "config.json": "model_type",
    "tokenizer_config.json": "tokenizer_class",
    "preprocessor_config.json": "image_processor_type",
}


def read_config(folder: Path, file: str = "config.json") -> dict[str, Any]:
    """Read one of a model's settings files.

    Parameters
    ----------
    folder : Path
        Of the model.
    file : str
        Name of the file.

    Returns
    -------
    dict

    Raises
    ------
    CandidateError
        When it is missing or no JSON object.
    """
    try:
        config = json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"folder {str(folder)!r} holds no {file}; save the model there with save_pretrained()"
        raise CandidateError(msg) from None
    except (ValueError, OSError) as error:
        msg = f"{file} in {str(folder)!r} cannot be read ({type(error).__name__}); fetch it again"
        raise CandidateError(msg) from error
    if not isinstance(config, dict):
        msg = f"{file} in {str(folder)!r} must hold an object, got {type(config).__name__}"
        raise CandidateError(msg)
    return config


def check_code(folder: Path, name: str, *, trusted: bool) -> tuple[str, ...]:
    """Refuse a model that is not itself without its own Python code.

    Parameters
    ----------
    folder : Path
        With ``config.json``.
    name : str
        How the user calls the model.
    trusted : bool
        Whether its code may run.

    Returns
    -------
    tuple of str
        Sentences on code that is there and that transformers has a replacement for.

    Raises
    ------
    UnsafeFileError
        Naming the option that trusts it.

    Notes
    -----
    Libraries fall back to a general tokenizer when a special one's code is not run. That silently changes
    the tokens, and with them the model's rank, so a tokenizer that transformers does not know is refused
    too.
    """
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    notes: list[str] = []
    for file, key in _KEYS_OF_CLASSES.items():
        if trusted or not (folder / file).is_file():
            continue
        config = read_config(folder, file)
        if not config.get("auto_map"):
            continue
        stated = str(config.get(key) or "")
        if key == "model_type":
            is_known = stated in CONFIG_MAPPING_NAMES
        else:
            is_known = stated.isidentifier() and hasattr(transformers, stated)
        if not is_known:
            raise UnsafeFileError(untrusted(name))
        notes.append(f"Python code named in {file} is not run; transformers' own {stated!r} takes its place")
    return tuple(notes)


def untrusted(name: str) -> str:
    """Say how a model's own code is trusted."""
    return (
        f"model {name!r} comes with Python code of its own, which is not run; "
        f"read that code, and if you trust it add --trust-remote-code {name}"
    )


def choose_side(config: Any, modality: str | None, name: str) -> str:
    """Say whether a model takes images or text.

    Parameters
    ----------
    config : PretrainedConfig
        The model's own.
    modality : {"image", "text"} or None
        The user's choice, for a model with both sides.
    name : str
        How the user calls the model.

    Returns
    -------
    str
        ``image`` or ``text``.

    Raises
    ------
    UsageError
        When the model has no such side.
    """
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    two_sided = hasattr(config, "vision_config") and hasattr(config, "text_config")
    sees = two_sided or hasattr(config, "image_size") or config.model_type in IMAGE_PROCESSOR_MAPPING_NAMES
    side = modality or ("image" if sees else "text")
    if side != ("image" if sees else "text") and not two_sided:
        msg = f"model {name!r} takes {'images' if sees else 'text'}; leave modality={modality} out"
        raise UsageError(msg)
    return side


def choose_pooling(model: Any, head: Any, architecture: str, side: str, wanted: str | None) -> str:
    """Choose how token vectors become one, as far as the model's configuration tells.

    Parameters
    ----------
    model : PreTrainedModel
        The loaded model.
    head : torch.nn.Linear or None
        Of a classification checkpoint.
    architecture : str
        The class that saved the checkpoint.
    side : {"image", "text"}
        What it takes.
    wanted : str or None
        The user's choice.

    Returns
    -------
    str
        ``auto`` when only a forward pass tells.

    Raises
    ------
    UsageError
        When images are to be pooled by their last patch.
    """
    if callable(getattr(model, "get_image_features", None)) and callable(getattr(model, "get_text_features", None)):
        return "joint"
    if wanted is not None:
        if side == "image" and wanted == "last":
            msg = "pooling of an image model must be cls, mean, max or pooler, got 'last'"
            raise UsageError(msg)
        return wanted
    if head is not None:
        return "head"
    if side == "image":
        return "auto"
    return "last" if is_causal(model.config.model_type, architecture) else "mean"


def is_causal(model_type: str, architecture: str) -> bool:
    """Say whether a model's tokens see only what comes before them, as far as its kind tells.

    Parameters
    ----------
    model_type : str
        As ``config.json`` states it.
    architecture : str
        The class that saved the checkpoint.

    Returns
    -------
    bool
    """
    from transformers.models.auto import modeling_auto

    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        return True
    reads_both_ways = model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not reads_both_ways
