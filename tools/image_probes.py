"""What a container of the image has to be able to do; run in its root, as its user, without a network."""

import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

from tools import debian_root
from tools.image_build import Image, inside, values

_ROWS = 400
_CONFIG = f"""
pipeline: {{name: image, root: runs}}
task: seq2seq
data:
  path: data/span-{{SPAN}}
  spans: all
  generator: {{name: numbers, rows: {_ROWS}, seed: 1}}
  columns: {{source: source, target: target}}
  split: {{train: 3, eval: 1}}
transform: {{source_tokenizer: character, target_tokenizer: whitespace}}
model: {{units: 16}}
batch: {{size: 64}}
train: {{epochs: 6}}
"""
_CLOUD = """
cloud:
  root: gs://bucket/pipelines
  data: gs://bucket/data/span-{SPAN}
  image: registry.example/tokenline:0.1.0
"""
_VERSIONS = """
import importlib.metadata, platform, sys
import tensorflow, tensorflow_text, keras, tensorflow_data_validation, tensorflow_transform
import tensorflow_model_analysis, apache_beam, tfx_bsl.coders, ml_metadata, google.protobuf
from ml_metadata.metadata_store import metadata_store
from tfx import v1
names = ["tfx", "ml-metadata", "tensorflow-data-validation", "tfx-bsl", "tensorflow-transform", "tensorflow",
         "tensorflow-text", "keras", "apache-beam", "protobuf", "numpy", "pyarrow"]
print("Python", platform.python_version(), "glibc", platform.libc_ver()[1])
for name in names:
    print(name, importlib.metadata.version(name))
"""
# What each package says that it needs is there; its versions are those of the lock, overrides and all.
_COMPLETE = """
import importlib.metadata, re
from packaging.requirements import Requirement
have = {re.sub("[-_.]+", "-", each.name).lower(): each for each in importlib.metadata.distributions()}
wants = [(name, Requirement(text)) for name, each in have.items() for text in each.requires or ()]
wants = [(name, each) for name, each in wants if not each.marker or each.marker.evaluate({"extra": ""})]
missing = [(a, b) for a, b in wants if re.sub("[-_.]+", "-", b.name).lower() not in have]
print("\\n".join(f"{name} needs {want}, which is not installed" for name, want in missing))
raise SystemExit(bool(missing))
"""
_TOOLS = """
import importlib.util
print(*(name for name in ("pip", "uv", "pytest", "mypy") if importlib.util.find_spec(name)))
"""
# The process that Beam's boot program starts, driven over the portable protocol.
_WORKER = """
import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import environments
from components.weighted_mean import WeightedMean

worker = environments.SubprocessSDKEnvironment("python -m apache_beam.runners.worker.sdk_worker_main")
with beam.Pipeline(runner=fn_runner.FnApiRunner(default_environment=worker)) as pipeline:
    sums = pipeline | beam.Create([1.0, 2.0, 6.0]) | beam.Map(lambda x: WeightedMean(2 * x, 2.0).result())
    assert_that(sums, equal_to([1.0, 2.0, 6.0]))
"""


# The methods of `Probes`, the quick ones first.
ALL = ("basics", "worker", "line", "emulated")


class Probes:
    """Runs commands in an image's root and stops at the first that fails."""

    def __init__(self, image: Image, tell: Callable[[str], None]) -> None:
        self._image, self._tell = image, tell
        self._folder = image.folder

    def run(
        self, *command: str, extra: Mapping[str, str] | None = None, fails: bool = False
    ) -> str:
        """What a command prints.

        Raises:
          RuntimeError: it ends with another exit code than 0, and may not; with the end of what it said.
        """
        environment = values(self._image, extra or {})
        done = debian_root.run(
            self._image.root,
            command,
            environment=environment,
            user=self._image.user,
            folder=self._folder,
        )
        if done.returncode and not fails:
            said = "\n".join(done.stdout.strip().split("\n")[-40:])
            raise RuntimeError(f"{' '.join(command)[:80]}: exit code {done.returncode}\n{said}")
        return done.stdout if not done.returncode else ""

    def each(self, names: Sequence[str] = ALL) -> None:
        """The probes with these names, in their order."""
        for name in names:
            getattr(self, name)()

    def basics(self) -> None:
        """The command, its version, the user, and that all that packages need is there and loads."""
        version, label = self.run("tokenline", "--version").split()[-1], self._image.labels
        if version != label["org.opencontainers.image.version"]:
            raise RuntimeError(f"tokenline says version {version}, the label {label}")
        if self.run("id", "-u").strip() == "0":
            raise RuntimeError("the user is root")
        self.run(*self._image.command)
        self._tell(f"tokenline {version}, user {self.run('id', '-un').strip()}")
        if tools := self.run("python", "-c", _TOOLS).split():
            raise RuntimeError(f"development tools are in the image: {', '.join(tools)}")
        self.run("python", "-c", _COMPLETE)
        loaded = self.run("python", "-c", _VERSIONS, extra={"TF_CPP_MIN_LOG_LEVEL": "3"})
        wanted = ("Python", *re.findall(r'"([a-z-]+)"', _VERSIONS))
        shown = [line for line in loaded.splitlines() if line.split(" ")[0] in wanted]
        self._tell("loads " + ", ".join(shown))

    def worker(self) -> None:
        """A Beam worker process does the work of a pipeline."""
        self.run("python", "-c", _WORKER, extra={"TF_CPP_MIN_LOG_LEVEL": "3"})
        self._tell("a Beam worker process has done its work")

    def line(self) -> None:
        """The sample line from raw rows to a pushed model, and the pushed model used."""
        self._project("line", _CONFIG)
        said = self.run("tokenline", "run")
        self._tell(said.rstrip())
        self.run("sh", "-c", "echo 19,407 | tokenline predict")

    def emulated(self) -> None:
        """The compiled line, run as the service would; not possible while the commands do not exist."""
        for name in ("compile", "emulate"):
            if not self.run("tokenline", name, "--help", fails=True):
                self._tell(f"left out: there is no `tokenline {name}`")
                return
        self._project("emulated", _CONFIG + _CLOUD)
        self.run("tokenline", "generate", "--span", "1")
        self.run("tokenline", "compile", "-o", "pipeline.json")
        data = "gs://bucket/data/span-{SPAN}=data/span-{SPAN}"
        self._tell(self.run("tokenline", "emulate", "pipeline.json", "--data", data).rstrip())

    def _project(self, name: str, config: str) -> None:
        """A folder of the image's user with a config, where the next commands run."""
        self._folder = self._image.folder
        self.run("rm", "-rf", name)  # of an earlier try
        self.run("mkdir", name)
        self._folder = f"{self._image.folder}/{name}"
        self.run("sh", "-c", 'printf %s "$CONFIG" > pipeline_config.yaml', extra={"CONFIG": config})


def sizes(image: Image, base: pathlib.Path) -> list[str]:
    """The image's size and what takes it: lines of a table, in megabytes (10^6 bytes)."""
    whole, below = debian_root.megabytes(image.root), debian_root.megabytes(base)
    (packages,) = inside(image.root, "/opt/tokenline/lib").glob("python3.*/site-packages")
    lines = [f"image {whole:,.0f} MB: base {below:,.0f}, added {whole - below:,.0f}"]
    found = {each.name: debian_root.megabytes(each) for each in packages.iterdir() if each.is_dir()}
    lines.append(f"site-packages {debian_root.megabytes(packages):,.0f} MB, of it")
    largest = sorted(found.items(), key=lambda each: -each[1])[:10]
    return lines + [f"  {name:28}{size:8,.0f}" for name, size in largest]
