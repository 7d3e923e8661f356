"""Does the Dockerfile's steps without Docker, and tries what comes out: `python -m tools.image_check`.

The steps are read from the Dockerfile, so they cannot drift. They run in a Debian 13 folder
(debootstrap, chroot), where Debian's own Python 3.13 stands for the official image's. Exit codes:
0 done, 1 a step or a probe failed, 77 not possible on this machine (with the reason).
"""

import argparse
import pathlib
import signal
import sys
import time

from tools import debian_root, dockerfile, image_build, image_probes
from tools.build_context import BuildContext

_REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
_IMPOSSIBLE = 77


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.image_check", description=__doc__)
    text = "for the folders, 8 GB (default: build/image)"
    parser.add_argument("--work", type=pathlib.Path, default=_REPOSITORY / "build/image", help=text)
    parser.add_argument("--mirror", default="", help="of Debian (default: where apt gets it from)")
    parser.add_argument("--keep", action="store_true", help="leave the image's folder, to look at")
    text = "build nothing, try the image that --keep has left (and leave it)"
    parser.add_argument("--kept", action="store_true", help=text)
    text = "try only this; may be repeated (default: all)"
    parser.add_argument("--probe", action="append", choices=image_probes.ALL, help=text)
    chosen = parser.parse_args(arguments)
    if reason := debian_root.impossible(chosen.mirror):
        print(f"image check: skipped: {reason}")
        return _IMPOSSIBLE
    try:
        tell, work = _Telling(), chosen.work.absolute()
        image = kept(work, tell) if chosen.kept else build(work, chosen.mirror, tell)
        image_probes.Probes(image, tell).each(chosen.probe or image_probes.ALL)
        tell("all is well")
    except RuntimeError as error:
        print(f"image check: failed: {error}", file=sys.stderr)
        return 1
    finally:
        if not (chosen.keep or chosen.kept):
            image_build.discard(chosen.work)
    return 0


def build(work: pathlib.Path, mirror: str, tell: "_Telling") -> image_build.Image:
    """Build, and print the sizes; `mirror`: "" for where apt gets Debian from.

    Raises:
      RuntimeError: a step fails.
    """
    base = work / "base"
    if not base.exists():
        tell("Debian 13 with debootstrap")
        debian_root.make_base(base, mirror or debian_root.mirror())
    stages = _stages()
    image = _builder(work, tell).build(stages, base_name=stages[0].base)
    for line in image_probes.sizes(image, base):
        tell(line)
    return image


def kept(work: pathlib.Path, tell: "_Telling") -> image_build.Image:
    """What an earlier `build` has left.

    Raises:
      RuntimeError: it has left nothing.
    """
    return _builder(work, tell).kept(_stages())


def _stages() -> tuple[dockerfile.Stage, ...]:
    return dockerfile.parse((_REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))


def _builder(work: pathlib.Path, tell: "_Telling") -> image_build.Builder:
    return image_build.Builder(BuildContext(_REPOSITORY), work / "base", work, tell)


class _Telling:
    """Prints lines with the seconds since the start before them."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.0f} s  {text}", flush=True)


if __name__ == "__main__":
    # As Ctrl-C: what runs in the root ends too, and the stages are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
