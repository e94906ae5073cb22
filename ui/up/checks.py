"""What must be right before anything starts; each raises `Trouble` with one clear line."""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from ui.up.trouble import Trouble


def check_port(host: str, port: int) -> None:
    """The web's address must be free, and ours to take."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise Trouble(f"{host} is not an address. Try --host 127.0.0.1 or --host 0.0.0.0") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen()
        except OSError as error:
            raise Trouble(_why_not(error, host, port)) from None


def _why_not(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            return f"Port {port} is already in use. Stop what uses it, or take another: mulligan up --port {other}"
        case errno.EACCES:
            return f"Port {port} needs root. Take one above 1023: mulligan up --port 8080"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine. Try --host 127.0.0.1 or --host 0.0.0.0"
        case _:
            return f"Cannot listen on {host}:{port}: {error.strerror}"


def take_data_folder(folder: Path) -> TextIO:
    """Makes the folder, and takes its lock for as long as the returned file stays open."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
    except OSError as error:
        raise Trouble(
            f"The data folder {folder} cannot be written: {error.strerror}. Choose one with --data"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise Trouble(
            f"Mulligan already runs on {folder} (process {holder}). Choose another with --data"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
