"""The names that users may rely on."""

from __future__ import annotations

import importlib
import pkgutil
import types

import pytest

import hubscout

VERBS = {"list_models", "list_scores", "load_ground_truth", "load_target", "rank", "score"}
PACKAGES = ["hubscout"] + [
    module.name for module in pkgutil.iter_modules(hubscout.__path__, "hubscout.") if module.ispkg
]


class TestAll:
    @pytest.mark.parametrize("name", PACKAGES)
    def test_is_sorted_complete_and_true(self, name):
        package = importlib.import_module(name)
        assert package.__doc__
        exported = package.__all__
        # Constants first, then classes, then functions: the order of the linter.
        assert sorted(exported) == sorted(set(exported))
        for each in exported:
            assert getattr(package, each) is not None, each

    def test_dir_shows_what_is_public(self):
        assert dir(hubscout) == sorted(hubscout.__all__)


class TestTopLevel:
    def test_holds_every_verb(self):
        assert set(hubscout.__all__) >= VERBS
        for name in VERBS:
            assert callable(getattr(hubscout, name))

    def test_recommended_score_ranks(self):
        assert hubscout.RECOMMENDED_SCORE in hubscout.list_scores()

    def test_scores_is_a_module_of_functions(self):
        assert isinstance(hubscout.scores, types.ModuleType)
        for name in hubscout.list_scores():
            assert callable(getattr(hubscout.scores, name))

    def test_version_is_that_of_the_distribution(self):
        assert hubscout.__version__ == importlib.metadata.version("hubscout")

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match=r"^module 'hubscout' has no attribute 'rnak'$"):
            hubscout.rnak  # noqa: B018

    @pytest.mark.parametrize("name", sorted(VERBS))
    def test_every_verb_is_documented(self, name):
        assert "Parameters\n" in getattr(hubscout, name).__doc__
        assert "Returns\n" in getattr(hubscout, name).__doc__ or name == "list_scores"
