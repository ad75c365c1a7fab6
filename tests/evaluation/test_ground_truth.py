"""Tables of facts: read whole or refused."""

from __future__ import annotations

from importlib import resources

import pytest

from hubscout.errors import DataError, UsageError
from hubscout.evaluation import list_ground_truths, load_ground_truth
from hubscout.evaluation.ground_truth import parse_ground_truth

HEAD = "task,model,value,standard_error,n_seeds,measure,protocol,source,licence\n"


class TestParse:
    def test_rows_and_remarks(self):
        text = "# made by a script\n" + HEAD + 'digits,bundled:a,0.9,0.01,3,accuracy,"adam, 5 epochs",here,CC0\n'
        (row,) = parse_ground_truth(text, "t")
        assert (row.model, row.value, row.standard_error, row.n_seeds) == ("bundled:a", 0.9, 0.01, 3)
        assert row.protocol == "adam, 5 epochs"

    def test_one_seed_has_no_standard_error(self):
        assert parse_ground_truth(HEAD + "d,m,0.9,,1,a,p,s,l\n", "t")[0].standard_error is None

    def test_missing_columns_are_named(self):
        with pytest.raises(DataError) as caught:
            parse_ground_truth("task,model\n", "t")
        assert str(caught.value) == (
            "the table 't' must have the columns task, model, value, measure, protocol, source, licence, and lacks "
            "licence, measure, protocol, source, value"
        )

    def test_text_for_a_number_names_the_row(self):
        with pytest.raises(DataError, match=r"^the table 't' must hold numbers in its number columns; row 2: "):
            parse_ground_truth(HEAD + "d,m,1,0,1,a,p,s,l\nd,m,high,0,1,a,p,s,l\n", "t")

    def test_errors_and_seeds_may_be_left_out(self):
        (row,) = parse_ground_truth(
            "task,model,value,measure,protocol,source,licence\nd,m,84,a in percent,p,s,l\n", "t"
        )
        assert (row.value, row.standard_error, row.n_seeds, row.unit) == (84.0, None, 1, 0.01)

    def test_errors_are_no_shares(self):
        (row,) = parse_ground_truth(
            "task,model,value,measure,protocol,source,licence\nd,m,-3,negative mean squared error,p,s,l\n", "t"
        )
        assert row.unit is None

    @pytest.mark.parametrize("value", ["nan", "inf", ""])
    def test_a_missing_number_is_refused(self, value):
        with pytest.raises(DataError, match=r"^the table 't' must hold numbers in its number columns; row 1: "):
            parse_ground_truth(HEAD + f"d,m,{value},,1,a,p,s,l\n", "t")


class TestLoad:
    def test_unknown_table(self):
        with pytest.raises(UsageError, match=r"^name must be a table of ground truths \(.*\), got '\.\./x'$"):
            load_ground_truth("../x")

    def test_every_table_that_comes_with_the_package_reads(self):
        for name in list_ground_truths():
            rows = load_ground_truth(name)
            assert rows
            assert len({(row.task, row.model, row.measure) for row in rows}) == len(rows)
            assert all(row.source and row.licence for row in rows)

    def test_the_package_stays_small(self):
        folder = resources.files("hubscout.evaluation") / "tables"
        files = [entry for place in (folder, folder / "scores") for entry in place.iterdir() if entry.is_file()]
        assert sum(len(entry.read_bytes()) for entry in files) < 1_000_000

    def test_published_tables_are_there_with_their_corrections(self):
        assert len(load_ground_truth("sfda_supervised")) == 121
        assert len(load_ground_truth("sfda_selfsup")) == 152
        cv = load_ground_truth("logme_jmlr_cv")
        # Errors are negated, and one model that the paper calls by another name has the name of the other tables.
        assert all(row.value < 0 for row in cv if "squared error" in row.measure)
        assert {row.model for row in cv if row.task == "Aircraft"} >= {"mnasnet1_0"}
        medical = load_ground_truth("medmnist_transfer")
        # Sources of weights and architectures are different candidates, so they never share a task.
        assert not {"imagenet", "resnet"} <= {row.model for row in medical if row.task.startswith("bloodmnist (s")}
