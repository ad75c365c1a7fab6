"""Tables from records alone: nothing is computed here, and nothing is loaded but the records."""

from hubscout.report.agreement_table import agreement_table, findings
from hubscout.report.cache_table import cache_table
from hubscout.report.ranking_table import ranking_table
from hubscout.report.remarks import probe_remarks, ranking_remarks
from hubscout.report.truth_table import truth_table

__all__ = [
    "agreement_table",
    "cache_table",
    "findings",
    "probe_remarks",
    "ranking_remarks",
    "ranking_table",
    "truth_table",
]
