"""What the lesson says, statement by statement, and where each is shown, computed and tested.

S: the lesson itself. W: its text on the web. K: the calculus behind it. G, N and A: the lessons
on gradient descent, on what a network is, and on what it has learned.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tinygrad_bp.lesson.stage import story

__all__ = ["COVERAGE", "Covered", "as_markdown", "scenes_of"]


class Covered(NamedTuple):
    """A statement, and what stands for it."""

    id: str
    what: str
    step: int
    """Of the 17 steps."""
    function: str
    """Within the package."""
    test: str
    """File and name, within the folder of tests."""


_ROWS = """
S1  |  1 | backpropagation, step by step | lesson.steps.Lesson
    test_cli_lesson.py::test_lesson_tells_all_scenes
S2  | 15 | networks learn by backpropagation | lesson.descent.descend
    test_lesson_many.py::test_nothing_is_learned_without_gradients
S3  |  1 | the recap comes first | lesson.steps.Lesson
    test_lesson_steps.py::test_the_recap_comes_first
S4  |  1 | words, numbers, formulas | lesson.steps.Step
    test_lesson_steps.py::test_three_views_show_the_same_numbers
S5  |  1 | information is fed forward | lesson.deltas.activations
    test_lesson_example.py::test_matrix_form_is_the_sum_over_neurons
S6  |  1 | 784, 16, 16, 10: 13,002 parameters | lesson.network.lesson_network
    test_lesson_example.py::test_13_002_parameters_layer_by_layer
S7  |  1 | the brightest output is read | lesson.example.OneExample.prediction
    test_lesson_example.py::test_the_first_of_equals_is_the_prediction
S8  | 13 | gradient descent lowers the cost | lesson.example.OneExample.cost_after
    test_lesson_example.py::test_a_small_step_pays_the_squared_gradient
S9  |  2 | the cost of one example | lesson.deltas.costs_of
    test_lesson_example.py::test_ten_squares_add_up_to_the_cost
S10 |  2 | the total cost is the average | lesson.descent.mean_cost
    test_lesson_many.py::test_the_total_cost_is_the_mean
S11 | 13 | the negative gradient is steepest | lesson.example.OneExample.nudges
    test_lesson_example.py::test_no_direction_is_steeper_than_the_negative_gradient
S12 | 13 | it spends a small change best | lesson.knobs.budget
    test_lesson_example.py::test_no_budget_is_spent_better_than_on_the_gradient
S13 | 10 | a component is a sensitivity | lesson.example.OneExample.wiggle
    test_lesson_example.py::test_the_200_largest_are_predicted_to_a_millionth
S14 | 11 | 3.2 against 0.1 | lesson.knobs.sensitive_pair
    test_lesson_example.py::test_a_ratio_of_gradients_is_a_ratio_of_what_happens
S15 | 12 | the effect of each example | lesson.deltas.Deltas.per_example
    test_lesson_many.py::test_rows_are_the_gradients_of_single_examples
S16 | 13 | changes from a single example | lesson.example.OneExample.step
    test_lesson_example.py::test_one_step_lowers_the_examples_own_cost
S17 | 12 | one example is looked at to learn | lesson.example.OneExample
    test_lesson_steps.py::test_one_example_is_not_said_to_be_faster
S18 |  1 | an image of a 2 | lesson.explorer.explorer_data
    test_lesson_steps.py::test_digits_and_networks_survive_the_page
S19 |  1 | random outputs to begin with | lesson.network.lesson_network
    test_lesson_numbers.py::test_the_last_layer_from_its_pinned_activations
S20 |  3 | raise the 2, lower the others | lesson.example.OneExample.wishes
    test_lesson_example.py::test_the_label_should_be_brighter_and_all_others_darker
S21 |  3 | in proportion to the distance | lesson.example.OneExample.wishes
    test_lesson_example.py::test_a_wish_is_twice_the_gap
S22 |  3 | the 2 matters more than the 8 | lesson.example.OneExample.wishes
    test_lesson_numbers.py::test_to_raise_the_2_matters_four_times_as_much_as_to_lower_the_8
S23 |  6 | weights act through activations | lesson.voters.avenues
    test_lesson_example.py::test_a_weight_acts_through_the_activation_it_comes_from
