"""Every registered score has all its facts, its documentation and an independent test."""

from __future__ import annotations

import inspect
import re
from typing import get_args

import pytest

import hubscout.scores
from hubscout._typing import TaskKind
from hubscout.errors import UsageError
from hubscout.scores import INVARIANCES, Estimate, get_spec, list_scores, register_score
from hubscout.scores._spec import REGISTRY

# Where each score is compared with values that its own code had no part in. A new score needs a line here.
EVIDENCE = {
    "disco": "test_golden.py, test_disco.py: authors' values, explicit densities and pseudo-inverses",
    "h_score": "test_golden.py, test_h_score.py: authors' values, pseudo-inverse",
    "h_score_shrunk": "test_golden.py, test_h_score.py: authors' values, scikit-learn's Ledoit-Wolf",
    "consensus": "test_consensus.py: the sum of two scores that are proved alone",
    "held_out": "test_held_out.py: refits without each sample or group, explicit inverses",
    "leep": "test_golden.py, test_leep.py: authors' values, loops",
    "nce": "test_golden.py, test_leep.py: authors' values, loops",
    "logme": "test_golden.py, test_logme.py: authors' values, numerical maximisation of the evidence",
    "lda": "test_discriminant.py: explicit inverses, scikit-learn's Ledoit-Wolf",
    "sfda": "test_golden.py, test_sfda.py: authors' values, loops over samples",
    "ped": "test_ped.py: loops over pairs of classes and samples",
    "nleep": "test_nleep.py: mixture point by point with SciPy's densities, LEEP by loops",
    "gbc": "test_golden.py, test_gbc.py: authors' values, explicit determinants, loops over pairs",
    "etran": "test_golden.py, test_etran.py: authors' values, explicit densities, refits",
    "energy": "test_etran.py: SciPy's logsumexp",
    "ncti": "test_golden.py, test_ncti.py: authors' values, explicit singular values",
    "transrate": "test_golden.py, test_transrate.py: authors' values, explicit determinants",
    "tmi": "test_golden.py, test_tmi.py: authors' values, loops",
    "emms": "test_emms.py: explicit hat matrices, least squares as published",
    "parc": "test_parc.py: Spearman over all pairs, scikit-learn's components",
    "lfc": "test_parc.py: both Gram matrices in full",
    "pactran": "test_pactran.py: SciPy's optimiser, second derivatives one by one, loops",
    "rankme": "test_spectral.py: NumPy's plain singular values, loops",
    "alpha_req": "test_spectral.py: NumPy's polyfit, exact power laws",
    "stable_rank": "test_spectral.py: NumPy's plain singular values",
    "knn": "test_probes.py: loops, scikit-learn left one out",
    "linear_probe": "test_probes.py: refits without each sample",
    "nearest_centroid": "test_probes.py: loops",
}
# The same for several labels a sample; boxes are test_detection.py's, for all scores at once.
OF_SEVERAL_LABELS = {
    "disco": "test_multilabel.py: explicit densities of each label; two classes",
    "logme": "test_multilabel.py: numerical maximisation for each label; indicators of classes",
    "consensus": "test_consensus.py: the sum of two scores that are proved alone",
    "held_out": "test_held_out.py: refits without each sample",
    "h_score": "test_multilabel.py: pseudo-inverses of both covariances; indicators of classes",
    "h_score_shrunk": "test_multilabel.py: scikit-learn's Ledoit-Wolf; indicators of classes",
    "knn": "test_multilabel.py: loops, scikit-learn's average precision",
    "linear_probe": "test_multilabel.py: refits without each sample, scikit-learn's average precision",
}
SECTIONS = ("Parameters", "Returns", "Raises", "Notes", "References", "Examples")


def test_every_score_is_compared_with_something_independent() -> None:
    assert set(EVIDENCE) == set(list_scores())


def test_every_score_of_several_labels_is_compared_with_something_independent() -> None:
    reading = {name for name in list_scores("multilabel") if "labels" in get_spec(name).needs}
    assert set(OF_SEVERAL_LABELS) == reading


def test_the_registry_is_what_the_package_exports() -> None:
    exported = {
        name
        for name in hubscout.scores.__all__
        if inspect.isfunction(getattr(hubscout.scores, name)) and name in REGISTRY
    }
    assert exported == set(list_scores())


