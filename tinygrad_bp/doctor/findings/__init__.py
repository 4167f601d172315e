"""The findings: a small function each, which looks at measurements and says what to change.

The table of them, with what hides what, is `table`.
"""
