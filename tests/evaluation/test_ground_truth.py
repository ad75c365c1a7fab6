"""Tables of facts: read whole or refused."""

from __future__ import annotations

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
            "the table 't' must have the columns task, model, value, standard_error, n_seeds, measure, protocol, "
            "source, licence, and lacks licence, measure, n_seeds, protocol, source, standard_error, value"
        )

    def test_text_for_a_number_names_the_row(self):
        with pytest.raises(DataError, match=r"^the table 't' must hold numbers in its number columns; row 2: "):
            parse_ground_truth(HEAD + "d,m,1,0,1,a,p,s,l\nd,m,high,0,1,a,p,s,l\n", "t")


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
