"""Runs a compiled pipeline on this machine, step by step, as Vertex AI Pipelines would.

What is emulated and what cannot be is told in docs/emulate.md. Nothing here imports TensorFlow or TFX:
the steps do, in processes of their own.
"""
