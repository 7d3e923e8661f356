"""What an example is called, and which jackknife bucket it is in: by its bytes, so the same in every run.

Whatever is measured of an example, by either model, has to fall into the same bucket.
"""

import hashlib

BUCKETS = 20


def digest(row: bytes) -> bytes:
    """16 bytes that name a serialized raw example."""
    return hashlib.blake2b(row, digest_size=16).digest()


def bucket(name: bytes) -> int:
    """The bucket, below `BUCKETS`, of the example with this digest."""
    return int.from_bytes(name[:8]) % BUCKETS
