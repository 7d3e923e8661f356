"""`tokenline predict` and `score`: a pushed model on rows, as they come or in files of any size."""
