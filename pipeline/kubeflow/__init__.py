"""The line as a specification for Vertex and Kubeflow Pipelines: made, completed and checked offline."""
