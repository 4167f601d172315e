"""What the lesson says, statement by statement, and where each is shown, computed and tested.

S: the lesson itself. W: its text on the web. K: the calculus behind it. G, N and A: the lessons
on gradient descent, on what a network is, and on what it has learned.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any, NamedTuple

from tinygrad_bp.lesson.stage import story

__all__ = ["COVERAGE", "Covered", "as_markdown", "experiments", "shown"]

ELSEWHERE = {"W18": "examples/backprop_by_hand.py", "K18": "tinygrad-bp explain"}
"""What the lesson's page does not show."""


class Covered(NamedTuple):
    """A statement, and what stands for it."""

    id: str
    what: str
    function: str
    """Within the package."""
    test: str
    """File and name, within the folder of tests."""


_ROWS = """
S1  | backpropagation, step by step | lesson.told.Told
    test_cli_lesson.py::test_lesson_tells_all_scenes
S2  | networks learn by backpropagation | lesson.descent.descend
    test_lesson_many.py::test_nothing_is_learned_without_gradients
S3  | the recap comes first | lesson.stage.story
    test_stage.py::test_the_recap_comes_first
S4  | words, numbers, formulas | lesson.stage.story
    test_stage.py::test_a_scene_can_be_read_in_words_numbers_and_formulas
S5  | information is fed forward | lesson.deltas.activations
    test_lesson_example.py::test_matrix_form_is_the_sum_over_neurons
S6  | 784, 16, 16, 10: 13,002 parameters | lesson.network.lesson_network
    test_lesson_example.py::test_13_002_parameters_layer_by_layer
S7  | the brightest output is read | lesson.example.OneExample.prediction
    test_lesson_example.py::test_the_first_of_equals_is_the_prediction
S8  | gradient descent lowers the cost | lesson.example.OneExample.cost_after
    test_lesson_example.py::test_a_small_step_pays_the_squared_gradient
S9  | the cost of one example | lesson.deltas.costs_of
    test_lesson_example.py::test_ten_squares_add_up_to_the_cost
S10 | the total cost is the average | lesson.descent.mean_cost
    test_lesson_many.py::test_the_total_cost_is_the_mean
S11 | the negative gradient is steepest | lesson.example.OneExample.nudges
    test_lesson_example.py::test_no_direction_is_steeper_than_the_negative_gradient
S12 | it spends a small change best | lesson.knobs.budget
    test_lesson_example.py::test_no_budget_is_spent_better_than_on_the_gradient
S13 | a component is a sensitivity | lesson.example.OneExample.wiggle
    test_lesson_example.py::test_the_200_largest_are_predicted_to_a_millionth
S14 | 3.2 against 0.1 | lesson.knobs.sensitive_pair
    test_lesson_example.py::test_a_ratio_of_gradients_is_a_ratio_of_what_happens
S15 | the effect of each example | lesson.deltas.Deltas.per_example
    test_lesson_many.py::test_rows_are_the_gradients_of_single_examples
S16 | changes from a single example | lesson.example.OneExample.step
    test_lesson_example.py::test_one_step_lowers_the_examples_own_cost
S17 | one example is looked at to learn | lesson.example.OneExample
    test_stage.py::test_one_example_is_not_said_to_be_faster
S18 | an image of a 2 | lesson.stage.stage_data
    test_stage.py::test_it_carries_digits_at_16_levels_and_shown_ones_as_bytes
S19 | random outputs to begin with | lesson.network.lesson_network
    test_lesson_numbers.py::test_the_last_layer_from_its_pinned_activations
S20 | raise the 2, lower the others | lesson.example.OneExample.wishes
    test_lesson_example.py::test_the_label_should_be_brighter_and_all_others_darker
S21 | in proportion to the distance | lesson.example.OneExample.wishes
    test_lesson_example.py::test_a_wish_is_twice_the_gap
S22 | the 2 matters more than the 8 | lesson.example.OneExample.wishes
    test_lesson_numbers.py::test_to_raise_the_2_matters_four_times_as_much_as_to_lower_the_8
S23 | weights act through activations | lesson.voters.avenues
    test_lesson_example.py::test_a_weight_acts_through_the_activation_it_comes_from
S24 | bright neurons' weights change more | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_follow_brightness
S25 | bang for the buck | lesson.knobs.best_knobs
    test_lesson_example.py::test_the_top_knobs_lower_the_cost_by_their_share
S26 | fire together, wire together | lesson.voters.hebb
    test_lesson_example.py::test_what_fires_together_wires_together
S27 | wishes for the layer before | lesson.voters.committee
    test_lesson_example.py::test_a_voter_wishes_in_proportion_to_its_weights
S28 | all voters' wishes are added | lesson.voters.Committee.total
    test_lesson_example.py::test_all_voters_together_are_the_chain_rule
S29 | and again, to the first layer | lesson.voters.equations
    test_lesson_example.py::test_wiggles_confirm_all_13_002
S30 | every example nudges differently | lesson.many.wish_table
    test_lesson_many.py::test_identical_examples_have_identical_columns_and_count_twice
S31 | the wishes are averaged | lesson.many.WishTable.average
    test_lesson_many.py::test_the_last_column_is_the_mean_of_those_shown
S32 | the average is the negative gradient | lesson.deltas.Deltas.gradient
    test_lesson_many.py::test_the_mean_of_gradients_is_the_gradient_of_the_mean
S33 | all examples at each step are costly | lesson.descent.descend
    test_lesson_many.py::test_the_work_is_counted
S34 | mini-batches | data.minibatches.minibatches
    test_data_minibatches.py::test_an_epoch_holds_every_example_once_with_its_target
S35 | a mini-batch approximates the gradient | lesson.sampling.predicted_cosine
    test_lesson_many.py::test_the_cosine_is_predicted
S36 | stochastic gradient descent | lesson.descent.descend
    test_lesson_many.py::test_a_batch_of_all_is_full_descent_bit_for_bit
S37 | in short: what one example wants | lesson.deltas.Deltas.per_example
    test_lesson_many.py::test_rows_are_the_gradients_of_single_examples
S38 | relative proportions count | lesson.example.OneExample
    test_lesson_example.py::test_scaling_the_cost_scales_the_nudges_and_leaves_their_direction
S39 | towards a local minimum | lesson.descent.walk
    test_lesson_many.py::test_cost_and_gradient_fall_towards_a_minimum
S40 | much labelled data | lesson.labelled.measure
    test_stage.py::test_more_digits_buy_accuracy
S41 | MNIST | data.mnist.mnist
    test_data_mnist.py::test_the_real_files
S42 | good data is the hard part | lesson.labelled.guessed
    test_stage.py::test_guessed_labels_cost_accuracy_and_many_digits_forgive_them
W1  | network, walk and cost as a recap | lesson.stage.story
    test_stage.py::test_the_recap_comes_first
W2  | 13,002 numbers, not a direction | lesson.network.name_of
    test_lesson_example.py::test_every_parameter_has_one_name
W3  | two weights, the same wiggle | lesson.knobs.sensitive_pair
    test_lesson_example.py::test_a_ratio_of_gradients_is_a_ratio_of_what_happens
W4  | the four equations | lesson.voters.equations
    test_lesson_example.py::test_four_equations_hold_at_every_layer
W5  | the outputs are useless at first | lesson.example.OneExample.output
    test_lesson_numbers.py::test_the_figure_by_one_example
W6  | three avenues | lesson.voters.Avenues.predicted
    test_lesson_example.py::test_three_avenues_add_up_to_first_order
W7  | a bias acts one for one | lesson.voters.Avenues.by_bias
    test_lesson_example.py::test_a_bias_moves_the_sum_one_for_one
W8  | weights by brightness | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_follow_brightness
W9  | Hebb | lesson.voters.hebb
    test_lesson_example.py::test_what_fires_together_wires_together
W10 | activations by weights | lesson.voters.committee
    test_lesson_example.py::test_a_voter_wishes_in_proportion_to_its_weights
W11 | activations cannot be set | nn.module.Module.parameters
    test_lesson_example.py::test_activations_are_no_parameters
W12 | other outputs' wishes | lesson.voters.Committee.overruled
    test_lesson_example.py::test_voters_can_be_switched_off
W13 | the wishes are added | lesson.voters.Committee.total
    test_lesson_example.py::test_all_voters_together_are_the_chain_rule
W14 | the table of all wishes | lesson.many.notable_rows
    test_lesson_many.py::test_rows_of_the_table_have_something_to_show
W15 | the column times the learning rate | lesson.example.OneExample.step
    test_lesson_example.py::test_one_step_lowers_the_examples_own_cost
W16 | a mini-batch costs its share | lesson.descent.descend
    test_lesson_many.py::test_the_work_is_counted
W17 | the careful and the stumbling walk | lesson.descent.walk
    test_lesson_many.py::test_full_descent_never_climbs_and_mini_batches_do
W18 | every line of the code has a scene | lesson.stage.story
    test_lesson_by_hand.py::test_it_is_short_and_every_part_has_its_scene
K1  | the gradient as a named column | lesson.network.index_of
    test_lesson_example.py::test_every_parameter_has_one_name
K2  | one neuron in each layer | lesson.chain.chain
    test_lesson_numbers.py::test_the_chain_by_its_factors
K3  | superscripts are layers | lesson.network.name_of
    test_lesson_example.py::test_every_parameter_has_one_name
K4  | cost, sum and activation of the chain | lesson.chain.Chain.cost
    test_lesson_numbers.py::test_the_chain_by_its_factors
K5  | the tree of dependencies | lesson.chain.chain
    test_lesson_numbers.py::test_the_chain_of_single_neurons
K6  | a number line for each variable | lesson.chain.Chain.ripple
    test_lesson_numbers.py::test_ratios_of_a_nudge_telescope_and_tend_to_the_derivative
K7  | ∂ as a small nudge | lesson.chain.Ripple.ratios
    test_lesson_numbers.py::test_ratios_of_a_nudge_telescope_and_tend_to_the_derivative
K8  | a product of three factors | lesson.chain.Chain.factors
    test_lesson_numbers.py::test_the_chain_by_its_factors
K9  | what the factors say | lesson.chain.Chain.slopes
    test_lesson_numbers.py::test_a_dark_sender_a_perfect_output_or_saturation_stop_learning
K10 | derivatives are averaged | lesson.deltas.Deltas.gradient
    test_lesson_many.py::test_the_mean_of_gradients_is_the_gradient_of_the_mean
K11 | for a bias the first factor is 1 | lesson.chain.Chain.gradient
    test_lesson_numbers.py::test_a_weights_gradient_is_its_senders_activation_times_the_biass
K12 | for an activation it is the weight | lesson.chain.Chain.by_activation
    test_lesson_numbers.py::test_a_weights_gradient_is_its_senders_activation_times_the_biass
K13 | a longer chain | lesson.voters.paths_of
    test_lesson_numbers.py::test_a_long_chain_by_the_engine
K14 | more neurons, more indices | lesson.network.unflatten
    test_lesson_numbers.py::test_the_small_complete_network
K15 | three factors with indices | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_are_a_column_times_a_row
K16 | a neuron acts along several paths | lesson.voters.paths_of
    test_lesson_example.py::test_paths_add_up_in_the_small_network
K17 | the recursion in general | lesson.voters.equations
    test_lesson_example.py::test_four_equations_hold_at_every_layer
K18 | sensitivities as chains, of any graph | explain.trace.trace
    test_trace.py::test_contributions_add_up_to_the_gradient_bit_for_bit
G1  | training and test digits | lesson.drawn.drawn_data
    test_lesson_coverage.py::test_test_digits_are_not_training_digits
G2  | a random start reads at random | lesson.network.lesson_network
    test_stage_told.py::test_the_step_and_what_follows_teach_it
G3  | cost of parameters, network of pixels | lesson.deltas.deltas_of
    test_lesson_example.py::test_the_closed_form_agrees_with_the_engine
G4  | slopes, starts and valleys | optim.sgd.SGD
    test_lesson_many.py::test_different_starts_end_in_different_valleys
G5  | ranking costs | lesson.deltas.costs_of
    test_lesson_example.py::test_costs_rank_outputs_as_a_reader_would
G6  | two inputs | backward.gradients
    test_lesson_numbers.py::test_direction_and_importance_in_two_dimensions
G7  | a learning rate can be too large | optim.sgd.SGD
    test_lesson_many.py::test_a_rate_above_two_over_the_curvature_overshoots
G8  | relative importance | backward.gradients
    test_lesson_numbers.py::test_direction_and_importance_in_two_dimensions
G9  | activations must be smooth | functional.sigmoid
    test_lesson_many.py::test_a_step_for_an_activation_cannot_learn
N1  | the network drawn and fed by hand | lesson.page.stage_page
    test_stage.py::test_the_page_is_the_same_every_time
N2  | weights as a pattern of pixels | lesson.network.unflatten
    test_lesson_many.py::test_weights_as_a_pattern_respond_to_what_is_like_them
N3  | a bias as a threshold | rules.sigmoid
    test_lesson_many.py::test_a_bias_of_minus_10_is_a_threshold_at_10
N4  | σ far out | rules.sigmoid
    test_lesson_many.py::test_sigmoid_is_safe_far_out_and_steepest_in_the_middle
N5  | 13,002 dials set by hand | lesson.network.network_of
    test_lesson_example.py::test_every_parameter_has_one_name
N6  | matrix notation | lesson.deltas.activations
    test_lesson_example.py::test_matrix_form_is_the_sum_over_neurons
N7  | ReLU, and why not nothing | functional.relu
    test_lesson_many.py::test_relu_is_flat_for_negative_sums_only
N8  | 4 or 9: the runner-up | lesson.example.OneExample.runner_up
    test_lesson_example.py::test_prediction_runner_up_and_margin
A1  | how many new digits are read | train.run.Training
    test_training.py::test_the_promised_accuracies
A2  | what better recipes reach | lesson.recipes.RECIPES
    test_training.py::test_the_promised_accuracies
A3  | what larger networks reach | train.recipe.Recipe
    test_training.py::test_layers_and_dtype
A4  | first-layer weights look random | lesson.network.unflatten
    test_lesson_many.py::test_training_changes_only_weights_of_living_pixels
A5  | noise is read with confidence | lesson.example.OneExample.prediction
    test_lesson_numbers.py::test_noise_is_read_as_a_digit
A6  | shifted digits confuse it | lesson.descent.accuracy_of
    test_lesson_many.py::test_shifted_digits_confuse_it
A7  | from a 3 to an 8 | lesson.page.stage_page
    test_stage.py::test_the_page_is_the_same_every_time
A8  | neighbourhood is not used | lesson.descent.descend
    test_lesson_many.py::test_no_pixel_knows_its_neighbours
"""


