"""Ridge-penalised softmax regression on features of any size, solved by Newton's method to the last digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubscout._typing import Array, FloatArray
from hubscout.scores._softmax_design import Design
from hubscout.stats import chunks
from hubscout.stats.namespace import like, namespace, to_numpy

_MAX_STEPS = 60
_MAX_INNER_STEPS = 250
_MAX_HALVINGS = 30
# Mean square of the change of log-odds in the last step, for float32 and float64; what is left is its square again.
_TOLERANCE = {True: 1e-5, False: 1e-10}
# No step changes the log-odds by more than this, as a root mean square: beyond it the quadratic model means little.
_LONGEST_STEP = 2.0


@dataclass(frozen=True)
class SoftmaxFit:
    """The minimum of mean cross-entropy + ridge / 2 * |W|^2 over weights W and a free intercept.

    Parameters
    ----------
    losses : ndarray of shape (n_samples,)
        Cross-entropy of each sample.
    spreads : ndarray of shape (n_samples,)
        sum_c p_c (1 - p_c) of each sample's probabilities.
    square_weights : float
        |W|^2.
    response : callable
        Takes one multiplier a sample, (n_samples,), and gives the first-order effect of one sample's weight, through
        the weights W, on the sum of multipliers times spreads: (n_samples,).
    """

    losses: FloatArray
    spreads: FloatArray
    square_weights: float
    response: Callable[[FloatArray], FloatArray]


def fit_softmax(design: Design, ridge: float) -> SoftmaxFit:
    """Minimise by Newton steps, each of them solved by preconditioned conjugate gradients.

    The function is convex with one minimum, so the start does not matter; conjugate gradients need no Hessian.

    Parameters
    ----------
    design : Design
    ridge : float
        Positive.
    """
    state = _State(design, ridge, _start(design))
    before = np.inf
    for _ in range(_MAX_STEPS):
        step, decrement = _newton_step(state)
        # Near the minimum each step is a small part of the one before; where it is not, it is rounding.
        if not 0 < decrement < before:
            break
        after = _along(state, step, decrement)
        if after is None:
            break
        state = after
        before = decrement if decrement < 1e-6 * state.spreads.mean() else np.inf
        if decrement <= _TOLERANCE[design.is_single] * state.spreads.mean():
            break
    weights = state.weights[:-1, :]
    return SoftmaxFit(state.losses, state.spreads, _inner(weights, weights), state.response)


def _start(design: Design) -> Array:
    """Return the best weights that ignore the features."""
    start = np.zeros((design.n_weights + 1, design.statistics.n_targets))
    start[-1] = np.log(design.statistics.priors)
    vectors = design.spectrum.right_vectors
    return namespace(vectors).asarray(like(start, vectors))


class _State:
    """Value, gradient and curvature at some weights."""

    def __init__(self, design: Design, ridge: float, weights: Array) -> None:
        self.design, self.ridge, self.weights = design, ridge, weights
        statistics = design.statistics
        n, n_classes = statistics.n_samples, statistics.n_targets
        self._kept: list[Array] | None = [] if 8 * n * n_classes <= chunks.CHUNK_BYTES else None
        self.losses, self.spreads = np.empty(n), np.empty(n)
        self._curvatures = np.zeros(n_classes)
        spread_out, gradient = design.spread_out(weights), None
        for rows, block in design.walk():
            xp = namespace(block)
            codes = like(statistics.codes[rows].astype(np.int64), block)[:, None]
            shares, losses = _softmax(block, spread_out, codes)
            self.losses[rows] = to_numpy(losses)
            away = shares * (1.0 - shares)
            self.spreads[rows] = to_numpy(xp.sum(away, axis=1))
            self._curvatures += to_numpy(xp.sum(away, axis=0))
            if self._kept is not None:
                self._kept.append(shares)
            is_own = codes == xp.arange(n_classes, device=shares.device)[None, :]
            product = _double(xp.matmul(block.T, shares - xp.astype(is_own, shares.dtype)))
            gradient = product if gradient is None else gradient + product
        # One number added to all intercepts changes nothing; rounding must not ask for it.
        gradient = design.gathered(gradient) / n
        slopes, free = gradient[:-1, :], gradient[-1:, :]
        gradient = xp.concat([slopes, free - xp.sum(free) / n_classes], axis=0)
        self.gradient = gradient + self._shrink(weights)
        self.value = float(self.losses.mean()) + 0.5 * _inner(weights, self._shrink(weights))

    def _shrink(self, weights: Array) -> Array:
        """Return the gradient of ridge / 2 * |W|^2, which leaves the intercept alone."""
        xp = namespace(weights)
        return xp.concat([self.ridge * weights[:-1, :], 0.0 * weights[-1:, :]], axis=0)

    def curved(self, direction: Array) -> Array:
        """Return the Hessian times a direction."""
        design, product = self.design, None
        spread_out = design.spread_out(direction)
        for _, block, shares in self._walk():
            xp = namespace(block)
            change = xp.matmul(block, xp.astype(spread_out, block.dtype))
            change -= xp.vecdot(shares, change)[:, None]
            change *= shares
            own = _double(xp.matmul(block.T, change))
            product = own if product is None else product + own
        return design.gathered(product) / design.statistics.n_samples + self._shrink(direction)

    def response(self, multipliers: FloatArray) -> FloatArray:
        """Return what `SoftmaxFit.response` says."""
        design, gradient = self.design, None
        codes, found = design.statistics.codes, np.empty(len(multipliers))
        for rows, block, shares in self._walk():
            xp = namespace(block)
            slopes = shares * (shares - xp.vecdot(shares, shares)[:, None])
            own = _double(xp.matmul(block.T, -2 * slopes * like(multipliers[rows], block)[:, None]))
            gradient = own if gradient is None else gradient + own
        direction = design.spread_out(_solved(self, design.gathered(gradient), 1e-4)) / len(multipliers)
        for rows, block, shares in self._walk():
            xp = namespace(block)
            change = xp.matmul(block, xp.astype(direction, block.dtype))
            index = like(codes[rows].astype(np.int64), block)[:, None]
            own = xp.take_along_axis(change, index, axis=1)[:, 0] - xp.vecdot(shares, change)
            found[rows] = to_numpy(own)
        return found

    def _walk(self) -> Iterator[tuple[Any, Array, Array]]:
        """Walk over (rows, columns of these samples, their probabilities)."""
        spread_out = self.design.spread_out(self.weights)
        for index, (rows, block) in enumerate(self.design.walk()):
            yield rows, block, _softmax(block, spread_out)[0] if self._kept is None else self._kept[index]

    def preconditioner(self) -> Array:
        """Return about the inverse of the Hessian's diagonal: each column's variance times each class's curvature."""
        variances, n = self.design.variances, self.design.statistics.n_samples
        diagonal = variances[:, None] * np.maximum(self._curvatures / n, 1e-12)
        diagonal[:-1] += self.ridge
        inverse: Array = like(1.0 / diagonal, self.weights)
        return inverse