S24 |  6 | bright neurons' weights change more | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_follow_brightness
S25 | 13 | bang for the buck | lesson.knobs.best_knobs
    test_lesson_example.py::test_the_top_knobs_lower_the_cost_by_their_share
S26 |  6 | fire together, wire together | lesson.voters.hebb
    test_lesson_example.py::test_what_fires_together_wires_together
S27 |  7 | wishes for the layer before | lesson.voters.committee
    test_lesson_example.py::test_a_voter_wishes_in_proportion_to_its_weights
S28 |  8 | all voters' wishes are added | lesson.voters.Committee.total
    test_lesson_example.py::test_all_voters_together_are_the_chain_rule
S29 |  9 | and again, to the first layer | lesson.voters.equations
    test_lesson_example.py::test_wiggles_confirm_all_13_002
S30 | 12 | every example nudges differently | lesson.many.wish_table
    test_lesson_many.py::test_identical_examples_have_identical_columns_and_count_twice
S31 | 12 | the wishes are averaged | lesson.many.WishTable.average
    test_lesson_many.py::test_the_last_column_is_the_mean_of_those_shown
S32 | 12 | the average is the negative gradient | lesson.deltas.Deltas.gradient
    test_lesson_many.py::test_the_mean_of_gradients_is_the_gradient_of_the_mean
S33 | 14 | all examples at each step are costly | lesson.descent.descend
    test_lesson_many.py::test_the_work_is_counted
S34 | 14 | mini-batches | data.minibatches.minibatches
    test_data_minibatches.py::test_an_epoch_holds_every_example_once_with_its_target
S35 | 14 | a mini-batch approximates the gradient | lesson.sampling.predicted_cosine
    test_lesson_many.py::test_the_cosine_is_predicted
S36 | 15 | stochastic gradient descent | lesson.descent.descend
    test_lesson_many.py::test_a_batch_of_all_is_full_descent_bit_for_bit
S37 | 12 | in short: what one example wants | lesson.deltas.Deltas.per_example
    test_lesson_many.py::test_rows_are_the_gradients_of_single_examples
S38 | 13 | relative proportions count | lesson.example.OneExample
    test_lesson_example.py::test_scaling_the_cost_scales_the_nudges_and_leaves_their_direction
S39 | 15 | towards a local minimum | lesson.descent.walk
    test_lesson_many.py::test_cost_and_gradient_fall_towards_a_minimum
S40 | 16 | much labelled data | lesson.curves.amounts
    test_lesson_many.py::test_more_examples_are_read_better
S41 | 16 | MNIST | data.mnist.mnist
    test_data_mnist.py::test_the_real_files
S42 | 17 | good data is the hard part | lesson.curves.limits
    test_lesson_many.py::test_what_is_shipped_of_the_limits
W1  |  1 | network, walk and cost as a recap | lesson.steps.Lesson
    test_lesson_steps.py::test_the_recap_comes_first
W2  | 13 | 13,002 numbers, not a direction | lesson.network.name_of
    test_lesson_example.py::test_every_parameter_has_one_name
W3  | 11 | two weights, the same wiggle | lesson.knobs.sensitive_pair
    test_lesson_example.py::test_a_ratio_of_gradients_is_a_ratio_of_what_happens
W4  |  9 | the four equations | lesson.voters.equations
    test_lesson_example.py::test_four_equations_hold_at_every_layer
W5  |  3 | the outputs are useless at first | lesson.example.OneExample.output
    test_lesson_numbers.py::test_the_figure_by_one_example
W6  |  4 | three avenues | lesson.voters.Avenues.predicted
    test_lesson_example.py::test_three_avenues_add_up_to_first_order
W7  |  5 | a bias acts one for one | lesson.voters.Avenues.by_bias
    test_lesson_example.py::test_a_bias_moves_the_sum_one_for_one
W8  |  6 | weights by brightness | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_follow_brightness
W9  |  6 | Hebb | lesson.voters.hebb
    test_lesson_example.py::test_what_fires_together_wires_together
W10 |  7 | activations by weights | lesson.voters.committee
    test_lesson_example.py::test_a_voter_wishes_in_proportion_to_its_weights
W11 |  7 | activations cannot be set | nn.module.Module.parameters
    test_lesson_example.py::test_activations_are_no_parameters
W12 |  8 | other outputs' wishes | lesson.voters.Committee.overruled
    test_lesson_example.py::test_voters_can_be_switched_off
