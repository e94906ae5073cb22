"""A bucket on a server that speaks S3: moto, told to check signatures, keys and permissions as AWS does."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import boto3
import httpx
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from services.settings import Settings, load_settings

_REGION = "eu-central-1"


class S3Server:
    """One server with one user, whose key pair is the only one that is accepted."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._names = count(1)
        # moto's buckets and users belong to the process: an earlier server's may still be there.
        self._check_signatures_after("inf")
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        self.access_key_id, self.secret_access_key = self._make_user()
        self._check_signatures_after("0")
        self.client: Any = self._client("s3", self.access_key_id, self.secret_access_key)

    def _client(self, service: str, key: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def _make_user(self) -> tuple[str, str]:
        iam = self._client("iam", "anyone", "anything")
        iam.create_user(UserName="mulligan")
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
        }
        iam.put_user_policy(UserName="mulligan", PolicyName="storage", PolicyDocument=json.dumps(everything))
        made = iam.create_access_key(UserName="mulligan")["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def _check_signatures_after(self, requests: str) -> None:
        httpx.post(f"{self.url}/moto-api/reset-auth", content=requests.encode()).raise_for_status()

    @contextmanager
    def unchecked(self) -> Iterator[None]:
        """Lets every request in: moto cannot check a signature that stands in the address."""
        self._check_signatures_after("inf")
        yield
        self._check_signatures_after("0")

    def make_bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"bucket-{next(self._names)}"
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": _REGION})
        return name

    def settings(self, bucket: str, **overrides: Any) -> Settings:
        """Settings whose storage is that bucket, under a prefix."""
        chosen = {
            "storage_url": f"s3://{bucket}/some/where",
            "storage_endpoint": self.url,
            "storage_region": _REGION,
            "storage_access_key_id": self.access_key_id,
            "storage_secret_access_key": self.secret_access_key,
            **overrides,
        }
        return load_settings(_env_file=None, **chosen)

    def keys(self, bucket: str) -> list[str]:
        """The keys of the objects that lie in a bucket."""
        return [o["Key"] for o in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def unfinished(self, bucket: str) -> list[str]:
        """The keys of multipart uploads that were begun, and neither completed nor aborted."""
        return [u["Key"] for u in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    def close(self) -> None:
        """Ends it."""
        self._server.stop()
