"""`python -m tinygrad_bp.survey` prints the tables."""

from tinygrad_bp.survey.page import markdown

print(markdown(), end="")
