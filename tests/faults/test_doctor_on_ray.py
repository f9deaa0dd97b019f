"""`kesc doctor` on a Ray cluster of two nodes: what each has, its environments, its models; and a bad address."""

from __future__ import annotations

import posixpath

import pytest

from kespeechchat.commands.doctor import capacity, doctor, environments, models
from kespeechchat.commands.doctor.machines import RayMachines, resources_of
from kespeechchat.config.load import load_pipeline
from tests.faults.ground import PROFILE

pytestmark = pytest.mark.faults


@pytest.fixture
def address():
    """A cluster of a node without a GPU and one that says it has two (no GPU is touched)."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=4, num_gpus=2, resources={"licence": 1.0})
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


def test_each_node_is_asked_for_what_its_stages_need(address):
    settings = [f"resources.filter={{num_gpus: {n}, resources: {{licence: 1}}}}" for n in (2, 4)]
    fits, fits_not = (load_pipeline(PROFILE, [setting]) for setting in settings)
    with RayMachines(address) as there:
        assert len(there.all) == 2
        text, *others = capacity.check(fits, there)
        assert text.ok
        assert "need 2 GPUs" in text.message
        assert "2 GPUs, 6 CPUs, 1 licence on 2 machines" in text.message
        assert all(f.ok for f in others)
        refused = next(capacity.check(fits_not, there))
        assert (refused.ok, refused.blocks) == (False, {"filter"})

        hosts = there.hosts(resources_of(fits, "filter"))
        assert [m.has["GPU"] for m in hosts] == [2.0]
        found = {f.check: f for f in environments.check(fits, there)}
        assert all(f.ok for f in found.values()), found
        assert "on 2 machines" in found["environment of rewrite"].message
        assert "machines" not in found["environment of filter"].message
        assert all(f.ok for f in models.check(fits, there))
        assert there.as_actor(resources_of(fits, "filter"), posixpath.join, "a", "b") == "a/b"


def test_no_cluster_at_the_address(tmp_path):
    pipeline = load_pipeline(PROFILE, root=str(tmp_path / "root"))
    *others, ray = doctor(pipeline, "127.0.0.1:1", inline=False)
    assert all(f.ok for f in others)
    assert (ray.check, ray.ok) == ("Ray", False)
    assert "--address 127.0.0.1:1: cannot join Ray" in ray.message
    assert "is its head up" in ray.fix
