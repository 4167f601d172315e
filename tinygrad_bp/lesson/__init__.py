"""The lesson's steps as a Python API: what one image of a 2 wants, and what all of them want.

two = OneExample(lesson_network(), image, 2)     one example, forward and backward
two.wishes, two.nudges, two.wiggle("b3[2]")      what it wants, and whether to believe it
avenues(two, 2), committee(two), equations(two)  from the outputs back to the pixels
deltas_of(parameters, images, labels)            the same for many examples at once
stage()                                          the lesson's page, inside a notebook
Told(stage_data())                               the numbers of its fifteen scenes
"""

from tinygrad_bp.lesson.chain import Chain, chain
from tinygrad_bp.lesson.deltas import Deltas, deltas_of
from tinygrad_bp.lesson.example import OneExample, Wiggle
from tinygrad_bp.lesson.knobs import best_knobs, budget, rank_of, sensitive_pair
from tinygrad_bp.lesson.many import notable_rows, wish_table
from tinygrad_bp.lesson.network import (
    SIZES,
    flatten,
    index_of,
    lesson_network,
    name_of,
    network_of,
    unflatten,
)
from tinygrad_bp.lesson.notebook import Stage, stage
from tinygrad_bp.lesson.sampling import agreement, noise_scale, predicted_cosine
from tinygrad_bp.lesson.stage import stage_data, story
from tinygrad_bp.lesson.told import Told
from tinygrad_bp.lesson.voters import avenues, committee, equations, hebb, paths_of

__all__ = [
    "SIZES",
    "Chain",
    "Deltas",
    "OneExample",
    "Stage",
    "Told",
    "Wiggle",
    "agreement",
    "avenues",
    "best_knobs",
    "budget",
    "chain",
    "committee",
    "deltas_of",
    "equations",
    "flatten",
    "hebb",
    "index_of",
    "lesson_network",
    "name_of",
    "network_of",
    "noise_scale",
    "notable_rows",
    "paths_of",
    "predicted_cosine",
    "rank_of",
    "sensitive_pair",
    "stage",
    "stage_data",
    "story",
    "unflatten",
    "wish_table",
]
