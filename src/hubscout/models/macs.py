"""What a forward pass of a torch model costs: multiplications with an addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def count_macs(run: Callable[[], Any]) -> int | None:
    """Count the multiplications with an addition that torch does: those of convolutions, products and attention.

    Parameters
    ----------
    run : callable
        A forward pass, which happens once.

    Returns
    -------
    int or None
        Half of the floating-point operations; None when torch did none of these, as where another library runs.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(8, 4)
    >>> count_macs(lambda: layer(torch.ones(1, 8)))
    32
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # Of the fused kernels of attention the counter knows those of GPUs only; written out, both are the same products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2 or None
