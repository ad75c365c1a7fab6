"""Factories of the models of `hubscout.evaluation.pools`, in the form that ``torch:`` addresses ask for.

They are torchvision's own modules, given ``forward_features`` and ``forward_head``: what goes into the last linear
layer are the features, as in the programs whose ground truth this is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hubscout._optional import require

# Files of torchvision's DenseNets still carry the names that modules had before dots were forbidden in them.
_OLD_DENSENET = re.compile(
    r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$"
)


def resnet34() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("resnet34")


def resnet50() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("resnet50")


def resnet101() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("resnet101")


def resnet152() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("resnet152")


def densenet121() -> Any:
    """Build torchvision's network of this name without weights."""
    return _densenet("densenet121")


def densenet169() -> Any:
    """Build torchvision's network of this name without weights."""
    return _densenet("densenet169")


def densenet201() -> Any:
    """Build torchvision's network of this name without weights."""
    return _densenet("densenet201")


def mobilenet_v2() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("mobilenet_v2")


def mnasnet1_0() -> Any:
    """Build torchvision's network of this name without weights."""
    return _with_head("mnasnet1_0")


def googlenet() -> Any:
    """Build torchvision's network of this name without weights, with the scaling its weights were trained with."""
    return _with_head("googlenet", transform_input=True, aux_logits=True, init_weights=False)


def inception_v3() -> Any:
    """Build torchvision's network of this name without weights, with the scaling its weights were trained with."""
    return _with_head("inception_v3", transform_input=True, aux_logits=True, init_weights=False)


def resnet50_trunk() -> Any:
    """Build a ResNet-50 without its last layer, as self-supervised weights are kept."""
    torch = require("torch", "torch", "candidates of a pool")
    model = _torchvision_model("resnet50")
    model.fc = torch.nn.Identity()
    return model


def _with_head(name: str, **arguments: Any) -> Any:
    model = _torchvision_model(name, **arguments)
    head = _last_linear(model)
    model.forward_features = _input_of(head, model)
    # Bound to the head itself: how it is called differs from network to network.
    model.forward_head = lambda features, pre_logits=False: features if pre_logits else head(features)
    return model


def _densenet(name: str) -> Any:
    model = _with_head(name)
    model._register_load_state_dict_pre_hook(_rename_old_densenet)
    return model


def _torchvision_model(name: str, **arguments: Any) -> Any:
    require("torchvision", "timm", "candidates of a pool")
    from torchvision import models

    return getattr(models, name)(weights=None, **arguments)


def _last_linear(model: Any) -> Any:
    torch = require("torch", "torch", "candidates of a pool")
    if isinstance(getattr(model, "fc", None), torch.nn.Linear):
        return model.fc
    return [module for module in model.classifier.modules() if isinstance(module, torch.nn.Linear)][-1]


def _input_of(head: Any, model: Any) -> Callable[[Any], Any]:
    """Return a function that runs the whole model and gives what its head was given."""

    def forward_features(images: Any) -> Any:
        caught: list[Any] = []
        hook = head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            model(images)
        finally:
            hook.remove()
        return caught[-1]

    return forward_features


def _rename_old_densenet(state: dict[str, Any], *_: Any) -> None:
    for name in list(state):
        match = _OLD_DENSENET.match(name)
        if match:
            state[match.group(1) + match.group(2)] = state.pop(name)
