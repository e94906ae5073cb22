"""`python -m ui.demo`: the part that `mulligan up --demo` starts once the web answers."""

import argparse
import asyncio
import signal
import threading

import httpx

from services.settings import load_settings
from ui.demo.media import make_media
from ui.demo.seed import WORKSPACE, fill, open_workspace
from ui.demo.server import DemoServer


def main() -> None:
    """Makes media, serves them, fills the workspace, and serves on until it is stopped."""
    parser = argparse.ArgumentParser(prog="mulligan demo")
    parser.add_argument("--address", required=True, help="where Mulligan answers")
    parser.add_argument("--port", type=int, required=True, help="where to serve")
    wanted = parser.parse_args()
    stopped = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stopped.set())

    settings = load_settings()
    media = settings.data_path / "demo"
    make_media(media)
    server = DemoServer(media, wanted.port)
    try:
        if token := asyncio.run(open_workspace(settings)):
            try:
                made = fill(wanted.address, token, media, server.address)
            except httpx.HTTPError as error:
                raise SystemExit(f"the demo cannot be made: {error}") from None
            told = f"{made} jobs" if made else "as it was left"
            print(f"The demo is ready ({told}): {wanted.address}/?w={WORKSPACE}", flush=True)
        stopped.wait()
    finally:
        server.close()


if __name__ == "__main__":
    main()
