"""From an address to a candidate that learns: one table of openers, none imported before it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import cast

from hubscout._typing import Modality
from hubscout.errors import CandidateError, HubscoutError
from hubscout.evaluation.finetune.recipe import Method
from hubscout.evaluation.finetune.trainable import Trainable
from hubscout.models.address import Address, parse_address
from hubscout.models.loading import load_encoder, summarise

# scheme -> "module:function"; the function takes (Address, ModelCard, trusted: whether its own code may run).
OPENERS = {
    "hf": "hubscout.evaluation.finetune.transformers_models:open_transformers",
    "timm": "hubscout.evaluation.finetune.timm_models:open_timm",
    "torch": "hubscout.evaluation.finetune.torch_models:open_torch",
}


def check_method(address: Address | str, method: Method) -> None:
    """Refuse a method that an address cannot be fine-tuned by.

    Parameters
    ----------
    address : Address or str
        Of the candidate.
    method : {"full", "linear-probe", "lora"}
        Asked for.

    Raises
    ------
    CandidateError
        Naming what works.
    """
    scheme = parse_address(str(address)).scheme
    if method == "linear-probe":
        return
    if scheme not in OPENERS:
        other = "the same as hf:, or " if scheme == "st" else ""
        msg = (
            f"candidate {str(address)!r} cannot be trained, as {scheme}: addresses are only read; take {other}"
            "--method linear-probe"
        )
        raise CandidateError(msg)
    if method == "lora" and scheme != "hf":
        msg = f"candidate {str(address)!r} takes no LoRA, which is for hf: addresses; take --method full"
        raise CandidateError(msg)


def open_trainable(
    address: Address | str,
    *,
    modality: Modality,
    device: str = "auto",
    trust_remote_code: Collection[str] = (),
) -> Trainable:
    """Open a candidate for training, with fresh pre-trained weights.

    Parameters
    ----------
    address : Address or str
        Of the schemes ``timm``, ``hf`` and ``torch``.
    modality : {"image", "text"}
        What the samples are.
    device : str
        As in `hubscout.rank`.
    trust_remote_code : collection of str
        Names of models whose own code may run.

    Returns
    -------
    Trainable

    Raises
    ------
    CandidateError
        When it cannot be opened, or takes something else.
    MissingExtraError
        When its library is not installed.
    """
    parsed = parse_address(str(address))
    check_method(parsed, "full")
    # The same card as in a ranking says that it is the same model, and that its options are right.
    card = load_encoder(parsed, device=device, trust_remote_code=trust_remote_code).card
    if card.modality != modality:
        msg = f"candidate {str(address)!r} takes {card.modality} inputs and the target holds {modality}"
        raise CandidateError(msg)
    names = {str(parsed), f"{parsed.scheme}:{parsed.name}", parsed.name}
    module, _, function = OPENERS[parsed.scheme].partition(":")
    try:
        opener = getattr(importlib.import_module(module), function)
        return cast(Trainable, opener(parsed, card, trusted=bool(names & set(trust_remote_code))))
    except HubscoutError:
        raise
    except Exception as error:
        # Frameworks raise whatever they like at a bad file; one candidate must not end the others.
        msg = f"candidate {str(address)!r} cannot be opened for training: {summarise(error)}"
        raise CandidateError(msg) from error
