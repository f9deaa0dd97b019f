"""A Ray head on this machine that says it has GPUs, and `kesc` run against it: for profiles that are made for GPUs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.paper_profile import ROOT


@contextlib.contextmanager
def ray_head(gpus: int, cpus: int) -> Iterator[dict[str, str]]:
    """A Ray head behind a token that says it has GPUs; yields the environment of what joins it."""
    with socket.socket() as free, tempfile.TemporaryDirectory(prefix="kesc-ray-") as folder:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "RAY_ADDRESS": address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": f"{folder}/token",
            "HF_HUB_OFFLINE": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_NO_USAGE_STATS": "1",
            "OMP_NUM_THREADS": "2",
        }
        (Path(folder) / "token").write_text(os.urandom(16).hex())
        command = ["start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={address.split(':')[1]}"]
        command += [f"--num-gpus={gpus}", f"--num-cpus={cpus}", "--object-store-memory=200000000"]
        command += ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}/ray"]
        with open(f"{folder}/head.log", "w") as log:
            head = subprocess.Popen([_beside("ray"), *command], env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for_head(env, head, Path(folder) / "head.log")
            yield env
        finally:
            head.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                head.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)


def _beside(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _wait_for_head(env: dict[str, str], head: subprocess.Popen, log: Path) -> None:
    for _ in range(60):
        if subprocess.run([_beside("ray"), "status"], env=env, capture_output=True).returncode == 0:
            return
        assert head.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(f"no head at {env['RAY_ADDRESS']}: {log.read_text()}")


def kesc(env: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kespeechchat", *map(str, words)]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=3600)
