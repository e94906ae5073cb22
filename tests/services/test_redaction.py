"""Secrets in arguments."""

from pydantic import BaseModel, SecretStr

from services.failures.failures import classify
from services.redaction import HIDDEN, redact_args, secret_values
from services.scrubbing import scrub
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
            shown == f"https://{HIDDEN}@example.org:8443/f.mp4?X-Amz-Signature={HIDDEN}&part=1&token={HIDDEN}"
        )
        assert redact_args(None, {"url": "http://[broken"}) == {"url": "http://[broken"}

    def test_a_token_alone_and_headers_as_pairs(self) -> None:
        args = {
            "url": "https://ghp_abc@github.com/x",
            "headers": [["Authorization", "Bearer abcdef"], ["Accept", "*/*"]],
            "named": [{"name": "Cookie", "value": "c"}, {"name": "Accept", "value": "*/*"}],
        }
        assert redact_args(None, args) == {
            "url": f"https://{HIDDEN}@github.com/x",
            "headers": [["Authorization", HIDDEN], ["Accept", "*/*"]],
            "named": [{"name": "Cookie", "value": HIDDEN}, {"name": "Accept", "value": "*/*"}],
        }

    def test_what_the_kind_declares(self) -> None:
        class Args(BaseModel):
            login: SecretStr | None = None
            plain: str = ""

        kind = a_kind()
        declared = type(kind)(name="x", title="x", args_model=Args, run=kind.run)
        assert redact_args(declared, {"login": "pw", "plain": "p"}) == {"login": HIDDEN, "plain": "p"}


class TestText:
    def test_addresses_in_a_message(self) -> None:
        text = "GET 'https://u:s3cret@h:1/p?token=abc&part=2' failed, see ftp://ghp_abc@h and a@b.org"
        assert (
            scrub(text)
            == f"GET 'https://{HIDDEN}@h:1/p?token={HIDDEN}&part=2' failed, see ftp://{HIDDEN}@h and a@b.org"
        )
        assert scrub("Authorization: Bearer abcdefgh, x=1") == f"Authorization: Bearer {HIDDEN}, x=1"
        assert scrub("the bearer of news") == "the bearer of news"

    def test_an_error_tells_no_secret(self) -> None:
        args = {"api_key": "key-123456", "url": "https://u:pass-word@h/"}
        try:
            raise ValueError("no: https://u:s3cret@h/?token=abc with key-123456 and pass-word")
        except ValueError as error:
            failure = classify(error, "k", secret_values(None, args))
        for text in (failure.message, failure.traceback or ""):
            assert not any(word in text for word in ("s3cret", "abc", "key-123456", "pass-word"))
        assert "ValueError" in failure.message