W13 |  8 | the wishes are added | lesson.voters.Committee.total
    test_lesson_example.py::test_all_voters_together_are_the_chain_rule
W14 | 12 | the table of all wishes | lesson.many.notable_rows
    test_lesson_many.py::test_rows_of_the_table_have_something_to_show
W15 | 13 | the column times the learning rate | lesson.example.OneExample.step
    test_lesson_example.py::test_one_step_lowers_the_examples_own_cost
W16 | 14 | a mini-batch costs its share | lesson.descent.descend
    test_lesson_many.py::test_the_work_is_counted
W17 | 15 | the careful and the stumbling walk | lesson.descent.walk
    test_lesson_many.py::test_full_descent_never_climbs_and_mini_batches_do
W18 | 17 | every line of the code has a step | lesson.steps.STEPS
    test_lesson_by_hand.py::test_gradients_agree_with_the_engine
K1  | 13 | the gradient as a named column | lesson.network.index_of
    test_lesson_example.py::test_every_parameter_has_one_name
K2  |  9 | one neuron in each layer | lesson.chain.chain
    test_lesson_numbers.py::test_the_chain_by_its_factors
K3  |  1 | superscripts are layers | lesson.network.name_of
    test_lesson_example.py::test_every_parameter_has_one_name
K4  |  9 | cost, sum and activation of the chain | lesson.chain.Chain.cost
    test_lesson_numbers.py::test_the_chain_by_its_factors
K5  |  9 | the tree of dependencies | lesson.chain.chain
    test_lesson_numbers.py::test_the_chain_of_single_neurons
K6  | 11 | a number line for each variable | lesson.chain.Chain.ripple
    test_lesson_numbers.py::test_ratios_of_a_nudge_telescope_and_tend_to_the_derivative
K7  | 10 | ∂ as a small nudge | lesson.chain.Ripple.ratios
    test_lesson_numbers.py::test_ratios_of_a_nudge_telescope_and_tend_to_the_derivative
K8  |  9 | a product of three factors | lesson.chain.Chain.factors
    test_lesson_numbers.py::test_the_chain_by_its_factors
K9  |  9 | what the factors say | lesson.chain.Chain.slopes
    test_lesson_numbers.py::test_a_dark_sender_a_perfect_output_or_saturation_stop_learning
K10 | 12 | derivatives are averaged | lesson.deltas.Deltas.gradient
    test_lesson_many.py::test_the_mean_of_gradients_is_the_gradient_of_the_mean
K11 |  5 | for a bias the first factor is 1 | lesson.chain.Chain.gradient
    test_lesson_numbers.py::test_a_weights_gradient_is_its_senders_activation_times_the_biass
K12 |  7 | for an activation it is the weight | lesson.chain.Chain.by_activation
    test_lesson_numbers.py::test_a_weights_gradient_is_its_senders_activation_times_the_biass
K13 |  9 | a longer chain | lesson.voters.paths_of
    test_lesson_numbers.py::test_a_long_chain_by_the_engine
K14 |  9 | more neurons, more indices | lesson.network.unflatten
    test_lesson_numbers.py::test_the_small_complete_network
K15 |  6 | three factors with indices | lesson.voters.hebb
    test_lesson_example.py::test_weight_nudges_are_a_column_times_a_row
K16 |  8 | a neuron acts along several paths | lesson.voters.paths_of
    test_lesson_example.py::test_paths_add_up_in_the_small_network
K17 |  9 | the recursion in general | lesson.voters.equations
    test_lesson_example.py::test_four_equations_hold_at_every_layer
K18 |  9 | sensitivities as chains, of any graph | explain.trace.trace
    test_trace.py::test_contributions_add_up_to_the_gradient_bit_for_bit
G1  | 16 | training and test digits | lesson.explorer.drawn_data
    test_lesson_steps.py::test_test_digits_are_not_training_digits
G2  |  1 | a random start reads at random | lesson.network.lesson_network
    test_lesson_steps.py::test_networks_get_better
G3  |  2 | cost of parameters, network of pixels | lesson.deltas.deltas_of
    test_lesson_example.py::test_the_closed_form_agrees_with_the_engine
G4  | 13 | slopes, starts and valleys | optim.sgd.SGD
    test_lesson_many.py::test_different_starts_end_in_different_valleys