@pytest.mark.parametrize("name", list_scores())
class TestEverySpec:
    def test_facts_are_given(self, name: str) -> None:
        spec = get_spec(name)
        for field in ("title", "summary", "formula", "range", "cost", "reference", "deviations", "degenerate"):
            assert getattr(spec, field).strip(), field
        assert spec.summary.endswith(".")
        assert spec.tasks
        assert spec.needs <= {"features", "labels", "source_probs"}
        assert spec.needs & {"features", "source_probs"}
        assert spec.invariances <= set(INVARIANCES)
        assert {"sample_order", "label_names"} <= spec.invariances
        assert spec.spectrum in ("whole", "leading", "none")
        assert re.search(r"doi:10\.|arXiv:\d{4}\.\d{4,5}", spec.reference)

    def test_documentation_has_all_sections(self, name: str) -> None:
        text = inspect.getdoc(get_spec(name).function) or ""
        for section in SECTIONS:
            assert f"\n{section}\n{'-' * len(section)}\n" in text, section
        assert re.search(r"doi:10\.|arXiv:\d{4}\.\d{4,5}", text.split("References\n")[1])
        assert "Higher is better" in text
        assert ">>> " in text

    def test_every_parameter_is_documented(self, name: str) -> None:
        function = get_spec(name).function
        documented = (inspect.getdoc(function) or "").split("Parameters\n")[1].split("\nReturns\n")[0]
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"^{parameter} : ", documented, re.MULTILINE), parameter

    def test_the_function_takes_the_options_of_the_estimate(self, name: str) -> None:
        spec = get_spec(name)
        estimate, function = (inspect.signature(each).parameters for each in (spec.estimate, spec.function))
        options = {key: value for key, value in function.items() if value.kind is inspect.Parameter.KEYWORD_ONLY}
        options.pop("task", None)
        assert tuple(sorted(options)) == tuple(sorted(spec.options))
        for option in options:
            assert function[option].default == estimate[option].default, option
            assert estimate[option].kind is inspect.Parameter.KEYWORD_ONLY

    def test_the_public_function_is_its_namesake(self, name: str) -> None:
        assert getattr(hubscout.scores, name) is get_spec(name).function


class TestListScores:
    def test_by_task(self) -> None:
        reading_numbers = {"consensus", "disco", "etran", "held_out", "logme", "knn", "linear_probe"}
        label_free = {name for name in list_scores() if "labels" not in get_spec(name).needs}
        assert set(list_scores("regression")) == reading_numbers | label_free
        assert set(list_scores("classification")) == set(list_scores())
        for kind in ("detection", "token_classification", "segmentation"):
            assert set(list_scores(kind)) == {
                name for name in list_scores() if "source_probs" not in get_spec(name).needs
            }

    def test_of_several_labels(self) -> None:
        label_free = {name for name in list_scores() if "labels" not in get_spec(name).needs}
        assert set(list_scores("multilabel")) == {*OF_SEVERAL_LABELS, *label_free}

    @pytest.mark.parametrize("kind", get_args(TaskKind))
    def test_kinds_and_the_list_agree(self, kind) -> None:
        for name in list_scores():
            spec = get_spec(name)
            assert (name in list_scores(kind)) is spec.applies_to(kind) is (kind in spec.kinds)
            assert set(spec.tasks) <= set(spec.kinds)

    def test_unknown_score(self) -> None:
        with pytest.raises(UsageError) as error:
            get_spec("logm")
        assert str(error.value) == f"unknown score 'logm'; did you mean 'logme'? Known: {', '.join(list_scores())}"


def test_a_name_is_registered_once() -> None:
    spec = get_spec("nce")

    def nce(source_probs, labels=None) -> float:
        raise NotImplementedError

    decorate = register_score(
        estimate=lambda statistics: Estimate(0.0),
        invariances=(),
        title="",
        summary="",
        formula="",
        range="",
        cost="",
        spectrum="none",
        reference="",
        deviations="",
        degenerate="",
    )
    with pytest.raises(UsageError, match="score 'nce' is registered already; choose another name"):
        decorate(nce)
    assert get_spec("nce") is spec
