"""How well even a perfect score could agree with a truth that was measured on finite test samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubscout.evaluation.bootstrap import weighted_taus
from hubscout.evaluation.task_truth import TaskTruth


@dataclass(frozen=True)
class Ceiling:
    """Agreement of a truth with itself measured again.

    Parameters
    ----------
    task : str
    mean_tau : float
        Mean weighted tau, in SciPy's convention.
    low, high : float
        5th and 95th percentile.
    regret : float
        Mean regret@1 of ordering by the second measurement, as a share.
    """

    task: str
    mean_tau: float
    low: float
    high: float
    regret: float


def noise_ceiling(truth: TaskTruth, *, n_draws: int = 1000, seed: int = 0) -> Ceiling | None:
    r"""Measure a truth again in thought.

    Each accuracy :math:`p` gets the noise of its measurement: binomial with ``n_test`` samples, or normal with the
    stated standard error.

    Parameters
    ----------
    truth : TaskTruth
        With ``n_test`` or ``errors``.
    n_draws, seed : int
        Draws of the noise.

    Returns
    -------
    Ceiling or None
        None where neither is known, or there is no order.

    Notes
    -----
    The measured accuracies already hold noise, so they spread more than the true ones, and the ceiling is a little too
    high. The noise of fine-tuning itself (seeds, learning rates) is not in it.

    Examples
    --------
    >>> found = noise_ceiling(TaskTruth("a", {"x": 0.5, "y": 0.7, "z": 0.9}, n_test=10000))
    >>> round(found.mean_tau, 2)
    1.0
    """
    values = np.array(list(truth.values.values()))
    if len(values) < 3 or np.ptp(values) == 0:
        return None
    rng = np.random.default_rng(seed)
    if len(truth.errors) == len(values):
        errors = np.array([truth.errors[name] for name in truth.values])
        again = values + errors * rng.standard_normal((n_draws, len(values)))
    elif truth.n_test and truth.unit is not None:
        shares = np.clip(values * truth.unit, 0, 1)
        again = rng.binomial(truth.n_test, shares, (n_draws, len(values))) / truth.n_test
    else:
        return None
    taus = weighted_taus(again, np.broadcast_to(values, again.shape))
    # Of candidates that tie in the second measurement, the worst is taken, as in regret@1.
    firsts = np.where(again == again.max(axis=1, keepdims=True), values, np.inf).min(axis=1)
    regret = float((values.max() - firsts).mean()) * (truth.unit or 1.0)
    low, high = np.nanquantile(taus, [0.05, 0.95])
    return Ceiling(truth.task, float(np.nanmean(taus)), float(low), float(high), regret)
