"""Rows of text as aligned columns for a terminal."""

from collections.abc import Sequence

from rich.cells import cell_len


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows as lines: the first `left` columns are aligned to the left, the others to the right.

    Wide letters take two places on a terminal, combining marks none.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def padded(i: int, text: str) -> str:
        space = " " * (widths[i] - cell_len(text))
        return text + space if i < left else space + text

    return "\n".join("  ".join(padded(*part) for part in enumerate(row)).rstrip() for row in rows)
