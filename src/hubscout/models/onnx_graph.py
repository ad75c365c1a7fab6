"""The nodes of an ONNX file, read and given further outputs without the ``onnx`` library, which is optional.

An ONNX file is one protocol buffer, ``ModelProto``. Its graph is field 7; in the graph, nodes are field 1 and outputs
field 12; in a node, inputs, outputs and the operator are fields 1, 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hubscout.errors import CandidateError

_GRAPH, _NODE, _OUTPUT, _NODE_INPUT, _NODE_OUTPUT, _OPERATOR, _NAME = 7, 1, 12, 1, 2, 4, 1
# Operators that take a map as a whole: what stands before them is the end of a block.
_CONSUMERS = frozenset(
    {
        "Conv", "ConvInteger", "ConvTranspose", "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "MatMul",
        "QLinearConv", "ReduceMax", "ReduceMean", "Reshape",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    operator : str
        Such as ``Conv``.
    inputs, outputs : tuple of str
        Names of tensors.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_nodes(content: bytes, name: str) -> tuple[Node, ...]:
    """Read the nodes of a file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        What to call it in messages.

    Returns
    -------
    tuple of Node
        In the order in which they run.

    Raises
    ------
    CandidateError
        When the file is no protocol buffer.
    """
    whole = memoryview(content)
    try:
        return tuple(
            _node(node)
            for field, graph in _fields(whole)
            if field == _GRAPH
            for inner, node in _fields(graph)
            if inner == _NODE
        )
    except (IndexError, ValueError) as error:
        msg = f"file {name!r} is not an ONNX model: its graph cannot be read; export it again"
        raise CandidateError(msg) from error


def with_outputs(content: bytes, tensors: Sequence[str]) -> bytes:
    r"""Make inner tensors outputs.

    Parameters
    ----------
    content : bytes
        A file.
    tensors : sequence of str
        Names of tensors in it.

    Returns
    -------
    bytes
        The file with the outputs appended.

    Notes
    -----
    Two protocol buffers one after the other are their union: lists grow, and inner messages are joined in the same
    way. So a graph that holds nothing but outputs, put behind the file, adds them to its graph. They have no type,
    which onnxruntime then infers.

    Examples
    --------
    >>> with_outputs(b"", ["a"])
    b':\x05b\x03\n\x01a'
    """
    outputs = b"".join(_message(_OUTPUT, _message(_NAME, tensor.encode())) for tensor in tensors)
    return content + _message(_GRAPH, outputs)


def find_block_ends(nodes: Sequence[Node], source: str) -> list[str]:
    """Find the tensors between the blocks of a network.

    Parameters
    ----------
    nodes : sequence of Node
        In the order in which they run.
    source : str
        The input.

    Returns
    -------
    list of str
        Names, in order; the input is not among them.

    Notes
    -----
    A tensor divides the network when, as soon as it is there, nothing else that was made from the input is needed any
    more: all that later layers see has passed through it. The inside of a residual block has no such tensor, its end
    has. Of those between two blocks, such as a convolution's output, normalised and activated, the one is taken that
    goes into a convolution, a matrix product, a reduction over the map, or into several operations at once.
    """
    # A shape is the same for all pictures, whatever is in them.
    nodes = [node for node in nodes if node.operator not in ("Shape", "Size")]
    uses: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        for tensor in node.inputs:
            uses.setdefault(tensor, []).append(place)
    made, waiting, found = {source}, {source}, []
    for place, node in enumerate(nodes):
        if made.isdisjoint(node.inputs):
            continue  # it works on constants alone
        waiting -= {tensor for tensor in node.inputs if uses[tensor][-1] <= place}
        made.update(node.outputs)
        waiting.update(tensor for tensor in node.outputs if tensor in uses)
        if len(waiting) == 1 and (end := next(iter(waiting))) in node.outputs and _ends_block(nodes, uses[end]):
            found.append(end)
    return found


def _ends_block(nodes: Sequence[Node], consumers: Sequence[int]) -> bool:
    operators = [nodes[place].operator for place in consumers]
    # An exporter's way to move channels: the tensor before it may have them last.
    return "Transpose" not in operators and (len(operators) > 1 or operators[0] in _CONSUMERS)


def _node(content: memoryview) -> Node:
    texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _OPERATOR: []}
    for field, value in _fields(content):
        if field in texts:
            texts[field].append(str(value, "utf-8"))
    return Node("".join(texts[_OPERATOR]), tuple(texts[_NODE_INPUT]), tuple(texts[_NODE_OUTPUT]))


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Walk over the fields of a message that hold text or messages; pass over numbers."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(content, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(content, at)
            if at + length > len(content):
                raise ValueError(length)
            yield key >> 3, content[at : at + length]
            at += length
        else:
            raise ValueError(kind)


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, the lowest first."""
    number = shift = 0
    while True:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError(shift)


def _message(field: int, content: bytes) -> bytes:
    length, size = len(content), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([field << 3 | 2]) + size + bytes([length]) + content
