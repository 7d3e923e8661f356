"""Transform: the transform graph over the vocabulary artifact, and every split by it."""
