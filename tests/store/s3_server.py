"""A real S3 server on loopback: SeaweedFS from its PyPI package, with one key pair and one bucket."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

KEY, SECRET, BUCKET = "a-key", "a-secret", "kesc-test"
_PATIENCE = 60  # seconds for a busy machine


class S3Server:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        actions = ["Admin", "Read", "Write", "List"]
        identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.port, filer, master, volume = _free_ports(4)
        ports = [f"-s3.port={self.port}", f"-filer.port={filer}", f"-master.port={master}", f"-volume.port={volume}"]
        ports += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # else two servers of one machine want the same two ports
        sizes = ["-volume.max=20", "-master.volumeSizeLimitMB=64"]
        weed = [str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder}", "-ip=127.0.0.1"]
        weed += ["-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={folder / 's3.json'}", *ports, *sizes]
        self._log = folder / "weed.log"
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(weed, stdout=log, stderr=log)
        self._make_bucket(f"http://127.0.0.1:{filer}/buckets/{BUCKET}/")

    def environment(self, port: int | None = None) -> dict[str, str]:
        """What leads a client to it, or to what listens for it on `port`."""
        endpoint = f"http://127.0.0.1:{port or self.port}"
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        return {"AWS_ENDPOINT_URL": endpoint, **keys}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _make_bucket(self, url: str) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5)
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except (urllib.error.URLError, OSError) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code == 409:
                    return  # made by the try before, which waited for the S3 port only
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError(f"no S3 server: {self._log.read_text()[-2000:]}") from error
                time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    """Free ports whose port + 10000, where SeaweedFS speaks gRPC, exists too."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        port = port if port < 55_000 else port - 20_000
        if port not in found:
            found.append(port)
    return found
