"""Which columns go first."""

from __future__ import annotations

from hubscout.report.fitting import Column, fit


def column(title, width, **facts):
    return Column(title, ("x" * width,), name=title, **facts)


class TestFit:
    def test_all_when_there_is_room(self):
        columns = [column("a", 10), column("b", 10, expendable=1)]
        assert fit(columns, 24) == (columns, [])

    def test_highest_number_goes_first(self):
        columns = [column("a", 10), column("b", 10, expendable=1), column("c", 10, expendable=2)]
        shown, left_out = fit(columns, 24)
        assert ([c.title for c in shown], left_out) == (["a", "b"], ["c"])

    def test_last_of_equals_goes_first(self):
        columns = [column("a", 10), column("b", 10, expendable=1), column("c", 10, expendable=1)]
        assert fit(columns, 24)[1] == ["c"]

    def test_narrower_cells_come_in_their_turn(self):
        columns = [column("a", 10, short=("xx",), shortens=2), column("b", 10, expendable=1)]
        shown, left_out = fit(columns, 16)
        assert (shown[0].cells, left_out) == (("xx",), [])
        shown, left_out = fit(columns, 10)
        assert (len(shown), shown[0].cells, left_out) == (1, ("xx",), ["b"])

    def test_what_cannot_go_stays(self):
        columns = [column("a", 100)]
        assert fit(columns, 10) == (columns, [])

    def test_a_folding_column_asks_for_little(self):
        columns = [column("a", 100, folds=True), column("b", 10, expendable=1)]
        assert fit(columns, 40) == (columns, [])

    def test_wide_characters_count_double(self):
        assert Column("t", ("模型",)).width == 4
