"""SequenceEvaluator: scores raw examples through a model's `score` signature; blesses it or not.

    raw tf.Example --score--> sums [B] --Beam--> sums per slice and bucket [S, G, models, sums]
        --metrics--> values, intervals, differences --validation--> verdict, always with reasons
        --tfma_output--> files that TensorFlow Model Analysis reads

`adding` is the step that sees examples: `positions`, `token_slices`, `ranking` and `tags` make sums and
ranks of a batch, which `combining` adds up, exactly (`exact`); `decoded` decodes a sample, `extras` measures
what one task has. `metrics`, `calibration` and `validation` are functions of arrays; only `component`,
`executor`, `spec` and `tfma_output` load TFX.
"""
