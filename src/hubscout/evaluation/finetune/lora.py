"""Low-rank adapters beside the linear layers of a transformer."""

from __future__ import annotations

from hubscout._optional import require
from hubscout.evaluation.finetune.randomness import own_randomness
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.trainable import Trainable


def add_adapters(candidate: Trainable, recipe: Recipe) -> Trainable:
    r"""Freeze a transformer and let adapters learn in its place.

    Parameters
    ----------
    candidate : Trainable
        Of an ``hf:`` address; its module is changed.
    recipe : Recipe
        Rank r, alpha and dropout of the adapters.

    Returns
    -------
    Trainable
        The same; only adapters, and later the new head, learn.

    Raises
    ------
    MissingExtraError
        When peft is not installed.

    Notes
    -----
    Each linear layer :math:`W x` becomes :math:`W x + \frac{\alpha}{r} B A x` with A of shape (r, in) and B of shape
    (out, r), which starts at zero, so that training starts at the pre-trained model.

    References
    ----------
    .. [1] E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, arXiv:2106.09685.
    """
    peft = require("peft", "lora", "recipes of method lora")
    import torch

    config = peft.LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules="all-linear",
        bias="none",
    )
    with own_randomness(candidate.device):
        torch.manual_seed(recipe.seeds[0])
        peft.inject_adapter_in_model(config, candidate.module)
    for name, parameter in candidate.module.named_parameters():
        parameter.requires_grad_("lora_" in name)
    candidate.module.to(candidate.device)
    return candidate
