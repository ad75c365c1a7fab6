"""Make ``import torchvision`` succeed beside a CPU build of torch, for the tests only.

The only torchvision wheel of some package mirrors is linked against CUDA. Beside a CPU torch its compiled
operators do not load, and the import dies while it declares fake kernels for them. Once the operators'
names exist the rest of the package, which is plain Python, works. Nothing is touched unless that very
failure occurs.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

_KEPT_ALIVE = []  # a torch library fragment vanishes when it is collected
_SCHEMA = re.compile(r'"torchvision::(\w+)"')


def _missing_operators(package: Path) -> list[str]:
    source = (package / "_meta_registrations.py").read_text(encoding="utf-8")
    names = set(_SCHEMA.findall(source)) | set(re.findall(r'register_meta\("(\w+)"\)', source))
    return sorted(names | {"nms"})


def _plain_nms(boxes, scores, iou_threshold):
    import torch

    order = scores.argsort(descending=True, stable=True).tolist()
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order:
        first, rest = order[0], torch.tensor(order[1:], dtype=torch.long)
        kept.append(first)
        if not len(rest):
            break
        low = torch.maximum(boxes[first, :2], boxes[rest, :2])
        high = torch.minimum(boxes[first, 2:], boxes[rest, 2:])
        inner = (high - low).clamp(min=0).prod(1)
        order = rest[inner / (area[first] + area[rest] - inner) <= iou_threshold].tolist()
    return torch.tensor(kept, dtype=torch.long)


def _declare_operators(package: Path) -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    _KEPT_ALIVE.append(library)
    for name in _missing_operators(package):
        if name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        else:  # only its name must exist: no test calls it
            schema = f"{name}(Tensor input) -> Tensor"
        try:
            library.define(schema)
        except RuntimeError:  # declared before, by a build that loaded half-way
            continue
        if name == "nms":
            library.impl("nms", _plain_nms, "CPU")


class _Repairing(Loader):
    """Runs torchvision's own loader; after the known failure, again with the operators declared."""

    def __init__(self, own: Loader, package: Path) -> None:
        self.own, self.package = own, package

    def create_module(self, spec: ModuleSpec):
        return self.own.create_module(spec)

    def exec_module(self, module) -> None:
        try:
            self.own.exec_module(module)
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            for name in [name for name in sys.modules if name.startswith("torchvision.")]:
                del sys.modules[name]
            _declare_operators(self.package)
            self.own.exec_module(module)
            sys.modules["torchvision.ops.boxes"]._assert_has_ops = lambda: None


class _Finder(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname != "torchvision":
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec("torchvision")
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None and spec.origin:
            spec.loader = _Repairing(spec.loader, Path(spec.origin).parent)
        return spec


def install() -> None:
    """Watch for the first import of torchvision; costs nothing until then."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
