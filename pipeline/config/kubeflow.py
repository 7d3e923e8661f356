"""`kubeflow`: the installation of Kubeflow Pipelines that runs are submitted to. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:

import dataclasses

from pipeline.config.loader import required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class KubeflowConfig:
    """An installation; what it runs, and where artifacts go, says the section `cloud`."""

    host: str = required(
        "address of its API, as a browser has it: https://kubeflow.example.org/pipeline",
        pattern="https?://[^/ ]+[^ ]*", pattern_text="an address, http:// or https://",
    )  # fmt: skip
    namespace: str = setting("", "of the user, where the installation has several; '': it has one")
    experiment: str = setting(
        "tokenline", "what its runs are listed under; made if it is not there"
    )
    token_file: str | None = setting(
        None, "file with a bearer token, read at each call; without it kfp's own ways", path=True
    )
    certificate_file: str | None = setting(
        None,
        "certificates that the host's own is checked with; without it the machine's",
        path=True,
    )
