"""An S3 endpoint on 127.0.0.1 that checks signatures, with a bucket of flat files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

BUCKET = "flatfiles"


class Vendor:
    """What the tests need of it: its address, its keys and its bucket."""

    def __init__(self, url: str, client: Any, keys: tuple[str, str]) -> None:
        self.url, self._client, self.keys = url, client, keys

    def put(self, path: Path | str, day: str, kind: str = "trades") -> str:
        """Upload a flat file to where the vendor has them."""
        key = f"us_stocks_sip/{kind}_v1/{day[:4]}/{day[5:7]}/{day}.csv.gz"
        self._client.put_object(Bucket=BUCKET, Key=key, Body=Path(path).read_bytes())
        return key


@contextmanager
def s3_vendor() -> Iterator[Vendor]:
    """Serve a bucket that one pair of keys may read, until the block ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the server's own libraries
        import boto3
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        url = "http://{}:{}".format(*server.get_host_and_port())

        def client(service: str, key: str, secret: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=url,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                region_name="us-east-1",
            )

        try:
            iam = client("iam", "root", "root")
            iam.create_user(UserName="reader")
            iam.put_user_policy(
                UserName="reader",
                PolicyName="all",
                PolicyDocument=json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
                    }
                ),
            )
            made = iam.create_access_key(UserName="reader")["AccessKey"]
            keys = (made["AccessKeyId"], made["SecretAccessKey"])
            reader = client("s3", *keys)
            reader.create_bucket(Bucket=BUCKET)
            urllib3.request("POST", f"{url}/moto-api/reset-auth", body=b"0")
            yield Vendor(url, reader, keys)
        finally:
            urllib3.request("POST", f"{url}/moto-api/reset-auth", body=b"inf")
            urllib3.request("POST", f"{url}/moto-api/reset")
            server.stop()
