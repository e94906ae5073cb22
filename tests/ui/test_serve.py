"""What the web server is told."""

from pathlib import Path

import pytest
import uvicorn

from ui import app


def test_only_known_proxies_say_where_somebody_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[uvicorn.Config] = []

    class Server:
        def __init__(self, config: uvicorn.Config) -> None:
            told.append(config)

        def run(self) -> None:
            """Serves nobody."""

    monkeypatch.setenv("MULLIGAN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(uvicorn, "Server", Server)
    monkeypatch.setattr(app, "_set_up_logs", lambda settings: None)
    monkeypatch.setattr(app, "_spare_the_collector", lambda: None)  # nor here for the tests that follow
    monkeypatch.setattr(app, "make_desk", lambda settings: None)
    monkeypatch.setattr(app, "create_app", lambda desk: None)
    app.serve()
    monkeypatch.setenv("MULLIGAN_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")
    app.serve()
    assert [config.forwarded_allow_ips for config in told] == ["127.0.0.1", "10.0.0.1,10.0.0.2"]
