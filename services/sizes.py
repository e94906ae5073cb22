"""Sizes in words."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_size(size: float) -> str:
    """Bytes as people say them, in powers of 1000: `999 B`, `1.2 GB`, `34 MB`."""
    unit = 0
    # 999.5 kB would be shown as "1000 kB".
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit and size < 9.95 else f"{size:.0f} {_UNITS[unit]}"
