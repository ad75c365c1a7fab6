"""The main job on real encoders and real data, from the command line."""

from __future__ import annotations

import csv
import json
import signal
import time

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.hub

ENCODERS = (
    "mobilenetv1_025.tf_in1k_r128",
    "mcunet_5fps.mittt_in1k_r128",
    "proxyless_025.mit_in1k_r112",
    "mobilenetv1_025.mlperftiny_vww_r96",
    "cifar_resnet20.akamaster_cifar10_r32",
    "doodlenet.ml5_quickdraw_r28",
)
TEXT_ENCODERS = ("charglove_840b", "wordavg_common1000", "stories260k")


def write_folder(hub, folder, *, n_classes, per_class):
    """Write train/ and test/ of a few classes of caltech25 as a folder of images."""
    for split in ("train", "test"):
        found = hub.data.load_images("caltech25", split)
        for code in range(n_classes):
            place = folder / split / found["classes"][code]
            place.mkdir(parents=True)
            for index in np.flatnonzero(found["label"] == code)[:per_class]:
                Image.fromarray(found["images"][index]).save(place / f"{index:04d}.png")
    return folder


def finish(process, code=0):
    out, err = process.communicate(timeout=280)
    assert process.returncode == code, err
    return json.loads(out)


def test_a_folder_of_images_ranks_six_encoders(hub, command, tmp_path):
    folder = write_folder(hub, tmp_path / "photos", n_classes=10, per_class=12)
    models = [hub.image(name) for name in ENCODERS]
    scores = "logme,disco,h_score_shrunk,knn,linear_probe,nearest_centroid"
    found = finish(command("rank", folder, "--models", *models, "--scores", scores, "--workers", 2, "--json", "-"))
    records = found["records"]
    assert [record["status"] for record in records] == ["ranked"] * 6
    assert (found["probe"]["n"], found["probe"]["split"]) == (120, "train")
    widths = {record["candidate"]: record["n_features"] for record in records}
    assert sorted(widths.values()) == sorted(int(hub.manifest[name]["feature_dim"]) for name in ENCODERS)

    def order(score):
        return sorted(range(6), key=lambda place: -records[place]["scores"][score]["value"])

    # An ImageNet encoder is fit for photographs; one for drawings of 28 pixels, and one that is nearly dead, are not.
    for score in scores.split(","):
        best = records[order(score)[0]]["candidate"]
        assert "_in1k_" in best, f"{score} puts {best} first"


def test_a_killed_run_resumes(hub, command, tmp_path):
    folder = write_folder(hub, tmp_path / "photos", n_classes=5, per_class=40)
    words = ["rank", folder, "--models", hub.image("mobilenetv2_100.tf_in1k_r224"), "--scores", "knn", "--json", "-"]
    first = command(*words, "--batch-size", 4)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "store").rglob("progress.json")) and first.poll() is None:
        assert time.monotonic() < deadline, "nothing was committed"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (record,) = finish(command(*words, "--batch-size", 4))["records"]
    if first.returncode == -signal.SIGKILL:
        assert record["rows_cached"] > 0
    assert record["rows_cached"] + record["rows_computed"] == 200
    # The features are those of an undisturbed run.
    (again,) = finish(command(*words))["records"]
    assert (again["rows_computed"], again["scores"]["knn"]["value"]) == (0, record["scores"]["knn"]["value"])


def test_images_with_numbers_are_a_regression(hub, command, tmp_path):
    found = hub.data.load_images("bccd_rbc_count", "train")
    counts = found["label"][:150]
    with (tmp_path / "cells.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "count"])
        for index, count in enumerate(counts):
            Image.fromarray(found["images"][index]).save(tmp_path / f"{index}.png")
            writer.writerow([f"{index}.png", float(count)])
    models = [hub.image("mobilenetv1_025.tf_in1k_r128"), hub.image("doodlenet.ml5_quickdraw_r28")]
    options = ["--label-column", "count", "--task", "regression", "--scores", "logme,disco,knn,linear_probe"]
    ranking = finish(command("rank", tmp_path / "cells.csv", "--models", *models, *options, "--json", "-"))
    assert ranking["task"]["kind"] == "regression"
    assert [record["status"] for record in ranking["records"]] == ["ranked", "ranked"]
    assert all(entry["value"] is not None for record in ranking["records"] for entry in record["scores"].values())


def test_texts_rank_text_encoders(hub, command, tmp_path):
    texts, labels, splits = hub.data.load_csv("trec6")
    with (tmp_path / "questions.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        train = np.flatnonzero(splits == 0)[:400]
        writer.writerows([texts[index], f"class {labels[index]}"] for index in train)
    models = [hub.text(name) for name in TEXT_ENCODERS]
    ranking = finish(command("rank", tmp_path / "questions.csv", "--models", *models, "--scores", "knn", "--json", "-"))
    assert ranking["task"]["modality"] == "text"
    values = {record["candidate"]: record["scores"]["knn"]["value"] for record in ranking["records"]}
    # Questions by their first word are far from chance, also for averages of word vectors.
    assert values[models[1]] > 0.4
    assert min(values.values()) > 0.2
