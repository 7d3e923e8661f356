"""ExampleGen: reads the user's files, checks every row, writes raw tf.Examples per split."""
