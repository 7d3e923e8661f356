"""A small line with everything that a section `cloud` can say, and how a test compiles it."""

from pipeline import kubeflow_runner
from pipeline.config import load_config

CONFIG = """
pipeline: {name: numbers, root: runs}
task: seq2seq
data: {path: "data/span-{SPAN}", generator: {name: numbers, rows: 60}, max_target_length: 26}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
train: {steps: 7}
cloud:
  root: gs://bucket/pipelines
  data: gs://bucket/data/span-{SPAN}
  image: registry.example/tokenline:1
  images: {SequenceTrainer: registry.example/tokenline-gpu:1}
  resources:
    ExampleGen: {memory_gb: 8}
    SequenceTrainer: {cpu: 8, memory_gb: 32, accelerator: NVIDIA_TESLA_T4, accelerators: 2}
  labels: {team: nlp}
  service_account: runner@p.iam.gserviceaccount.com
  network: projects/12345/global/networks/inside
"""


def compiled(folder, text=CONFIG, target="vertex", *outputs):
    """The PipelineJob of a configuration."""
    (folder / "c.yaml").write_text(text)
    config = load_config(folder / "c.yaml")
    return kubeflow_runner.compile_pipeline(config, target, *outputs)
