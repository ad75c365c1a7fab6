"""XML that nobody has vouched for: no document type, no entities, few levels."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hubscout.errors import DataError

_MOST_LEVELS = 50


def parse_xml(content: bytes) -> Element:
    """Parse a small XML document that declares nothing.

    Parameters
    ----------
    content : bytes
        The whole file, in any encoding that it states.

    Returns
    -------
    Element
        The root element.

    Raises
    ------
    DataError
        With one phrase: the document is not well-formed, has a document type (in which entities that grow without
        bound, or that read other files, are declared), or has more than 50 levels.

    Notes
    -----
    The refusal comes from the parser itself, at the declaration, so that no encoding hides one.

    Examples
    --------
    >>> parse_xml(b"<size><width>640</width></size>").findtext("width")
    '640'
    """
    builder = TreeBuilder()
    level = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal level
        level += 1
        if level > _MOST_LEVELS:
            msg = f"XML has more than {_MOST_LEVELS} levels"
            raise DataError(msg)
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal level
        level -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        msg = "XML declares a document type, which was refused"
        raise DataError(msg)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except DataError:
        raise
    except (expat.ExpatError, LookupError, ValueError, AssertionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, expat.ExpatError) else ""
        msg = f"XML is not well-formed{line}"
        raise DataError(msg) from None
