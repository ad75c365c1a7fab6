"""Array mathematics shared by all scores; knows no model, no task and no path."""

from hubscout.stats.moments import Moments
from hubscout.stats.spectrum import Spectrum
from hubscout.stats.statistics import Statistics

__all__ = ["Moments", "Spectrum", "Statistics"]
