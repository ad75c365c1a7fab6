"""From a model and a task to arrays on disk: the forward loop, the feature store, and files of features."""

from hubscout.features.arrays import FeatureFile, feature_file_set, load_feature_file
from hubscout.features.cache_report import CacheEntry, PruneResult, list_entries, prune
from hubscout.features.extract import extract
from hubscout.features.feature_set import FeatureSet
from hubscout.features.store import FeatureStore

__all__ = [
    "CacheEntry",
    "FeatureFile",
    "FeatureSet",
    "FeatureStore",
    "PruneResult",
    "extract",
    "feature_file_set",
    "list_entries",
    "load_feature_file",
    "prune",
]
