"""`tokenline retrain`: new spans of data, each trained on in exactly one run, whatever dies when.

A light parent process looks for spans and keeps the ledger; each run of the line is a child process,
which dies with its parent. The two talk through two small files, see `order`.
"""
