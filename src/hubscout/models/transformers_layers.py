"""Several layers of a model of transformers, read in one forward pass."""

from __future__ import annotations

from typing import Any, NamedTuple

from hubscout.errors import CandidateError
from hubscout.models.loading import LoadRequest
from hubscout.models.pooling import TOKEN_POOLINGS
from hubscout.models.reading import Readout
from hubscout.models.readouts import choose_poolings, join_readouts, pool_text_layer, resolve_layers
from hubscout.models.transformers_model import LoadedModel, Outcome, last_hidden
from hubscout.models.transformers_pooling import settle_pooling

# Poolings of the last layer that no other layer has.
_OWN_POOLERS = ("head", "pooler")


class LayeredModel:
    """A text model whose features are several of its layers side by side.

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
    Layers are counted as transformers counts its hidden states: 0 is what goes into the first layer. The last layer is
    the model's own last hidden state, with its final norm where it has one. What a model makes of its last layer by a
    pooler of its own, such as what goes into the head of a classification checkpoint, is a pooling of that layer.
    """

    def __init__(self, loaded: LoadedModel, request: LoadRequest, address: str) -> None:
        self._loaded = loaded
        self._request = request
        self._address = address
        self._layers: tuple[int, ...] = ()
        self._poolings: tuple[str, ...] = ()
        self._with_pooler = False
        self.readouts: tuple[Readout, ...] = ()
        self.late_notes: tuple[str, ...] = ()

    @property
    def pooling(self) -> str:
        """The poolings of each layer, for the card."""
        return ", ".join((*self._poolings, *(["pooler"] if self._with_pooler else [])))

    def settle(self, inputs: dict[str, Any]) -> None:
        """Find on a first batch which layers there are and how they are pooled."""
        settle_pooling(self._loaded, inputs)
        states = read_hidden(self._loaded, inputs, self._address)
        depth = len(states.hidden) - 1
        self._layers = resolve_layers(self._request, depth, self._address)
        asked = self._request.reading.poolings
        has_pooler = states.pooler is not None and depth in self._layers
        is_own = self._loaded.pooling in _OWN_POOLERS and not self._loaded.is_causal
        self._with_pooler = has_pooler and ("pooler" in asked or (not asked and is_own))
        possible = (*TOKEN_POOLINGS, *(["pooler"] if has_pooler else []))
        poolings, self.late_notes = choose_poolings(asked, _own_pooling(self._loaded), possible, self._address)
        self._poolings = tuple(pooling for pooling in poolings if pooling != "pooler")
        self.readouts, _ = self._pool(states, inputs)

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
        states = read_hidden(self._loaded, inputs, self._address)
        return self._pool(states, inputs)[1], states.logits

    def _pool(self, states: HiddenStates, inputs: dict[str, Any]) -> tuple[tuple[Readout, ...], Any]:
        last = len(states.hidden) - 1
        parts = []
        for layer in self._layers:
            poolings = self._poolings
            if self._with_pooler and layer == last:
                # Where the poolings are the model's own choice, its pooler stands for them at the last layer.
                poolings = poolings if self._request.reading.poolings else ()
            parts += pool_text_layer(states.hidden[layer], inputs["attention_mask"], layer, poolings, self._address)
        if self._with_pooler:
            parts.append((last, "pooler", states.pooler))
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


class HiddenStates(NamedTuple):
    """What one forward pass over texts gives.

    Parameters
    ----------
    hidden : list of Tensors of shape (b, tokens, d)
        From what goes into the first layer to the last.
    logits : Tensor or None
        Of the source head.
    pooler : Tensor of shape (b, d) or None
        What the model itself makes of its last layer by trained weights.
    """

    hidden: list[Any]
    logits: Any = None
    pooler: Any = None


def read_hidden(loaded: LoadedModel, inputs: dict[str, Any], address: str) -> HiddenStates:
    """Run a text model once and return all its hidden states.

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
    HiddenStates

    Raises
    ------
    CandidateError
        When the model does not give its hidden states.
    """
    outcome = run_hidden(loaded, inputs, address)
    base = outcome.base
    states, last = base.hidden_states, last_hidden(base)
    hidden = [*states[:-1], last] if last.shape == states[-1].shape else [*states, last]
    pooler = outcome.before
    if pooler is None and loaded.has_pooler and loaded.pooling != "joint":
        pooler = getattr(base, "pooler_output", None)
    return HiddenStates(hidden, outcome.logits, pooler)


def run_hidden(loaded: LoadedModel, inputs: dict[str, Any], address: str) -> Outcome:
    """Run a model once, its hidden states among the output of its base.

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
    Outcome

    Raises
    ------
    CandidateError
        When the model does not give its hidden states.
    """
    if loaded.pooling == "joint":
        outcome = Outcome(trunk(loaded, address)(**inputs, output_hidden_states=True))
    else:
        outcome = loaded.forward(inputs, output_hidden_states=True)
    if not getattr(outcome.base, "hidden_states", None):
        msg = f"candidate {address!r} does not give its hidden states; leave it out, or leave layers (--layers) out"
        raise CandidateError(msg)
    return outcome


def _own_pooling(loaded: LoadedModel) -> str:
    """Choose for the layers what comes nearest to how the model pools its last one."""
    if loaded.pooling in TOKEN_POOLINGS:
        return loaded.pooling
    if loaded.is_causal or loaded.pooling == "joint":
        return "last"
    stated = getattr(loaded.model.config, "classifier_pooling", None)
    return str(stated) if stated in TOKEN_POOLINGS else "cls"
