"""SequenceTuner: TFX's Tuner for SequenceTrainer; KerasTuner proposes, our training loop tries."""
