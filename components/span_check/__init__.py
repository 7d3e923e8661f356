"""SpanCheck: new spans held against the span before them, and their splits against each other."""
