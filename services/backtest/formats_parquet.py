"""A column file as Parquet: the six columns as they are, tick and lot in the metadata (needs `research`)."""

from array import array
from pathlib import Path

import msgspec

from services.backtest.formats_rows import FormatError
from services.backtest.research import research_package
from shared.columns import FIELDS, Columns

GROUP_ROWS = 1_048_576
TYPES = {"q": "int64", "i": "int32", "B": "uint8"}


def export_parquet(source: Path, out: Path) -> int:
    """Write all rows and return how many; the file's metadata hold the header under `quotemesh`.

    Prices are ticks and quantities lots: `price = price_ticks * tick_size` of the rules in the header.

    Raises:
        ConfigError: pyarrow is not installed; the text names the command.
        FormatError: the file cannot be written.
        ColumnsError: the column file cannot be read.
    """
    pyarrow = research_package("pyarrow", "Parquet")
    parquet = research_package("pyarrow.parquet", "Parquet")
    draft = out.with_name(f".{out.name}.part")
    with Columns.open(source) as columns:
        # The rules by name: readers of other programs know no positions.
        header = msgspec.to_builtins(columns.header) | {"rules": columns.header.rules.as_dict()}
        schema = pyarrow.schema(
            [(name, getattr(pyarrow, TYPES[code])()) for name, code, _ in FIELDS],
            metadata={"quotemesh": msgspec.json.encode(header)},
        )
        try:
            with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
                for start in range(0, columns.count, GROUP_ROWS):
                    rows = slice(start, min(start + GROUP_ROWS, columns.count))
                    parts = [array(code, getattr(columns, name)[rows].tobytes()) for name, code, _ in FIELDS]
                    arrays = [
                        pyarrow.Array.from_buffers(kind.type, len(part), [None, pyarrow.py_buffer(part)])
                        for kind, part in zip(schema, parts, strict=True)
                    ]
                    writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            draft.replace(out)
        except OSError as error:
            raise FormatError(
                f"{out} could not be written ({error}); nothing of it is kept: make space, or name another"
            ) from None
        finally:
            draft.unlink(missing_ok=True)
        return columns.count
