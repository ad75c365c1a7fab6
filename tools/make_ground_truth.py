"""Convert published ground truths into the tables that come with the package.

    python tools/make_ground_truth.py ../shared/benchmarks

Reads the long-form CSV files of that folder whose terms allow it, carries over the corrections that its README notes,
and writes one table of truths and one of published scores for each into src/hubscout/evaluation/tables. Values stay as
published, in the units that the column ``measure`` names; only errors are negated, so that higher is better.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "hubscout" / "evaluation" / "tables"
TRUTH = ("task", "model", "value", "measure", "protocol", "source", "licence")
SCORES = ("task", "model", "score", "value", "remark", "source", "licence")
MEASURES = {
    "finetune_acc": "accuracy in percent",
    "finetune_mean_per_class_acc": "mean accuracy of the classes in percent",
    "finetune_mAP": "mean average precision in percent",
    "finetune_mse": "negative mean squared error",
    "finetune_neg_mse": "negative mean squared error",
    "finetune_score": "GLUE score in percent",
    "finetune_f1": "F1 in percent",
}
# JMLR prints the same accuracies for this name as the other tables do for MNasNet 1.0.
NAMES = {"nasnet_a_mobile": "mnasnet1_0", "wide_resnet50": "wide_resnet50_2"}
JMLR = "arXiv:2110.10545"
NO_FILE = "facts; no licence file in the repository, the same values in BUserName/NCTI under MIT"


@dataclass(frozen=True)
class Table:
    """One file to convert."""

    name: str
    protocol: str
    licence: str
    commits: dict[str, str] = field(default_factory=dict)


SFDA = "SGD, 5000 steps, cosine; 4 learning rates x 5 weight decays by validation; trained on train + val"
GRID = "7 learning rates x 7 weight decays by validation; 60/20/20 where there is no split"
TABLES = (
    Table("sfda_supervised", SFDA, NO_FILE, {"TencentARC/SFDA": "3b7edf7"}),
    Table("sfda_selfsup", SFDA, NO_FILE, {"TencentARC/SFDA": "3b7edf7", "BUserName/NCTI": "b18d395"}),
    Table("tllib", "fine-tuned, as printed in the repository", "MIT", {"thuml/Transfer-Learning-Library": "c4aa59e"}),
    Table("modelspider_single", "fine-tuned, as in the repository", "MIT", {"zhangyikaii/Model-Spider": "d2a53e4"}),
    Table(
        "medmnist_transfer",
        "fine-tuned; grid of the repository",
        "MIT",
        {"DovileDo/transferability-in-medical-imaging": "7e308c4"},
    ),
    Table("logme_jmlr_cv", GRID, "facts of a paper"),
    Table("logme_jmlr_glue", "fine-tuned, as printed in the paper", "facts of a paper"),
)
# Tables that hold two benchmarks: their candidates differ, so they are tasks of their own.
SUFFIXES = {
    "medmnist_dataset": " (sources)",
    "medmnist_model": " (architectures)",
    "logme_jmlr_selfsup": " (self-supervised)",
}
DTD_BOUND = 46.0  # classes - 1


def main() -> None:
    """Convert all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the published tables")
    folder = parser.parse_args().folder
    for table in TABLES:
        with (folder / f"{table.name}.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        write(OUT / f"{table.name}.csv", TRUTH, truths(table, rows))
        scores = list(published(table, rows))
        if scores:
            write(OUT / "scores" / f"{table.name}.csv", SCORES, iter(scores))


def truths(table: Table, rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield what models reached."""
    for row in rows:
        if not row["metric"].startswith("finetune_"):
            continue
        value = row["value"]
        if row["metric"] == "finetune_mse":
            value = f"-{value}"
        yield {**common(table, row), "value": value, "measure": measure(row), "protocol": table.protocol}


def published(table: Table, rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield what scores said of models."""
    for row in rows:
        if not row["metric"].startswith("finetune_"):
            yield {**common(table, row), "score": row["metric"], "value": row["value"], "remark": remark(table, row)}


def measure(row: dict[str, str]) -> str:
    """Name what was measured, with its unit."""
    if row["metric"] == "finetune_auc":
        return "AUC in percent" if row["benchmark"] == "medmnist_model" else "AUC"
    return MEASURES[row["metric"]]


def remark(table: Table, row: dict[str, str]) -> str:
    """Say what is wrong with a value; empty where nothing is."""
    if table.name == "tllib" and row["dataset"] == "DTD":
        if row["metric"] == "nce":
            return "the column is a copy of LogME"
        if row["metric"] == "hscore" and float(row["value"]) > DTD_BOUND:
            return f"above the bound of {DTD_BOUND:.0f} (classes - 1)"
    return ""


def common(table: Table, row: dict[str, str]) -> dict[str, str]:
    """Return the columns that both kinds of tables have."""
    return {
        "task": row["dataset"] + SUFFIXES.get(row["benchmark"], ""),
        "model": NAMES.get(row["model"], row["model"]),
        "source": source(table, row["source"]),
        "licence": table.licence,
    }


def source(table: Table, text: str) -> str:
    """Shorten a source, and pin it to a commit."""
    if "2110.10545" in text:
        return f"{JMLR}, {text.split('), ')[1].split(';')[0]}"
    repository, _, path = text.partition(":")
    return f"{repository}@{table.commits[repository]}:{path}"


def write(path: Path, columns: tuple[str, ...], rows: Iterator[dict[str, str]]) -> None:
    """Write one table."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")
    sys.stdout.write(f"{path.name}: {len(text.getvalue())} bytes\n")


if __name__ == "__main__":
    main()