G5  |  2 | ranking costs | lesson.deltas.costs_of
    test_lesson_example.py::test_costs_rank_outputs_as_a_reader_would
G6  | 13 | two inputs | backward.gradients
    test_lesson_numbers.py::test_direction_and_importance_in_two_dimensions
G7  | 13 | a learning rate can be too large | optim.sgd.SGD
    test_lesson_many.py::test_a_rate_above_two_over_the_curvature_overshoots
G8  | 11 | relative importance | backward.gradients
    test_lesson_numbers.py::test_direction_and_importance_in_two_dimensions
G9  |  5 | activations must be smooth | functional.sigmoid
    test_lesson_many.py::test_a_step_for_an_activation_cannot_learn
N1  |  1 | the network drawn and fed by hand | lesson.page.stage_page
    test_stage.py::test_the_page_is_the_same_every_time
N2  |  1 | weights as a pattern of pixels | lesson.figures.draw_figures
    test_lesson_many.py::test_weights_as_a_pattern_respond_to_what_is_like_them
N3  |  5 | a bias as a threshold | rules.sigmoid
    test_lesson_many.py::test_a_bias_of_minus_10_is_a_threshold_at_10
N4  |  5 | σ far out | rules.sigmoid
    test_lesson_many.py::test_sigmoid_is_safe_far_out_and_steepest_in_the_middle
N5  | 10 | 13,002 dials set by hand | lesson.network.network_of
    test_lesson_example.py::test_every_parameter_has_one_name
N6  |  1 | matrix notation | lesson.deltas.activations
    test_lesson_example.py::test_matrix_form_is_the_sum_over_neurons
N7  |  5 | ReLU, and why not nothing | functional.relu
    test_lesson_many.py::test_relu_is_flat_for_negative_sums_only
N8  |  1 | 4 or 9: the runner-up | lesson.example.OneExample.runner_up
    test_lesson_example.py::test_prediction_runner_up_and_margin
A1  | 17 | how many new digits are read | train.run.Training
    test_training.py::test_the_promised_accuracies
A2  | 17 | what better recipes reach | lesson.recipes.RECIPES
    test_training.py::test_the_promised_accuracies
A3  | 17 | what larger networks reach | train.recipe.Recipe
    test_training.py::test_layers_and_dtype
A4  | 17 | first-layer weights look random | lesson.figures.draw_figures
    test_lesson_steps.py::test_training_changes_only_weights_of_living_pixels
A5  | 17 | noise is read with confidence | lesson.curves.limits
    test_lesson_numbers.py::test_noise_is_read_as_a_digit
A6  | 17 | shifted digits confuse it | lesson.curves.shifted
    test_lesson_many.py::test_what_is_shipped_of_the_limits
A7  | 17 | from a 3 to an 8 | lesson.page.stage_page
    test_stage.py::test_the_page_is_the_same_every_time
A8  | 17 | neighbourhood is not used | lesson.curves.limits
    test_lesson_many.py::test_what_is_shipped_of_the_limits
"""


def _read(row: str) -> Covered:
    about, test = row.split("\n")
    name, step, what, function = (cell.strip() for cell in about.split("|"))
    return Covered(name, what, int(step), function, test.strip())


def scenes_of(id_: str) -> list[str]:
    """Return the scenes that show a statement, in the order of the story that says so.

    Every S is on stage; others belong to the experiments beside it.

    >>> scenes_of("S28"), scenes_of("K2")
    (['ten-voters'], [])
    """
    return [scene["id"] for scene in story()["scenes"] if id_ in scene["covers"]]


COVERAGE = tuple(map(_read, re.findall(r".+\n    .+", _ROWS)))
"""Every statement, in order."""


def as_markdown() -> str:
    """Return the table as a page; `python -m tinygrad_bp.lesson.coverage` prints it.

    >>> print(as_markdown().splitlines()[10].rpartition(" | ")[0])
    | S5 | information is fed forward | feed-forward | `lesson.deltas.activations`
    """
    lines = [
        "Made by `python -m tinygrad_bp.lesson.coverage`.",
        "",
        "# What the lesson says, and where it is shown, computed and tested",
        "",
        "| id | statement | scene | function | test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for id_, what, _, function, test in COVERAGE:
        scenes = ", ".join(scenes_of(id_))
        lines.append(f"| {id_} | {what} | {scenes} | `{function}` | `{test.partition('::')[2]}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
