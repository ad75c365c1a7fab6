"""What reading refuses, and what it tolerates."""

from __future__ import annotations

import json
import stat

import pytest

from hubscout.errors import DataError
from hubscout.ranking import Ranking
from hubscout.ranking.serialise import write_text


@pytest.fixture
def document(record, ranking):
    return json.loads(ranking(record("a", 1.0)).to_json())


class TestFromJson:
    def test_newer_schema_is_refused(self, document):
        document["schema"] = "hubscout.ranking/2"
        with pytest.raises(DataError) as caught:
            Ranking.from_json(json.dumps(document))
        assert str(caught.value) == (
            "source must be of schema hubscout.ranking/1 or older, and the text has 'hubscout.ranking/2', written by "
            "a newer hubscout; upgrade with `pip install -U hubscout`"
        )

    @pytest.mark.parametrize("schema", [None, "other/1", "hubscout.ranking/x", 1])
    def test_other_schema_is_refused(self, document, schema):
        document["schema"] = schema
        with pytest.raises(DataError, match=r"^source must hold a ranking of schema hubscout.ranking/1, and the text"):
            Ranking.from_json(json.dumps(document))

    def test_unknown_fields_are_ignored(self, document):
        before = Ranking.from_json(json.dumps(document))
        document["colour"] = document["task"]["colour"] = document["records"][0]["colour"] = "red"
        document["records"][0]["scores"]["logme"]["colour"] = "red"
        assert Ranking.from_json(json.dumps(document)) == before

    @pytest.mark.parametrize("missing", ["task", "probe", "scores", "records"])
    def test_missing_part_is_named(self, document, missing):
        del document[missing]
        with pytest.raises(DataError, match=rf"KeyError: '{missing}'\); make it again with `hubscout rank"):
            Ranking.from_json(json.dumps(document))

    def test_not_json(self):
        with pytest.raises(DataError, match=r"and the text is not JSON \("):
            Ranking.from_json("{]")

    def test_a_list_is_no_ranking(self, tmp_path):
        (tmp_path / "a.json").write_text("[]")
        with pytest.raises(DataError, match="has schema None"):
            Ranking.from_json(tmp_path / "a.json")

    def test_missing_file(self, tmp_path):
        with pytest.raises(DataError) as caught:
            Ranking.from_json(tmp_path / "no.json")
        path = str(tmp_path / "no.json")
        assert str(caught.value) == (
            f"source must be a readable file or JSON text, and {path!r} cannot be read: No such file or directory"
        )

    def test_binary_file(self, tmp_path):
        (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match="cannot be read: it is not UTF-8 text"):
            Ranking.from_json(tmp_path / "a.json")


class TestWriteText:
    def test_replaces_whole_files_with_ordinary_permissions(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text("old")
        plain = tmp_path / "plain"
        plain.touch()
        write_text(path, "new")
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)

    def test_leaves_nothing_behind_when_it_fails(self, tmp_path):
        with pytest.raises(UnicodeEncodeError):
            write_text(tmp_path / "a.json", "\udc80")
        assert list(tmp_path.iterdir()) == []

    def test_writes_to_what_is_no_file(self):
        write_text(__import__("pathlib").Path("/dev/null"), "text")
