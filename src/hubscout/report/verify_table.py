"""The table of a verification, and of the history that verifications make."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hubscout._printable import printable
from hubscout.evaluation.finetune.history import History, HistoryEntry
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import Estimate
from hubscout.evaluation.verification import Verification, VerifiedCandidate
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.names import short_name, short_names
from hubscout.report.numbers import DASH, count, decimals, duration

_DAY = 10  # characters of a date


def verify_table(verification: Verification, width: int) -> RenderableType:
    """Lay out a verification.

    Parameters
    ----------
    verification : Verification
        What is shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
        Table, what it means, and one line for each candidate that failed.
    """
    candidates = verification.candidates
    names = short_names([each.candidate for each in candidates])
    digits = decimals([each.score for each in candidates])
    columns = [
        Column("#", tuple(str(each.rank) for each in candidates)),
        Column("candidate", tuple(names[each.candidate] for each in candidates), justify="left", folds=True),
        Column(
            verification.measure,
            tuple(_reached(each.reached) for each in candidates),
            short=tuple(DASH if each.reached is None else f"{each.reached.value:.3f}" for each in candidates),
            shortens=3,
        ),
        Column(
            verification.score,
            tuple(DASH if each.score is None else f"{each.score:.{digits}f}" for each in candidates),
            1,
            name=verification.score,
        ),
        Column(_setting_name(verification.recipe), tuple(_setting(each) for each in candidates), 2, name="setting"),
        Column("epochs", tuple(str(each.n_epochs or DASH) for each in candidates), 4, name="epochs"),
        Column("params", tuple(count(each.n_parameters) for each in candidates), 5, name="params"),
        Column("time", tuple(duration(each.seconds) if each.seconds else DASH for each in candidates), 6, name="time"),
    ]
    shown, left_out = fit(columns, width)
    styles = ["bold" if each is verification.best else "dim" if each.reached is None else "" for each in candidates]
    parts: list[RenderableType] = [build_table(shown, styles), Text()]
    parts += [Text(printable(line)) for line in findings(verification)]
    parts += [Text(), Text(printable(_legend(verification, left_out)), style="dim")]
    parts += [_line(names[each.candidate], each.reason or "no reason was given") for each in verification.failed]
    parts += [_line(names[each.candidate], note) for each in candidates for note in each.notes]
    return Group(*parts)


def findings(verification: Verification) -> list[str]:
    """Say in sentences what a verification has found.

    Parameters
    ----------
    verification : Verification

    Returns
    -------
    list of str
        Untrusted text.
    """
    best, regret = verification.best, verification.regret
    lines = []
    if best is not None and regret is not None:
        others = f"the {len(verification.verified)} that were fine-tuned"
        first = short_name(verification.candidates[0].candidate)
        if len(verification.verified) == 1:
            lines.append("Only the ranking's first was fine-tuned, so there is nothing to compare it with.")
        elif verification.is_first_right:
            lines.append(f"The ranking's first, {first}, was the best of {others}.")
        else:
            lost = f"{regret.value:.3f} {verification.measure} lost ({_range(regret)})"
            end = ": within chance" if verification.is_first_tied else ""
            name = short_name(best.candidate)
            lines.append(f"The best of {others} was {name}, not the ranking's first: {lost}{end}.")
    elif best is not None:
        lines.append("The ranking's first failed, so it cannot be said whether it was right.")
    spent = duration(verification.seconds_spent)
    if verification.n_others and verification.seconds_saved is not None:
        saved = duration(verification.seconds_saved)
        lines.append(
            f"Fine-tuning took {spent}; the other {verification.n_others} would have taken about {saved} more "
            "(an estimate from their parameters)."
        )
    else:
        lines.append(f"Fine-tuning took {spent}.")
    return lines


def history_table(history: History, width: int) -> RenderableType:
    """Lay out the user's own fine-tunings, newest last.

    Parameters
    ----------
    history : History
        What is shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    entries = history.entries
    if not entries:
        return Text(f"No fine-tunings yet in {printable(history.path)}; `hubscout verify` adds some.")
    names = short_names([each.candidate for each in entries])
    columns = [
        Column("date", tuple(each.date[:_DAY] for each in entries), 2, name="date"),
        Column("task", tuple(each.task for each in entries), justify="left", folds=True),
        Column("candidate", tuple(names[each.candidate] for each in entries), justify="left", folds=True),
        Column(
            "value",
            tuple(_reached(Estimate(each.value, each.low, each.high, each.level)) for each in entries),
            short=tuple(f"{each.value:.3f}" for each in entries),
            shortens=3,
        ),
        Column("measure", tuple(each.measure for each in entries), 4, justify="left", name="measure"),
        Column("method", tuple(_method(each) for each in entries), 1, justify="left", name="method"),
        Column("train", tuple(str(each.n_train) for each in entries), 5, name="train"),
        Column("test", tuple(str(each.n_test) for each in entries), 6, name="test"),
    ]
    shown, left_out = fit(columns, width)
    words = ["value with its interval", "train and test: samples learnt from and measured on"]
    if left_out:
        words.append(f"not shown for lack of room: {', '.join(left_out)}")
    return Group(build_table(shown), Text(), Text(printable("; ".join(words) + "."), style="dim"))


def _reached(estimate: Estimate | None) -> str:
    return DASH if estimate is None else f"{estimate.value:.3f} ({_range(estimate)})"


def _range(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _setting_name(recipe: Recipe) -> str:
    return "C" if recipe.method == "linear-probe" else "rate"


def _setting(candidate: VerifiedCandidate) -> str:
    return DASH if candidate.setting is None else f"{candidate.setting:g}"


def _method(entry: HistoryEntry) -> str:
    return str(entry.recipe.get("method", DASH))


def _legend(verification: Verification, left_out: list[str]) -> str:
    level = next((100 * each.reached.level for each in verification.candidates if each.reached is not None), 95)
    parts = f"{verification.n_train} trained on, {verification.n_validation} chosen by, {verification.n_test} tested on"
    words = [
        f"{verification.measure} on the {verification.test_origin} with a {level:g} % interval",
        f"samples: {parts}",
        f"recipe: {verification.recipe.describe()}",
    ]
    if left_out:
        words.append(f"not shown for lack of room: {', '.join(left_out)}")
    return "; ".join(words) + "."


def _line(subject: str, text: str) -> RenderableType:
    return Padding(Text(f"{printable(subject)}: {printable(text)}", overflow="fold"), (0, 0, 0, 2))
