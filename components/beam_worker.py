"""What a Beam worker process imports before it unpickles anything: `--beam_plugin`.

TFX makes its older companions fit before it imports them. A worker that first unpickles a step of
TensorFlow Data Validation would import that alone.
"""

import tfx.components  # noqa: F401
