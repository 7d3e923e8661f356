"""`tokenline migrate`: which sequence loss a source file calls, what it divides by, and ours for it.

sources (files and Markdown blocks) -> names (what a name really is) -> flow (what becomes of the
loss) -> denominators, verdicts, equivalents -> report; rewrite replaces what is certain.
"""
