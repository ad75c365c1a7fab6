"""Which scores and variants a benchmark runs when it is not told."""

from __future__ import annotations

from collections.abc import Sequence

from hubscout._typing import TaskKind
from hubscout.errors import UsageError
from hubscout.evaluation.benchmark_variants import parse_variant

# Ablations of DISCO, each with the line it is compared with first.
ABLATIONS: dict[str, tuple[str, ...]] = {
    "covariance": (
        "disco",
        "disco(covariance=identity)",
        "disco(covariance=class)",
        "disco(compat=authors)",
    ),
    "groups": tuple(f"disco(n_groups={n})" for n in (1, 2, 4, 8, 16, 32)),
    "components": tuple(f"disco(n_components={n})" for n in ("64", "128", "256", "null")),
    "centring": ("disco", "disco(center=false)"),
    "normalisation": (
        "disco(covariance=identity)",
        "disco(covariance=identity)@unit_rms",
        "disco(covariance=identity)@standardised",
        "disco(compat=authors)@unit_rms",
        "sfda@unit_rms",
        "transrate@unit_rms",
    ),
    "cross-fitting": (
        "disco",
        "disco(cross_fit=5)",
        "disco(cross_fit=5,n_components=64)",
        "disco(covariance=identity,cross_fit=5)@unit_rms",
    ),
    "hard examples": (
        "disco",
        "disco(hard_fraction=0.5)",
        "disco@share=0.5",
        "disco(hard_fraction=0.25)",
        "disco@share=0.25",
    ),
    "probe size": tuple(
        f"{score}@n={n}" for score in ("disco", "logme", "knn", "linear_probe") for n in (100, 200, 400)
    ),
}
# Rank averages of scores that err differently.
COMBINATIONS = ("knn+linear_probe", "logme+knn", "logme+linear_probe", "knn+lda(cross_fit=5)", "disco(cross_fit=5)+knn")
_LABEL_FREE = ("rankme", "alpha_req", "stable_rank", "energy")


def plain_scores(kind: TaskKind = "classification") -> list[str]:
    """Return every score of a kind of task that needs no further arrays.

    Parameters
    ----------
    kind : str

    Returns
    -------
    list of str
    """
    from hubscout.scores import get_spec, list_scores

    return [name for name in list_scores(kind) if not get_spec(name).required_options]


def cross_fitted_scores(kind: TaskKind = "classification") -> list[str]:
    """Return the cross-fitted form of every score that has one.

    Parameters
    ----------
    kind : str

    Returns
    -------
    list of str
    """
    from hubscout.scores import get_spec

    return [f"{name}(cross_fit=5)" for name in plain_scores(kind) if "cross_fit" in get_spec(name).options]


def chosen_names(scores: str | Sequence[str] | None, variants: Sequence[str] | None) -> list[str]:
    """Settle what a benchmark runs.

    Parameters
    ----------
    scores : sequence of str, optional
        Scores, variants and combinations; every score and its cross-fitted form by default.
    variants : sequence of str, optional
        Names of `ABLATIONS`, ``all`` or ``none``; all by default, unless scores are given.

    Returns
    -------
    list of str
        Without repetitions, as `hubscout.evaluation.benchmark_variants.Variant` writes them.

    Raises
    ------
    UsageError
        When a score, an option or an ablation does not exist.

    Examples
    --------
    >>> chosen_names(["knn", "knn + logme"], None)
    ['knn', 'knn+logme']
    """
    words = (
        [*plain_scores(), *cross_fitted_scores(), *COMBINATIONS]
        if scores is None
        else [scores]
        if isinstance(scores, str)
        else list(scores)
    )
    families = variants if variants is not None else (["all"] if scores is None else ["none"])
    for family in families:
        if family == "all":
            words += [name for names in ABLATIONS.values() for name in names]
        elif family != "none":
            if family not in ABLATIONS:
                msg = f"variants (--variants) must be all, none, or among {', '.join(ABLATIONS)}, got {family!r}"
                raise UsageError(msg)
            words += ABLATIONS[family]
    found = list(dict.fromkeys("+".join(str(parse_variant(part)) for part in word.split("+")) for word in words))
    for name in found:
        _check(name)
    return found


def selection_candidates(names: Sequence[str]) -> list[str]:
    """Return what the recommended score is chosen among: all that were run on the whole probe, with labels.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    list of str
    """
    found = []
    for name in names:
        parts = [parse_variant(part) for part in name.split("+")]
        if all(part.samples is None and part.share is None and part.score not in _LABEL_FREE for part in parts):
            found.append(name)
    return found


def _check(name: str) -> None:
    from hubscout.scores import get_spec

    for part in name.split("+"):
        variant = parse_variant(part)
        known = get_spec(variant.score).options
        for option, _ in variant.options:
            if option not in known:
                msg = f"score {variant.score!r} has no option {option!r}; its options: {', '.join(known) or 'none'}"
                raise UsageError(msg)
