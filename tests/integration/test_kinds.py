"""Every kind of task from its files to a ranking, by the bundled encoders and tiny models of text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubscout
from hubscout.cli.app import run

CLASSES = ("disc", "square")
SIZE = (96, 64)


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        patch.setenv("HUBSCOUT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def bundled_names() -> list[str]:
    return hubscout.list_models("bundled:*")[:2]


def draw(rng: np.random.Generator) -> tuple[Image.Image, list[tuple[int, int, int, int, int]]]:
    """An image of dim noise with bright discs and squares, and (class, left, top, right, bottom) of each."""
    pixels = rng.integers(0, 60, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    found = []
    for place in range(2):
        side = int(rng.integers(16, 28))
        left, top = int(rng.integers(48 * place, 48 * place + 48 - side)), int(rng.integers(0, SIZE[1] - side))
        code = int(rng.integers(0, 2))
        y, x = np.mgrid[:side, :side]
        is_in = (x - side / 2) ** 2 + (y - side / 2) ** 2 < side**2 / 4 if code == 0 else np.ones((side, side), bool)
        pixels[top : top + side, left : left + side][is_in] = 220
        found.append((code, left, top, left + side, top + side))
    return Image.fromarray(pixels), found


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [draw(rng) for _ in range(24)]


def write_coco(root: Path, pictures) -> Path:
    (root / "images").mkdir(parents=True)
    images, boxes = [], []
    for i, (picture, found) in enumerate(pictures):
        picture.save(root / "images" / f"{i:03d}.png")
        images.append({"id": i, "file_name": f"{i:03d}.png", "width": SIZE[0], "height": SIZE[1]})
        for code, left, top, right, bottom in found:
            box = [left, top, right - left, bottom - top]
            boxes.append({"id": len(boxes), "image_id": i, "category_id": code + 7, "bbox": box, "iscrowd": 0})
    categories = [{"id": code + 7, "name": name} for code, name in enumerate(CLASSES)]
    (root / "annotations").mkdir()
    content = {"images": images, "annotations": boxes, "categories": categories}
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def write_voc(root: Path, pictures) -> Path:
    (root / "JPEGImages").mkdir(parents=True)
    (root / "Annotations").mkdir()
    for i, (picture, found) in enumerate(pictures):
        picture.save(root / "JPEGImages" / f"{i:03d}.png")
        objects = "".join(
            f"<object><name>{CLASSES[code]}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for code, left, top, right, bottom in found
        )
        size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{i:03d}.png</filename>{size}{objects}</annotation>"
        (root / "Annotations" / f"{i:03d}.xml").write_text(text)
    return root


def write_yolo(root: Path, pictures) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for i, (picture, found) in enumerate(pictures):
        picture.save(root / "images" / f"{i:03d}.png")
        lines = [
            f"{code} {(left + right) / 2 / SIZE[0]:.9f} {(top + bottom) / 2 / SIZE[1]:.9f} "
            f"{(right - left) / SIZE[0]:.9f} {(bottom - top) / SIZE[1]:.9f}\n"
            for code, left, top, right, bottom in found
        ]
        (root / "labels" / f"{i:03d}.txt").write_text("".join(lines))
    return root


class TestDetection:
    def test_three_forms_of_the_same_boxes_have_the_same_scores(self, tmp_path, pictures):
        roots = [
            write(tmp_path / name, pictures)
            for name, write in (("coco", write_coco), ("voc", write_voc), ("yolo", write_yolo))
        ]
        rankings = [
            hubscout.rank(root, bundled_names(), scores=["disco", "logme", "h_score", "knn"], engine="inline")
            for root in roots
        ]
        assert {ranking.task.kind for ranking in rankings} == {"detection"}
        assert {ranking.probe.n_units for ranking in rankings} == {48}
        first = rankings[0]
        assert {record.status for record in first.records} == {"ranked"}
        assert set(first.records[0].scores["disco"].parts) == {"classes", "boxes"}
        for other in rankings[1:]:
            assert [each.candidate for each in other.records] == [each.candidate for each in first.records]
            for mine, same in zip(first.records, other.records, strict=True):
                for score in first.scores:
                    assert same.scores[score].parts == pytest.approx(mine.scores[score].parts, rel=1e-4, abs=1e-5)

    def test_from_the_command_line(self, tmp_path, pictures, capsys):
        root = write_coco(tmp_path / "boxes", pictures)
        command = ["rank", str(root), "--task", "detection", "--models", *bundled_names(), "--scores", "disco", "-q"]
        assert run([*command, "--json", "-"]) == 0
        ranking = hubscout.Ranking.from_json(capsys.readouterr().out)
        assert ranking.best.value("disco") in (1.0, 2.0)
        assert ranking.task.label_names == CLASSES

    def test_categories_of_images_are_several_labels(self, tmp_path, pictures):
        root = write_coco(tmp_path / "boxes", pictures)
        ranking = hubscout.rank(root, bundled_names(), task="multilabel", scores=["disco", "knn"], engine="inline")
        assert ranking.task.kind == "multilabel"
        assert {record.status for record in ranking.records} == {"ranked"}


def test_segmentation(tmp_path, pictures):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for i, (picture, found) in enumerate(pictures):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        for _, left, top, right, bottom in found:
            mask[top:bottom, left:right] = 1
        picture.save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    ranking = hubscout.rank(tmp_path, bundled_names(), scores=["knn", "disco"], engine="inline")
    assert (ranking.task.kind, ranking.task.unit) == ("segmentation", "point")
    # The objects are bright on a dark ground: any encoder tells them apart.
    assert all(record.value("knn") > 0.8 for record in ranking.records)


class TestLayers:
    def test_the_chosen_layer_is_reported_and_drawn(self, tmp_path, pictures, capsys):
        for i, (picture, found) in enumerate(pictures):
            folder = tmp_path / "photos" / CLASSES[found[0][0]]
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"{i}.png")
        command = ["rank", str(tmp_path / "photos"), "--models", *bundled_names(), "--scores", "knn"]
        chart = tmp_path / "depth.svg"
        more = ["--layers", "all", "--pool", "mean,max", "--plot", str(chart), "--json", str(tmp_path / "x.json")]
        assert run([*command, *more]) == 0
        out, err = capsys.readouterr()
        assert "corrected for having looked at" in err
        assert "layer" in out.splitlines()[0]
        assert "Depth of the layer" in chart.read_text()
        ranking = hubscout.Ranking.from_json(tmp_path / "x.json")
        for record in ranking.ranked:
            assert len(record.layers.layers) > 2
            assert {each.pooling for each in record.layers.layers} == {"mean", "max"}
            assert record.layers.value == max(each.value for each in record.layers.layers)
            assert record.value("knn") == record.layers.corrected


TEXT_MODELS = ["torch:text_factories:build?modality=text", "torch:text_factories:build?modality=text&width=8"]


class TestTexts:
    """By a factory of torch, in this process: the importable module lies beside this file."""

    def test_words_of_a_conll_file(self, tmp_path):
        rng = np.random.default_rng(0)
        lines = []
        for _ in range(40):
            for word, tag in (("in", "O"), (rng.choice(["Rom", "東京"]), "B-LOC"), ("met", "O"), ("Ada", "B-PER")):
                lines.append(f"{word} {tag}\n")
            lines.append("\n")
        (tmp_path / "ner.conll").write_text("".join(lines), encoding="utf-8")
        ranking = hubscout.rank(tmp_path / "ner.conll", TEXT_MODELS, scores=["knn", "disco"], engine="inline")
        assert (ranking.task.kind, ranking.probe.n_units) == ("token_classification", 160)
        assert all(record.value("knn") == 1.0 for record in ranking.records)

    def test_pairs_in_any_script(self, tmp_path):
        firsts = ["кот сидит", "猫が 寝る", "قطة نائمة", "a cat 🐈 sits"]
        rows = ["premise,hypothesis,label\n"]
        rows += [
            f"{firsts[i % 4]},{'same' if i % 2 else 'другое'} {i % 3},{'yes' if i % 2 else 'нет'}\n" for i in range(48)
        ]
        (tmp_path / "nli.csv").write_text("".join(rows), encoding="utf-8")
        ranking = hubscout.rank(tmp_path / "nli.csv", TEXT_MODELS, scores=["knn"], engine="inline")
        assert ranking.task.is_pair
        assert ranking.task.label_names == ("yes", "нет")
        assert [record.n_features for record in ranking.records] in ([64, 32], [32, 64])
        assert all(record.value("knn") > 0.9 for record in ranking.records)
        assert hubscout.Ranking.from_json(ranking.to_json()) == ranking
        assert "нет" in json.loads(ranking.to_json())["task"]["label_names"]

    def test_several_targets_and_layers(self, tmp_path):
        rng = np.random.default_rng(0)
        rows = ["text,valence,arousal\n"]
        for i in range(60):
            word = "good" if i % 2 else "bad"
            rows.append(f"a {word} day {i % 5},{i % 2 + 0.1 * rng.standard_normal():.3f},{rng.standard_normal():.3f}\n")
        (tmp_path / "mood.csv").write_text("".join(rows))
        ranking = hubscout.rank(
            tmp_path / "mood.csv",
            TEXT_MODELS[:1],
            label_column="valence,arousal",
            scores=["linear_probe", "disco", "logme", "knn"],
            layers="all",
            engine="inline",
        )
        assert ranking.task.kind == "regression"
        assert ranking.task.target_names == ("valence", "arousal")
        (record,) = ranking.records
        assert [each.layer for each in record.layers.layers] == [1, 2, 3]
        assert all(entry.value is not None for entry in record.scores.values())


def test_checkpoints_of_one_run(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    np.savez(tmp_path / "labels.npz", labels=labels)
    for step, signal in ((100, 0.2), (200, 3.0), (1000, 3.0)):
        features = rng.standard_normal((80, 8)) + signal * labels[:, None]
        np.savez(tmp_path / f"step-{step}.npz", features=features, labels=labels)
    chart = tmp_path / "steps.svg"
    command = ["rank", str(tmp_path / "labels.npz"), "--models", f"features:{tmp_path}/step-*.npz"]
    assert run([*command, "--scores", "knn", "--plot", str(chart)]) == 0
    err = capsys.readouterr().err
    assert "features stop improving at step 200 of 1000" in err
    assert "Step of the checkpoint" in chart.read_text()
