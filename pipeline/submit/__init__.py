"""Submitting and scheduling compiled pipelines: Vertex AI Pipelines and Kubeflow."""
