"""The files in deploy/: they parse, fit Ray's own schema, and the script runs on a Slurm of one node.

No cluster stands behind these tests; docs/cluster.md says what was not run.
"""

from __future__ import annotations

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
import ray
import yaml

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parent.parent / "deploy"
_GIVEN = {"GPUS": "8", "CPUS": "96", "GPU_WORKERS": "16", "MEMORY": "800Gi"}


def _filled(name: str) -> dict:
    """The file with its ${…} filled in, as `envsubst` does."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    return yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda m: _GIVEN.get(m[1], m[1].lower()), text))


def test_the_cluster_file_has_the_parts_that_rays_schema_knows():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    cluster = _filled("ray-cluster.yaml")
    assert set(cluster) <= set(schema["properties"]) and set(schema["required"]) <= set(cluster)
    node_type = schema["properties"]["available_node_types"]["patternProperties"][".*"]["properties"]
    for node in cluster["available_node_types"].values():
        assert set(node) <= set(node_type)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert cluster["available_node_types"]["gpu"]["resources"] == {"CPU": 96, "GPU": 8}


def test_the_rayjob_names_the_ray_that_is_installed():
    job = _filled("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == metadata.version("ray")
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        mounts = {m["name"] for container in pod["containers"] for m in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
        assert pod["containers"][0]["image"] == "image"


def test_no_cluster_runs_without_a_token():
    """`ray start` only warns where there is none, and whoever reaches its ports then runs code on every node."""
    launched = _filled("ray-cluster.yaml")
    assert "--env RAY_AUTH_MODE=token" in launched["docker"]["run_options"]
    assert launched["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert _filled("rayjob.yaml")["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert "export RAY_AUTH_MODE=token\n" in (DEPLOY / "slurm.sbatch").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "stage"), [("vllm", "rewrite"), ("cosyvoice", "synthesize")])
def test_the_docs_build_an_environment_where_the_profile_looks_for_it(page: str, stage: str):
    told = (DEPLOY.parent / "docs" / f"{page}.md").read_text(encoding="utf-8")
    profile = yaml.safe_load((DEPLOY.parent / "pipelines" / "ke-speechchat.yaml").read_text(encoding="utf-8"))
    environment = profile["resources"][stage]["runtime_env"]
    assert f"-m venv {environment['py_executable'].removesuffix('/bin/python')}" in told
    assert environment.get("env_vars", {}).get("PYTHONPATH", "") in told


def test_the_slurm_script_parses():
    subprocess.run(["bash", "-n", DEPLOY / "slurm.sbatch"], check=True)


_COMMANDS = {  # a Slurm of one node: a step runs here, and what is asked of the controller is written down
    "srun": 'while [[ $1 == --* ]]; do shift; done; [[ $1 == hostname ]] && { echo 127.0.0.1; exit; }; exec "$@"',
    "scontrol": 'echo "$*" >> "$LOG"; [[ $1 == show ]] && echo node1; exit 0',
}
_DRIVER = {  # in place of the driver's environment: a head that stays, a build that ends when told or by itself
    "ray": "[[ $1 != start ]] || exec sleep 30",
    "kesc": 'echo "kesc $*" >> "$LOG"; trap "sleep 1; exit 143" TERM; '
    "if [[ $PROFILE == long ]]; then kill -TERM $PPID; sleep 30 & wait; fi; exit 0",
}


@pytest.fixture
def slurm(tmp_path):
    for folder, files in (("bin", _COMMANDS), ("venv/bin", _DRIVER)):
        (tmp_path / folder).mkdir(parents=True)
        for name, body in files.items():
            (tmp_path / folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (tmp_path / folder / name).chmod(0o755)

    def run(profile: str, restarts: int = 0) -> tuple[int, list[str]]:
        log = tmp_path / f"{profile}-{restarts}.log"
        given = {"VENV": f"{tmp_path}/venv", "PROFILE": profile, "ROOT": "/root-of-build", "LOG": str(log)}
        given |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node1", "SLURM_RESTART_COUNT": str(restarts)}
        done = subprocess.run(
            ["setsid", "--wait", "bash", DEPLOY / "slurm.sbatch"],
            env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin", **given},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
        return done.returncode, log.read_text().splitlines()

    return run


def test_a_build_that_ends_by_itself_is_not_queued_again(slurm):
    code, log = slurm("short")
    assert code == 0 and not [line for line in log if line.startswith("requeue")]
    assert "kesc build short --address auto --root /root-of-build --grace 240 --log-format json" in log


@pytest.mark.slow
def test_sigterm_ends_the_driver_first_and_queues_the_job_again(slurm):
    code, log = slurm("long")
    assert code == 143 and log[-1] == "requeue 7"


@pytest.mark.slow
def test_a_job_that_was_restarted_too_often_stays_down(slurm):
    code, log = slurm("long", restarts=50)
    assert code == 143 and not [line for line in log if line.startswith("requeue")]
