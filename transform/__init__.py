"""Raw records to the feature contract, as TensorFlow graph code.

Knows tensorflow and tensorflow_transform, and nothing else of this project: whatever runs here also
runs inside the served model, so training, evaluation and serving cannot disagree.
"""
