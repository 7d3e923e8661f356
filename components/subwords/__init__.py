"""The files that cut text into pieces: learned from counted words, given by the user, or kept.

ExampleGen learns them where it cuts windows or leaves rows out, VocabularyGen everywhere else.
"""
