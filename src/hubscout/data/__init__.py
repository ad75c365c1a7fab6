"""What models are transferred to: labelled data of any usual form, and the probe that is drawn from it."""

from __future__ import annotations

from hubscout.data.digits import digits_target
from hubscout.data.sampling import draw_probe
from hubscout.data.sources import load_target
from hubscout.data.task import Probe, RowProblem, Samples, Target, Task

__all__ = [
    "Probe",
    "RowProblem",
    "Samples",
    "Target",
    "Task",
    "digits_target",
    "draw_probe",
    "load_target",
]
