"""Read CSV, TSV, JSON Lines and Parquet files row by row; a broken row is a value, not a crash."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from hubscout.errors import DataError, MissingExtraError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PEEKED_ROWS = 200
_FIELD_LIMIT = min(sys.maxsize, 2**31 - 1)

Row = Mapping[str, Any] | str


class TableFile(Protocol):
    """A table on disk."""

    columns: list[str]

    def rows(self, columns: Sequence[str] | None = None) -> Generator[tuple[int, Row]]:
        """Yield the number of each row, from 1, and its values by column, or the reason why it has none.

        Only the given columns need to be there, where leaving the others out saves reading.
        """
        ...


def open_table(path: Path) -> TableFile:
    """Open a table by the suffix of its name.

    Parameters
    ----------
    path : Path
        An existing file with one of `TABLE_SUFFIXES`.

    Returns
    -------
    TableFile
        Its columns, and its rows on demand.

    Raises
    ------
    DataError
        When the file has no columns or cannot be read.
    MissingExtraError
        When Parquet is read without pyarrow.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return ParquetFile(path)
        if suffix in (".jsonl", ".ndjson"):
            return JsonLinesFile(path)
        return DelimitedFile(path, "\t" if suffix == ".tsv" else ",")
    except OSError as error:
        raise _unreadable(path, error) from None


def peek(table: TableFile) -> list[Mapping[str, Any]]:
    """Return the values of the first rows, without the broken ones."""
    with closing(table.rows()) as rows:
        return [row for _, row in islice(rows, PEEKED_ROWS) if not isinstance(row, str)]


class DelimitedFile:
    """A CSV or TSV file in UTF-8.

    Row 1 is the first row below the header. A header without any comma that holds semicolons or tabs is read
    with those.

    Parameters
    ----------
    path : Path
        The file.
    delimiter : str
        What separates fields.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        self._path = path
        self._delimiter = delimiter
        self.columns = self._header()

    def rows(self, columns: Sequence[str] | None = None) -> Generator[tuple[int, Row]]:  # noqa: ARG002
        """Yield every row but blank lines."""
        records = self._records()
        next(records, None)
        for number, record in enumerate(records, start=1):
            if len(record) != len(self.columns):
                yield number, f"row has {len(record)} fields, the header has {len(self.columns)}"
            else:
                yield number, dict(zip(self.columns, record, strict=True))

    def _header(self) -> list[str]:
        header = self._first_record()
        if header is not None and len(header) == 1:
            for delimiter in (";", "\t"):
                if delimiter in header[0]:
                    self._delimiter = delimiter
                    header = self._first_record()
                    break
        columns = [name.strip() for name in header or []]
        if not any(columns):
            msg = f"{self._path.name!r} must start with a header row, got an empty one; add a row with column names"
            raise DataError(msg)
        repeated = [name for name in columns if name and columns.count(name) > 1]
        if repeated:
            msg = f"the columns of {self._path.name!r} must have different names, got {repeated[0]!r} twice; rename one"
            raise DataError(msg)
        return columns

    def _first_record(self) -> list[str] | None:
        with closing(self._records()) as records:
            return next(records, None)

    def _records(self) -> Generator[list[str]]:
        line = 0
        try:
            # utf-8-sig drops the byte order mark that spreadsheets write.
            with _long_fields(), self._path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, delimiter=self._delimiter)
                for record in reader:
                    line = reader.line_num
                    if record:
                        yield record
        except UnicodeDecodeError as error:
            raise _not_utf8(self._path, error) from None
        except csv.Error as error:
            msg = f"{self._path.name!r} must be a table, got a broken row after line {line} ({error}); repair that row"
            raise DataError(msg) from None
        except OSError as error:
            raise _unreadable(self._path, error) from None


class JsonLinesFile:
    """A file with one JSON object a line, in UTF-8; rows are lines, from 1.

    Parameters
    ----------
    path : Path
        The file. Its columns are those of the first rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = list(dict.fromkeys(name for row in peek(self) for name in row))
        if not self.columns:
            first = next((row for _, row in self.rows()), "the file is empty")
            found = first if isinstance(first, str) else "objects without keys"
            msg = f"{path.name!r} must hold one JSON object a line, got none in its first rows ({found})"
            raise DataError(msg)

    def rows(self, columns: Sequence[str] | None = None) -> Generator[tuple[int, Row]]:  # noqa: ARG002
        """Yield every line but blank ones."""
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                    if content.strip():
                        yield number, _json_row(content)
        except OSError as error:
            raise _unreadable(self._path, error) from None


class ParquetFile:
    """A Parquet file, read in batches; rows from 1.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            msg = "reading Parquet needs pyarrow; install it with pip install 'hubscout[data]'"
            raise MissingExtraError(msg) from None
        self._path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
            self.columns = [str(name) for name in self._file.schema_arrow.names]
        except (pyarrow.ArrowException, ValueError) as error:
            raise self._damaged(error) from None
        if len(set(self.columns)) < len(self.columns):
            msg = (
                f"the columns of {path.name!r} must have different names, got {self.columns!r}; rename the "
                "repeated ones"
            )
            raise DataError(msg)

    def rows(self, columns: Sequence[str] | None = None) -> Generator[tuple[int, Row]]:
        """Yield every row."""
        import pyarrow

        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=256, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pyarrow.ArrowException, ValueError, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> DataError:
        first_line = str(error).strip().partition("\n")[0][:200]
        return DataError(
            f"{self._path.name!r} must be a Parquet file that can be read, got {first_line!r}; write it again"
        )


def _json_row(content: bytes) -> Row:
    try:
        row = json.loads(content)
    except UnicodeDecodeError:
        return "line is not UTF-8"
    except (ValueError, RecursionError):
        return "line is not valid JSON"
    return row if isinstance(row, dict) else "line is not a JSON object"


@contextmanager
def _long_fields() -> Iterator[None]:
    # The csv module refuses fields above 128 KiB unless told; texts of a megabyte are ordinary here.
    before = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    found = error.object[error.start : error.start + 1]
    with path.open("rb") as file:
        start = file.read(2)
    encoding = "UTF-16" if start in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
    return DataError(
        f"{path.name!r} must be UTF-8, got the byte 0x{found.hex()}, perhaps of {encoding}; "
        f"convert it, for example with iconv -f {encoding} -t UTF-8"
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path.name!r} must be a file that can be read, got {error.strerror or 'a read error'!r}")
