"""SequenceTrainer: from transformed examples to a trained, servable sequence model."""
