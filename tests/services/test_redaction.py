"""Secrets in arguments."""

from pydantic import BaseModel, SecretStr

from services.redaction import HIDDEN, redact_args
from tests.support.desks import a_kind


class TestRedaction:
    def test_names_that_mean_secrets(self) -> None:
        args = {
            "url": "https://example.org/x?a=1",
            "secret": "s",
            "headers": {"Authorization": "Bearer x", "X-Api-Key": "k", "Accept": "*/*", "Cookie": "c"},
            "auth": ["user", "word"],
            "items": [{"password": "p", "name": "n"}],
            "token": None,
            "use_token": True,
        }
        assert redact_args(None, args) == {
            "url": "https://example.org/x?a=1",
            "secret": HIDDEN,
            "headers": {"Authorization": HIDDEN, "X-Api-Key": HIDDEN, "Accept": "*/*", "Cookie": HIDDEN},
            "auth": HIDDEN,
            "items": [{"password": HIDDEN, "name": "n"}],
            "token": None,
            "use_token": True,
        }

    def test_what_an_address_carries(self) -> None:
        address = "https://mara:pw@example.org:8443/f.mp4?X-Amz-Signature=abc&part=1&token=t"
        shown = redact_args(None, {"url": address})["url"]
        assert (
            shown
            == f"https://mara:{HIDDEN}@example.org:8443/f.mp4?X-Amz-Signature={HIDDEN}&part=1&token={HIDDEN}"
        )
        assert redact_args(None, {"url": "http://[broken"}) == {"url": "http://[broken"}

    def test_what_the_kind_declares(self) -> None:
        class Args(BaseModel):
            login: SecretStr | None = None
            plain: str = ""

        kind = a_kind()
        declared = type(kind)(name="x", title="x", args_model=Args, run=kind.run)
        assert redact_args(declared, {"login": "pw", "plain": "p"}) == {"login": HIDDEN, "plain": "p"}
