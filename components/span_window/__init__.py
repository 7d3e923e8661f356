"""SpanWindow: which spans a run reads. The stock span resolvers do not compile for Vertex."""
