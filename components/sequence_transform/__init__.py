"""Transform: tf.Transform over the vocabulary artifact."""
