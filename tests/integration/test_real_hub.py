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


def test_boxes_of_real_cells_in_two_forms(hub, command, tmp_path):
    found = hub.data.load_images("bccd_det", "train")
    n_images = 24
    height, width = found["images"].shape[1:3]
    coco, voc = tmp_path / "coco", tmp_path / "voc"
    for folder in (coco / "images", coco / "annotations", voc / "JPEGImages", voc / "Annotations"):
        folder.mkdir(parents=True)
    boxes, xml = [], ["" for _ in range(n_images)]
    for corners, image, code in zip(found["boxes"], found["box_image"], found["box_class"], strict=True):
        if image >= n_images:
            continue
        left, top, right, bottom = (round(float(value)) for value in corners)
        box = [left, top, right - left, bottom - top]
        boxes.append({"id": len(boxes), "image_id": int(image), "category_id": int(code), "bbox": box, "iscrowd": 0})
        xml[image] += (
            f"<object><name>{found['classes'][code]}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        )
    images = []
    for index in range(n_images):
        picture = Image.fromarray(found["images"][index])
        picture.save(coco / "images" / f"{index:02d}.png")
        picture.save(voc / "JPEGImages" / f"{index:02d}.png")
        images.append({"id": index, "file_name": f"{index:02d}.png", "width": width, "height": height})
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{index:02d}.png</filename>{size}{xml[index]}</annotation>"
        (voc / "Annotations" / f"{index:02d}.xml").write_text(text)
    categories = [{"id": code, "name": name} for code, name in enumerate(found["classes"])]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (coco / "annotations" / "instances_train.json").write_text(json.dumps(content))

    models = [hub.image(name) for name in ENCODERS[:2]]
    options = ("--task", "detection", "--scores", "disco,logme,h_score,transrate,etran,knn", "--json", "-")
    first, second = (finish(command("rank", root, "--models", *models, *options)) for root in (coco, voc))
    assert first["probe"]["n_units"] == second["probe"]["n_units"] == len(boxes)
    for mine, same in zip(first["records"], second["records"], strict=True):
        assert mine["candidate"] == same["candidate"]
        assert set(mine["scores"]["disco"]["parts"]) == {"classes", "boxes"}
        assert len(mine["scores"]["etran"]["parts"]) == 3
        for score in first["scores"]:
            assert same["scores"][score]["parts"] == pytest.approx(mine["scores"][score]["parts"], rel=1e-6)
        # Red cells, white cells and platelets differ in colour and size.
        assert mine["scores"]["knn"]["parts"]["classes"] > 0.8


def test_layers_of_text_encoders(hub, command, tmp_path):
    texts, labels, splits = hub.data.load_csv("trec6")
    chosen = np.flatnonzero(np.asarray(splits) == 0)[:200]
    with (tmp_path / "trec.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows([texts[index], f"class {labels[index]}"] for index in chosen)
    models = [hub.text(name) for name in ("stories260k", "charlstm_darwin")]
    line = (
        "rank",
        tmp_path / "trec.csv",
        "--models",
        *models,
        "--scores",
        "knn",
        "--layers",
        "all",
        "--pool",
        "mean,max",
    )
    found = finish(command(*line, "--json", "-"))
    for record in found["records"]:
        looked_at = record["layers"]["layers"]
        assert {each["pooling"] for each in looked_at} == {"mean", "max"}
        assert record["layers"]["value"] == max(each["value"] for each in looked_at)
        assert record["scores"]["knn"]["value"] == record["layers"]["corrected"]
