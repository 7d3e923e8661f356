"""The kinds of accelerators that Vertex knows; on Kubeflow they are whatever its cluster calls them."""

import difflib

# Those of Vertex: google.cloud.aiplatform_v1.types.AcceleratorType, which takes seconds to import.
ACCELERATORS = (
    "NVIDIA_TESLA_K80",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_L4",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
    "TPU_V2",
    "TPU_V3",
    "TPU_V4_POD",
    "TPU_V5_LITEPOD",
)


def fault(kind: str) -> str:
    """What is wrong with the name of a kind on Vertex; "" for nothing."""
    if kind in ACCELERATORS:
        return ""
    close = difflib.get_close_matches(kind, ACCELERATORS, n=1)
    expected = (
        f"did you mean {close[0]}?" if close else f"expected one of {', '.join(ACCELERATORS)}"
    )
    return f"got {kind!r}, which Vertex does not know, {expected}"
