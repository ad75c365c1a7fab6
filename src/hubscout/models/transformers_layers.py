"""Several layers of a model of transformers, read in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubscout.errors import CandidateError
from hubscout.models.loading import LoadRequest
from hubscout.models.pooling import TOKEN_POOLINGS
from hubscout.models.reading import Readout
from hubscout.models.readouts import choose_poolings, join_readouts, pool_text_layers, resolve_layers
from hubscout.models.transformers_model import LoadedModel
from hubscout.models.transformers_pooling import pool_image, prefix_tokens, settle_pooling


class LayeredModel:
    """A model whose features are several of its layers side by side.

    Parameters
    ----------
    loaded : LoadedModel
        The model, on its device.
    request : LoadRequest
        Whose reading has layers.
    address : str
        Named in errors.

    Notes
    -----
    Layers are counted as transformers counts its hidden states: 0 is what goes into the first layer, and of
    hierarchical vision models each stage is a layer. The last layer is the model's own last hidden state, with its
    final norm where it has one.
    """

    def __init__(self, loaded: LoadedModel, request: LoadRequest, address: str) -> None:
        self._loaded = loaded
        self._request = request
        self._address = address
        self._layers: tuple[int, ...] = ()
        self._poolings: tuple[str, ...] = ()
        self.readouts: tuple[Readout, ...] = ()
        self.late_notes: tuple[str, ...] = ()

    @property
    def pooling(self) -> str:
        """The poolings of each layer, for the card."""
        return ", ".join(self._poolings)

    def settle(self, inputs: dict[str, Any]) -> None:
        """Find on a first batch which layers there are and how they are pooled."""
        settle_pooling(self._loaded, inputs)
        hidden, _ = read_hidden(self._loaded, inputs, self._address)
        self._layers = resolve_layers(self._request, len(hidden) - 1, self._address)
        is_text = self._loaded.modality == "text"
        possible: Sequence[str] = TOKEN_POOLINGS
        if not is_text:
            n_prefix = prefix_tokens(trunk(self._loaded, self._address))
            has_class_token = n_prefix > 0 and any(layer is not None and layer.ndim == 3 for layer in hidden)
            possible = ("cls", "mean", "max") if has_class_token else ("mean", "max")
        self._poolings, self.late_notes = choose_poolings(
            self._request.reading.poolings, _own_pooling(self._loaded, possible), possible, self._address
        )
        self.readouts, _ = self._pool(hidden, inputs)

    def run(self, inputs: dict[str, Any]) -> tuple[Any, Any]:
        """Run one batch.

        Parameters
        ----------
        inputs : dict
            As for `hubscout.models.transformers_model.LoadedModel.run`.

        Returns
        -------
        features : Tensor of shape (b, n_features)
        logits : Tensor of shape (b, source_classes) or None
        """
        hidden, logits = read_hidden(self._loaded, inputs, self._address)
        return self._pool(hidden, inputs)[1], logits

    def _pool(self, hidden: Sequence[Any], inputs: dict[str, Any]) -> tuple[tuple[Readout, ...], Any]:
        for layer in self._layers:
            if hidden[layer] is None:
                msg = f"layer {layer} of {self._address!r} is not among its hidden states; leave it out (--layers)"
                raise CandidateError(msg)
        if self._loaded.modality == "text":
            return pool_text_layers(hidden, inputs["attention_mask"], self._layers, self._poolings, self._address)
        n_prefix = prefix_tokens(trunk(self._loaded, self._address))
        parts = [
            (layer, pooling, pool_image(hidden[layer], n_prefix, pooling))
            for layer in self._layers
            for pooling in self._poolings
            if pooling != "cls" or hidden[layer].ndim == 3
        ]
        return join_readouts(parts)


def trunk(loaded: LoadedModel, address: str) -> Any:
    """Return the part of a model that has the layers.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    address : str
        Named in errors.

    Returns
    -------
    torch.nn.Module
        The base model, or the side of a two-sided one that is in use.

    Raises
    ------
    CandidateError
        When a two-sided model does not show its sides.
    """
    if loaded.pooling != "joint":
        return loaded.model.base_model
    side = getattr(loaded.model, "text_model" if loaded.modality == "text" else "vision_model", None)
    if side is None:
        msg = f"candidate {address!r} gives images and texts in a common space only; leave layers and parts of it out"
        raise CandidateError(msg)
    return side


def read_hidden(loaded: LoadedModel, inputs: dict[str, Any], address: str) -> tuple[list[Any], Any]:
    """Run a model once and return all its hidden states.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    inputs : dict
        One batch.
    address : str
        Named in errors.

    Returns
    -------
    hidden : list of Tensors of shape (b, tokens, d) or (b, d, height, width)
        From what goes into the first layer, or None where the model does not give that, to the last.
    logits : Tensor or None

    Raises
    ------
    CandidateError
        When the model does not give its hidden states.
    """
    if loaded.pooling == "joint":
        base, logits = trunk(loaded, address)(**inputs, output_hidden_states=True), None
    else:
        outcome = loaded.forward(inputs, output_hidden_states=True)
        base, logits = outcome.base, outcome.logits
    states = getattr(base, "hidden_states", None)
    # Hierarchical models give their maps beside the same numbers as tokens.
    states = getattr(base, "reshaped_hidden_states", None) or states
    if not states:
        msg = f"candidate {address!r} does not give its hidden states; leave it out, or leave layers (--layers) out"
        raise CandidateError(msg)
    hidden = list(states)
    config = getattr(trunk(loaded, address), "config", None)
    if len(hidden) == _stated_depth(config):
        hidden.insert(0, None)
    last = base[0] if getattr(base, "last_hidden_state", None) is None else base.last_hidden_state
    return _with_last(hidden, last), logits


def _with_last(hidden: list[Any], last: Any) -> list[Any]:
    """Put the model's last hidden state, which may be normalised, in the place of the same layer without it."""
    before = hidden[-1]
    if last.ndim == 3 and before.ndim == 4 and last.shape[1:] == (before[0, 0].numel(), before.shape[1]):
        last = last.transpose(1, 2).reshape(before.shape)
    if last.shape == before.shape:
        return [*hidden[:-1], last]
    return [*hidden, last]


def _stated_depth(config: Any) -> int | None:
    """Count the layers or stages that a configuration states; as many hidden states are without the first input."""
    for name in ("num_encoder_blocks", "depths", "num_hidden_layers"):
        stated = getattr(config, name, None)
        if isinstance(stated, list | tuple):
            return len(stated)
        if isinstance(stated, int):
            return stated
    return None


def _own_pooling(loaded: LoadedModel, possible: Sequence[str]) -> str:
    """Choose for the layers what comes nearest to how the model pools its last one."""
    if loaded.pooling in possible:
        return loaded.pooling
    if loaded.modality != "text":
        return possible[0]
    if loaded.is_causal or loaded.pooling == "joint":
        return "last"
    stated = getattr(loaded.model.config, "classifier_pooling", None)
    return str(stated) if stated in possible else "cls"
