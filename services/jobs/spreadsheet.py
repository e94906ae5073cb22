"""Text that a spreadsheet shows and does not run."""

# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_text(cell: str) -> str:
    """The cell, with an apostrophe before what would be a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
