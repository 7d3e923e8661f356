"""ExampleValidator whose anomalies stop the run."""
