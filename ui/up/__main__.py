"""`python -m ui.up`: what `mulligan up` becomes once settings are checked."""

import argparse
import os
import sys
from pathlib import Path

from ui.up.console import Console
from ui.up.supervisor import House, supervise


def main() -> int:
    """Reads the resolved arguments and runs the house."""
    parser = argparse.ArgumentParser(prog="mulligan up")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--valkey-socket", type=Path)
    parser.add_argument("--aria2", action="store_true")
    parser.add_argument("--demo", action="store_true")
    house = House(**vars(parser.parse_args()))
    return supervise(house, Console(as_json=os.environ.get("MULLIGAN_LOG_FORMAT") == "json"))


if __name__ == "__main__":
    sys.exit(main())
