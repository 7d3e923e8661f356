"""VocabularyGen: the append-only vocabulary and the token ledger, from one pass over the examples."""
