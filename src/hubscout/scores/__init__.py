"""Transferability scores: one paper family a file, all on the same statistics."""

from hubscout.scores._spec import (
    FEATURE_INVARIANCES,
    INVARIANCES,
    Estimate,
    NullReference,
    ScoreSpec,
    get_spec,
    list_scores,
)
from hubscout.scores._spec import score as register_score
from hubscout.scores._value import ScoreValue
from hubscout.scores.consensus import consensus
from hubscout.scores.disco import disco
from hubscout.scores.discriminant import lda
from hubscout.scores.emms import emms
from hubscout.scores.etran import energy, etran
from hubscout.scores.evaluate import RECOMMENDED_SCORE, evaluate, score
from hubscout.scores.gbc import gbc
from hubscout.scores.h_score import h_score, h_score_shrunk
from hubscout.scores.held_out import held_out
from hubscout.scores.leep import leep, nce
from hubscout.scores.lfc import lfc
from hubscout.scores.logme import logme
from hubscout.scores.ncti import NctiTerms, ncti, ncti_terms
from hubscout.scores.nleep import nleep
from hubscout.scores.pactran import pactran
from hubscout.scores.parc import parc
from hubscout.scores.ped import ped
from hubscout.scores.probes import knn, linear_probe
from hubscout.scores.prototypes import nearest_centroid
from hubscout.scores.sfda import sfda
from hubscout.scores.spectral import alpha_req, rankme, stable_rank
from hubscout.scores.tmi import tmi
from hubscout.scores.transrate import transrate

__all__ = [
    "FEATURE_INVARIANCES",
    "INVARIANCES",
    "RECOMMENDED_SCORE",
    "Estimate",
    "NctiTerms",
    "NullReference",
    "ScoreSpec",
    "ScoreValue",
    "alpha_req",
    "consensus",
    "disco",
    "emms",
    "energy",
    "etran",
    "evaluate",
    "gbc",
    "get_spec",
    "h_score",
    "h_score_shrunk",
    "held_out",
    "knn",
    "lda",
    "leep",
    "lfc",
    "linear_probe",
    "list_scores",
    "logme",
    "nce",
    "ncti",
    "ncti_terms",
    "nearest_centroid",
    "nleep",
    "pactran",
    "parc",
    "ped",
    "rankme",
    "register_score",
    "score",
    "sfda",
    "stable_rank",
    "tmi",
    "transrate",
]