def _read(row: str) -> Covered:
    about, test = row.split("\n")
    name, what, function = (cell.strip() for cell in about.split("|"))
    return Covered(name, what, function, test.strip())


def experiments() -> list[dict[str, Any]]:
    """Return the workbench's experiments, in their order.

    >>> experiments()[0]["title"]
    'What a neuron looks for'
    """
    text = (files("tinygrad_bp.lesson") / "workbench.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["experiments"]
    return found


def shown(id_: str) -> list[str]:
    """Return the scenes that show a statement, and the experiments beside them, by their titles.

    >>> shown("S28"), shown("K2"), shown("K18")
    (['Ten voters, one sum'], ['A chain of three neurons'], ['tinygrad-bp explain'])
    """
    parts = [*story()["scenes"], *experiments()]
    found = [part["title"].format(label=2) for part in parts if id_ in part["covers"]]
    return found or [ELSEWHERE[id_]]


COVERAGE = tuple(map(_read, re.findall(r".+\n    .+", _ROWS)))
"""Every statement, in order."""


def as_markdown() -> str:
    """Return the table as a page; `python -m tinygrad_bp.lesson.coverage` prints it.

    >>> print(as_markdown().splitlines()[15].rpartition(" | ")[0])
    | S5 | information is fed forward | Feed forward | `lesson.deltas.activations`
    """
    lines = [
        "% Made by `python -m tinygrad_bp.lesson.coverage`.",
        "",
        "# What the lesson says, and where it is shown, computed and tested",
        "",
        "Each statement of the lesson, with the scene of `tinygrad-bp explore` that shows it, the",
        "function that computes it, and the test that holds it to the lesson's words. S is the",
        "lesson itself, W its text on the web, K the calculus behind it; G, N and A are the",
        "lessons on gradient descent, on what a network is, and on what it has learned.",
        "",
        "| id | statement | on the page | function | test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for id_, what, function, test in COVERAGE:
        where, name = "; ".join(shown(id_)), test.partition("::")[2]
        lines.append(f"| {id_} | {what} | {where} | `{function}` | `{name}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
