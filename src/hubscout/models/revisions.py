"""The branches and tags of a model on the hub, for addresses such as ``hf:org/name@step*``."""

from __future__ import annotations

from typing import Any

from hubscout._optional import require
from hubscout._preflight import hub_is_reachable, quiet_hub
from hubscout.models.address import Address


def list_revisions(address: Address) -> list[str]:
    """List the branches and tags of a hub model.

    Parameters
    ----------
    address : Address
        Of ``hf``, ``st`` or ``timm``; its revision is not looked at.

    Returns
    -------
    list of str
        Those on the hub where it can be reached, and those in the hub's cache; without the branches that the hub makes
        itself for pull requests and conversions.
    """
    quiet_hub()
    hub: Any = require("huggingface_hub", "hf", "patterns of revisions")
    name = address.name.removeprefix("hf-hub:")
    found = set(_cached(hub, name))
    if hub_is_reachable():
        try:
            refs = hub.HfApi().list_repo_refs(name)
            found |= {ref.name for ref in (*refs.branches, *refs.tags)}
        except Exception:  # noqa: S110 - the network's errors share no class; what the cache holds is still true
            pass
    return sorted(revision for revision in found if not revision.startswith("refs/"))


def _cached(hub: Any, name: str) -> list[str]:
    try:
        repos = hub.scan_cache_dir().repos
    except hub.errors.CacheNotFound:
        return []
    return [
        ref
        for repo in repos
        if repo.repo_type == "model" and repo.repo_id == name
        for revision in repo.revisions
        for ref in revision.refs
    ]
