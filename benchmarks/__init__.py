"""Side by side with peers: every figure is a ratio of medians measured in one run."""