def _newton_step(state: _State) -> tuple[Array, float]:
    """Return the step to the minimum of the quadratic model, about, and what it gains there, twice."""
    # The nearer the minimum, the better the step: Newton's method then doubles the digits with each.
    square = _inner(state.gradient, state.preconditioner() * state.gradient)
    step = _solved(state, -state.gradient, min(max(square, 1e-4 if state.design.is_single else 1e-12), 0.1))
    return step, -_inner(state.gradient, step)


def _solved(state: _State, right: Array, wanted: float) -> Array:
    """Return the Hessian's inverse times a vector, about, by preconditioned conjugate gradients.

    They end once the squared norm of the residual is ``wanted`` times that of the vector.
    """
    inverse = state.preconditioner()
    solution, residual = 0.0 * right, right
    scaled = inverse * residual
    direction, square = scaled, _inner(residual, scaled)
    enough = wanted * square
    for _ in range(_MAX_INNER_STEPS):
        curved = state.curved(direction)
        bend = _inner(direction, curved)
        if not bend > 0:
            break
        length = square / bend
        solution = solution + length * direction
        residual = residual - length * curved
        scaled = inverse * residual
        before, square = square, _inner(residual, scaled)
        if square <= enough:
            break
        direction = scaled + (square / before) * direction
    return solution


def _along(state: _State, step: Array, decrement: float) -> _State | None:
    """Return the state a step away, halved until the value falls as it should; None where it does not any more."""
    rounding = (1e-6 if state.design.is_single else 1e-14) * (state.value + 0.1)
    length = min(1.0, _LONGEST_STEP * float(np.sqrt(state.spreads.mean() / decrement)))
    for _ in range(_MAX_HALVINGS):
        after = _State(state.design, state.ridge, state.weights + length * step)
        if after.value <= state.value - 1e-4 * length * decrement + rounding:
            return after
        length /= 2
    return None


def _softmax(block: Array, weights: Array, codes: Array | None = None) -> tuple[Array, Array | None]:
    """Return probabilities (rows, n_classes), and the cross-entropy of each row where codes (rows, 1) are given."""
    xp = namespace(block)
    logits = xp.matmul(block, xp.astype(weights, block.dtype))
    logits -= xp.max(logits, axis=1, keepdims=True)
    own = None if codes is None else xp.take_along_axis(logits, codes, axis=1)
    with np.errstate(under="ignore"):
        shares = xp.exp(logits)
    totals = xp.sum(shares, axis=1, keepdims=True)
    shares /= totals
    return shares, None if own is None else (xp.log(totals) - own)[:, 0]


def _double(array: Array) -> Array:
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def _inner(left: Array, right: Array) -> float:
    return float(namespace(left).sum(left * right))
