"""The section `cloud`: what it means, and one line for whatever is wrong with it."""

import pytest

from components.errors import InputError
from pipeline.config import load_config
from pipeline.retrain.order import config_digest

CONFIG = """
pipeline: {name: numbers, root: runs}
task: lm
data: {path: "gs://bucket/data/span-{SPAN}"}
"""
CLOUD = {"root": "gs://bucket/pipelines", "image": "registry.example/tokenline:1"}


def written(tmp_path, **cloud):
    lines = [f"  {name}: {value}" for name, value in (CLOUD | cloud).items()]
    (tmp_path / "c.yaml").write_text(CONFIG + "cloud:\n" + "\n".join(lines) + "\n")
    return tmp_path / "c.yaml"


def test_without_the_section_there_is_none(tmp_path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert load_config(tmp_path / "c.yaml").cloud is None


def test_what_is_not_said_follows_from_the_rest(tmp_path) -> None:
    cloud = load_config(written(tmp_path)).cloud
    assert cloud.data == "gs://bucket/data/span-{SPAN}"
    assert cloud.push_to == "gs://bucket/pipelines/numbers/served"
    assert (cloud.cache, cloud.images, cloud.resources) == (True, {}, {})


def test_resources_are_read_by_component(tmp_path) -> None:
    given = "{SequenceTrainer: {cpu: 8, memory_gb: 32, accelerator: NVIDIA_TESLA_T4}}"
    found = load_config(written(tmp_path, resources=given)).cloud.resources["SequenceTrainer"]
    assert (found.cpu, found.memory_gb, found.accelerator_count) == (8.0, 32.0, 1)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("root", "/mnt/bucket", "cloud.root: got '/mnt/bucket', expected an address at gs://"),
        ("root", "gs://bucket/", "cloud.root: got 'gs://bucket/', expected no / at its end"),
        ("data", "ftp://a/b", "cloud.data: got 'ftp://a/b', expected an address at gs://"),
        ("data", "gs://a/b", "cloud.data: got 'gs://a/b', expected {SPAN} in it, as in data.path"),
        ("root", "gs://", "cloud.root: got 'gs://', expected a bucket's name"),
        (
            "root",
            "gs://Bucket_X!/p",
            "cloud.root: got 'gs://Bucket_X!/p', expected a bucket's name",
        ),
        ("root", "gs://b/{SPAN}", "cloud.root: got 'gs://b/{SPAN}', expected no {SPAN}"),
        ("push_to", "gs://b/{SPAN}", "cloud.push_to: got 'gs://b/{SPAN}', expected no {SPAN}"),
        ("data", "gs://a/{SPAN}/{SPAN}", "cloud.data: got .* expected {SPAN} at most once"),
        ("project", "mine", "cloud.region: missing, expected project and region, or neither"),
        ("project", "My Project", "cloud.project: got 'My Project', expected a project's id"),
        (
            "image",
            "a b",
            "cloud.image: got 'a b', expected an image, as europe-docker.pkg.dev/p/r/t",
        ),
        ("region", "europe west4", "cloud.region: got 'europe west4', expected a region, such as"),
        ("labels", "{Team: nlp}", "cloud.labels.Team: got this name, expected a-z"),
        ("labels", "{tfx_version: a}", "cloud.labels.tfx_version: got this name, expected a-z"),
        ("labels", "{team: N L P}", "cloud.labels.team: got 'N L P', expected a-z"),
        (
            "images",
            "{SequenceTrain: a}",
            "cloud.images.SequenceTrain: no component .* SequenceTrainer",
        ),
        (
            "resources",
            "{Oven: {cpu: 1}}",
            "cloud.resources.Oven: no component of this name, expected",
        ),
        (
            "resources",
            "{Transform: {cpu: 500}}",
            "Transform.cpu: got 500, expected a number >= 0 and",
        ),
        ("resources", "{Transform: {ram: 5}}", "cloud.resources.Transform.ram: unknown key"),
        (
            "resources",
            "{Tuner: {accelerators: 2}}",
            "Tuner.accelerators: got 2, expected accelerator",
        ),
        ("service_account", "me", "cloud.service_account: got 'me', expected name@project"),
        ("network", "default", "cloud.network: got 'default', expected projects/<number>/global"),
    ],
)
def test_what_is_wrong_is_one_line(key, value, expected, tmp_path) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        load_config(written(tmp_path, **{key: value}))
    (line,) = str(raised.value).split("\n")
    assert line.startswith(f"{tmp_path / 'c.yaml'}:")


def test_data_of_this_machine_are_no_data_there(tmp_path) -> None:
    path = written(tmp_path)
    text = path.read_text().replace("gs://bucket/data/span-{SPAN}", "rows-{SPAN}")
    path.write_text(text)
    with pytest.raises(
        InputError, match=r"c.yaml:5: cloud.data: got '.*rows-\{SPAN\}', expected an"
    ):
        load_config(path)


def test_the_cloud_changes_no_run_key_of_this_machine(tmp_path) -> None:
    """A ledger that was kept before there was a cloud knows its spans by that key."""
    (tmp_path / "here.yaml").write_text(CONFIG)
    here = config_digest(load_config(tmp_path / "here.yaml"))
    there = config_digest(load_config(written(tmp_path, labels="{team: nlp}")))
    assert here == there


def test_where_submit_sends_to_changes_no_run_key(tmp_path) -> None:
    path = written(tmp_path)
    before = config_digest(load_config(path))
    path.write_text(path.read_text() + "kubeflow: {host: 'https://kfp.example'}\n")
    assert config_digest(load_config(path)) == before
