"""The example files for clusters: what Ray and Kubernetes would read, held to what the planner needs."""

import importlib.metadata
import re
from pathlib import Path

import pytest
import yaml

import planner

FOLDER = Path("cluster_configs/ray")
RAY = importlib.metadata.version("ray")


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


def cluster_spec(name):
    found = load(name)
    assert found["apiVersion"] == "ray.io/v1"
    return found["spec"] if found["kind"] == "RayCluster" else found["spec"]["rayClusterSpec"]


def test_the_launchers_file_passes_rays_own_checks():
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    config = load("on-premise.yaml")
    filled = fillout_defaults({**config, "provider": {**config["provider"], "coordinator_address": ""}})
    validate_config({**filled, "provider": config["provider"]})
    assert len(config["provider"]["worker_ips"]) == config["max_workers"]
    lines = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    started = [line for line in lines if "ray start" in line]
    assert len(started) == 2
    assert all("RAY_AUTH_MODE=token" in line for line in started)
    assert all(":6379" in line or "--port=6379" in line for line in started)
    assert f"--node-ip-address={config['provider']['head_ip']}" in started[0]


@pytest.mark.parametrize("name", ["kuberay-cluster.yaml", "kuberay-job.yaml"])
def test_kubernetes_files_have_a_token_one_image_and_rays_port(name):
    spec = cluster_spec(name)
    assert spec["rayVersion"] == RAY
    assert spec["authOptions"] == {"mode": "token"}
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    containers = [container for group in groups for container in group["template"]["spec"]["containers"]]
    assert {container["image"] for container in containers} == {f"registry.example.com/planner:{planner.__version__}"}
    assert {"containerPort": 6379, "name": "gcs-server"} in containers[0]["ports"]
    assert all(container["resources"]["requests"] == container["resources"]["limits"] for container in containers)


def test_the_job_runs_a_sweep_that_can_be_resumed():
    words = load("kuberay-job.yaml")["spec"]["entrypoint"].split()
    assert words[:2] == ["planner", "sweep"]
    assert words[words.index("--ray-address") + 1] == "auto"
    mounts = cluster_spec("kuberay-job.yaml")["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert words[words.index("--out") + 1].startswith(mounts[0]["mountPath"])
    assert "--resume" in words


def test_the_image_has_the_ray_that_is_locked():
    text = (FOLDER / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{RAY}-py311" in text
    assert re.search(rf"^ray==({re.escape(RAY)})\b", Path("requirements/runtime.lock").read_text(), re.MULTILINE)
