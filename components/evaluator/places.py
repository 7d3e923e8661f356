"""What a raw example is called by its owner: the file and line it was read from.

A raw example does not say so itself. ExampleGen has noted the line of the n-th row of each shard, so the
few rows of interest are looked for by their digest, in one more pass over the raw shards.
"""

from collections.abc import Collection, Sequence

import tensorflow as tf

from components import records
from components.evaluator import identity
from components.example_gen.places import NotedPlaces

_ROWS_READ = 4096


def places(wanted: Collection[str], patterns: Sequence[str], ingest_report: str) -> dict[str, str]:
    """`file:line` of raw examples, by digest; of equal rows the first. Those not found are left out.

    Args:
      wanted: digests.
      patterns: TFRecord patterns of the raw examples.
      ingest_report: folder of ExampleGen's report; "": there is none, and nothing is known.
    """
    noted = NotedPlaces.read(ingest_report)
    missing, found = set(wanted), dict[str, str]()
    for shard in sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern)):
        if missing and noted.knows(shard):
            here = _rows(shard, missing)
            known = noted.of(shard, here.values())
            found |= {name: known[row] for name, row in here.items() if row in known}
            missing -= found.keys()
    return found


def _rows(shard: str, wanted: Collection[str]) -> dict[str, int]:
    """The first row of a shard, from 0, with each of the digests."""
    found: dict[str, int] = {}
    number = 0
    for rows in records.dataset([shard]).batch(_ROWS_READ).as_numpy_iterator():
        for row in rows.tolist():
            name = identity.digest(row).hex()
            if name in wanted:
                found.setdefault(name, number)
            number += 1
    return found
