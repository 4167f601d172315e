"""The lesson's page in a real browser: its numbers are Python's, and everybody can get at them.

Needs Playwright and a Chromium; the accessibility rules are those of axe-core, from the package
axe-playwright-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from explorer.reading import violations
from numpy.typing import NDArray

from tinygrad_bp.functional import sigmoid
from tinygrad_bp.lesson import OneExample, avenues, committee, explorer_data, name_of, network_of
from tinygrad_bp.lesson.blobs import unblob

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Open = Callable[..., Any]

PARTS = files("tinygrad_bp").joinpath("lesson", "page_parts")
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
SITE = "http://lesson.test"  # answered from these files, never asked for on a network
PATIENCE_MS = 120_000  # a deadline, not a wait: busy machines are slow
OURS = range(1, 10)  # steps whose numbers are compared here


# --- the engine -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules(browser: Any) -> Iterator[Any]:
    """A blank page that can import the modules as they are written."""

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(SITE).lstrip("/")
        if not path:
            route.fulfill(body="<!DOCTYPE html>", content_type="text/html")
            return
        text = files("tinygrad_bp").joinpath(*path.split("/")).read_text(encoding="utf-8")
        route.fulfill(body=text, content_type="text/javascript")

    context = browser.new_context()
    blank = context.new_page()
    blank.set_default_timeout(PATIENCE_MS)
    blank.route("**/*", answer)
    blank.goto(SITE)
    yield blank
    context.close()


@pytest.fixture(scope="module")
def loaded(modules: Any, data: Data) -> Any:
    modules.evaluate(
        """async (json) => {
          const folder = "/lesson/page_parts";
          window.net = await import(`${folder}/net.js`);
          window.state = await import(`${folder}/state.js`);
          window.numbers = await import(`${folder}/numbers.js`);
          window.readData = (await import(`${folder}/data.js`)).readData;
          window.read = await readData(json);
        }""",
        data,
    )
    return modules


def one_example(data: Data, network: int, example: int, cost: str = "sum_squares") -> OneExample:
    images = unblob(data["digits"]["images"]).reshape(-1, data["sizes"][0])
    net = network_of(unblob(data["networks"][network]["parameters"]), data["sizes"])
    label = data["digits"]["labels"][example]
    return OneExample(net, images[example] / 255, label, cost=cost)


@pytest.mark.parametrize("compress", [True, False])
def test_the_browser_reads_the_arrays_bit_for_bit(loaded: Any, compress: bool) -> None:
    data = explorer_data(compress=compress)
    images, networks = loaded.evaluate(
        """async (json) => {
          const { digits, networks } = await readData(json);
          const images = digits.flatMap(({ pixels }) => [...pixels]);
          return [images, networks.map(({ stored }) => [...stored])];
        }""",
        data,
    )
    assert images == unblob(data["digits"]["images"]).tolist()
    for found, network in zip(networks, data["networks"], strict=True):
        assert found == unblob(network["parameters"]).astype(float).tolist()


@pytest.mark.parametrize("network", [0, 2, 4])
@pytest.mark.parametrize("cost", ["squares", "cross-entropy"])
def test_the_gradient_is_pythons(loaded: Any, data: Data, network: int, cost: str) -> None:
    name = {"squares": "sum_squares", "cross-entropy": "cross_entropy"}[cost]
    for example in (5, 0, 17, 123, 499):
        expected = one_example(data, network, example, name)
        found, total = loaded.evaluate(
            """([network, example, cost]) => {
              const [net_, { image, label }] = [read.networks[network], read.digits[example]];
              const pass = net.forward(net_, image);
              const delta = net.deltas(net_, pass, label, cost);
              return [[...net.gradient(net_, pass, delta)], net.costOf(pass, label, cost)];
            }""",
            [network, example, cost],
        )
        largest = np.abs(expected.gradient).max()
        np.testing.assert_allclose(found, expected.gradient, rtol=0, atol=1e-6 * largest)
        assert total == pytest.approx(expected.cost, rel=1e-12)


def test_a_batch_gradient_is_the_mean_of_its_examples(loaded: Any, data: Data) -> None:
    chosen = [3, 5, 5, 8]
    found = loaded.evaluate(
        """(chosen) => {
          const all = net.passes(read.networks[1], read.digits);
          return [...net.batchGradient(read.networks[1], chosen.map((k) => all[k]))];
        }""",
        chosen,
    )
    expected = np.mean([one_example(data, 1, k).gradient for k in chosen], axis=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_every_parameter_has_its_name_and_place(loaded: Any) -> None:
    names = loaded.evaluate(
        "Array.from(read.networks[0].stored, (_, i) => net.nameOf(read.sizes, i))"
    )
    assert names == [name_of(i) for i in range(13_002)]
    assert loaded.evaluate(
        "names => names.every((_, i) => net.indexOf(read.sizes, net.placeOf(read.sizes, i)) === i)",
        names,
    )
    with pytest.raises(playwright.Error, match="no parameter 13002"):
        loaded.evaluate("net.placeOf(read.sizes, 13002)")


def test_the_sigmoid_keeps_its_limits(loaded: Any) -> None:
    assert loaded.evaluate("[-1000, 0, 1000].map(net.sigmoid)") == [0, 0.5, 1]


def test_of_equal_outputs_the_lowest_digit_is_predicted(loaded: Any) -> None:
    assert loaded.evaluate("[net.predict([0.1, 0.7, 0.7]), net.ranking([0.1, 0.7, 0.7])]") == [
        1,
        [1, 2, 0],
    ]


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0, 3, "0"),
        (-0.25, 2, f"{MINUS}0.25"),
        (4.2e-8, 3, "4.2·10⁻⁸"),
        (-4.2e-8, 3, f"{MINUS}4.2·10⁻⁸"),
        (0.0004, 3, "4.0·10⁻⁴"),
        (12.3456, 1, "12.3"),
    ],
)
def test_numbers_are_written_to_be_read(
    loaded: Any, value: float, decimals: int, expected: str
) -> None:
    assert loaded.evaluate("([x, n]) => numbers.text(x, n)", [value, decimals]) == expected


@pytest.mark.parametrize(
    ("hash_", "expected"),
    [
        ("#a=3&b=0.5&c=yes&d=0110", {"a": 3, "b": 0.5, "c": "yes", "d": "0110"}),
        ("#a=10&b=-2&c=maybe&d=01", {}),
        ("#a=1e0&b=NaN&c=&d=012x", {}),
        ("#a=2&e=7&__proto__=1&%", {"a": 2}),
    ],
)
def test_an_address_gives_only_what_a_field_allows(
    loaded: Any, hash_: str, expected: dict[str, Any]
) -> None:
    found = loaded.evaluate(
        """(hash) => {
          const { whole, real, oneOf, switches, passing, fromHash } = state;
          const fields = { a: whole(0, 0, 9), b: real(0, -1, 1), c: oneOf("no", "yes") };
          Object.assign(fields, { d: switches("1111"), e: passing(1) });
          return fromHash(fields, hash);
        }""",
        hash_,
    )
    assert found == expected


# --- numbers --------------------------------------------------------------------------------


def twin(shown: Any) -> list[list[float]]:
    """The numbers of the drawing's table, row by row; texts are left out."""
    rows = shown.eval_on_selector_all(
        "#twin-table tbody tr",
        "rows => rows.map((row) => [...row.querySelectorAll('data')].map((one) => one.value))",
    )
    return [[float(value) for value in row] for row in rows if row]


def columns(*arrays: Floats) -> list[list[float]]:
    return [[float(x) for x in row] for row in zip(*arrays, strict=True)]


def expected_rows(step: int, two: OneExample, voter: int) -> list[list[float]]:
    """What the table of a step must hold, from Python's own engine."""
    a, z, w = two.activations, two.sums, two.layers[-1].weight[voter]
    outputs, gap, push = two.output, two.output - two.target, -two.deltas[-1][voter]
    wish, nudge = two.wishes, -two.deltas[-1]
    tables = {
        1: lambda: [row for l in (1, 2, 3) for row in columns(z[l - 1], a[l])],
        2: lambda: columns(outputs, gap, gap**2),
        3: lambda: columns(outputs, wish, nudge),
        4: lambda: columns(w, a[2], w * a[2]),
        5: lambda: columns(two.layers[-1].bias, z[-1], outputs * (1 - outputs), wish, nudge),
        6: lambda: columns(a[2], w, push * a[2], np.full(16, push)),
        7: lambda: columns(a[2], w, push * w, np.full(16, push)),
        8: lambda: columns(*committee(two).wishes, committee(two).total()),
        9: lambda: columns(a[1], -two.by_activation[0], a[1] * (1 - a[1]), -two.deltas[0]),
    }
    return tables[step]()


@pytest.mark.parametrize("step", OURS)
@pytest.mark.parametrize(("network", "example"), [(0, 5), (3, 42)])
def test_the_numbers_are_pythons(
    opened: Open, data: Data, step: int, network: int, example: int
) -> None:
    two = one_example(data, network, example)
    shown = opened(f"#step={step}&net={network}&ex={example}&twin=on&sort=neuron")
    found, expected = twin(shown), expected_rows(step, two, two.label)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-15)


def test_the_first_moment_is_the_lessons(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=2")
    assert f"{two.cost:.5f}" in shown.inner_text("#body")
    mean = np.mean([one_example(data, 0, k).cost for k in range(data["digits"]["count"])])
    assert f"{mean:.4f}" in shown.inner_text("#body")
    assert f"{mean:.2f}" in shown.inner_text("#sentence")


def test_the_sum_of_a_neuron_is_written_out(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=1&layer=1&neuron=3")
    weights = two.layers[0].weight[3]
    largest = np.sort(np.abs(weights * two.image))[::-1][:5]
    rows = shown.eval_on_selector_all(
        "#body table:has-text('pixels') tbody tr",
        "rows => rows.map((row) => [...row.querySelectorAll('data')].map((one) => +one.value))",
    )
    products = [row[-1] for row in rows]
    np.testing.assert_allclose(np.abs(products[:5]), largest, rtol=1e-12)
    assert sum(products) == pytest.approx(two.sums[0][3] - two.layers[0].bias[3], abs=1e-12)
    assert shown.locator("#body canvas.signed-picture").count() == 2


# --- words, numbers, formulas ---------------------------------------------------------------

# Each statement as a list of lines; numbers stand in brackets with all their digits.
STATEMENTS = """all => all.map((one) => {
  const lines = one.matches("p") ? [one] : [...one.querySelectorAll(".line")];
  return lines.map((line) => {
    const copy = line.cloneNode(true);
    for (const data of copy.querySelectorAll("data")) data.textContent = `(${data.value})`;
    return copy.textContent;
  });
})"""


def statements(shown: Any, mode: str) -> list[list[str]]:
    shown.check(f"#modes input[value={mode}]", force=True)
    found: list[list[str]] = shown.eval_on_selector_all("#body .statement", STATEMENTS)
    return found


def value_of(line: str) -> float:
    """The value of a line of a formula such as "= σ( (1.5) + (-0.25) )"."""
    text = line.strip().removeprefix("=").replace(TIMES, "*").replace(MINUS, "-")
    text = text.replace(SIGMA, "sigmoid")
    text = re.sub(r"\|(.*)\|", r"abs(\1)", text)
    text = re.sub(r"\)\s+\(", ") + (", text)  # a sign that is its own plus
    text = re.sub(r"(\d),(\d)", r"\1\2", text)
    names = {"sigmoid": lambda x: float(sigmoid(np.float64(x))), "abs": abs}
    return float(eval(text, {"__builtins__": {}}, names))  # noqa: S307  (our own page's formula)


@pytest.mark.parametrize("step", OURS)
def test_words_numbers_and_formulas_say_the_same(opened: Open, step: int) -> None:
    shown = opened(f"#step={step}")
    words, numbers, formulas = (
        statements(shown, mode) for mode in ("words", "numbers", "formulas")
    )
    assert len(words) == len(numbers) == len(formulas) > 0
    for (said,), (_, parts, result), (_, symbols, again, total) in zip(
        words, numbers, formulas, strict=True
    ):
        assert (parts, result) == (again, total)
        assert symbols != parts
        assert result.strip("= ") in said
        assert value_of(parts) == pytest.approx(value_of(result), rel=1e-9, abs=1e-15)


def test_pointing_at_a_term_marks_where_it_comes_from(opened: Open) -> None:
    shown = opened("#step=7&mode=numbers")
    shown.hover("#body .statement button.kind-w")
    assert shown.locator("#pane .halo").count() == 1
    shown.hover("#step-title")
    assert shown.locator("#pane .halo").count() == 0
    shown.focus("#body .statement button.kind-w")
    assert shown.locator("#pane .halo").count() == 1


# --- what can be turned ---------------------------------------------------------------------


def body_column(shown: Any, column: int) -> list[float]:
    """One column of numbers of the panel's first table."""
    rows = shown.eval_on_selector_all(
        "#body table >> nth=0 >> tbody tr",
        "rows => rows.map((row) => [...row.querySelectorAll('data')].map((one) => +one.value))",
    )
    return [row[column] for row in rows]


def test_cross_entropy_makes_every_bias_nudge_the_gap(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5, "cross_entropy")
    shown = opened("#step=3")
    shown.check("#body input[value=cross-entropy]", force=True)
    np.testing.assert_allclose(body_column(shown, 2), two.target - two.output, rtol=1e-12)
    np.testing.assert_allclose(body_column(shown, 1), two.wishes, rtol=1e-9)


@pytest.mark.parametrize(("cost", "slope"), [("squares", 2), ("cross-entropy", 1)])
def test_what_is_in_proportion_to_the_gap_lies_on_a_line(
    opened: Open, cost: str, slope: float
) -> None:
    shown = opened(f"#step=3&cost={cost}", viewport={"width": 1400, "height": 900})
    assert f"slope {slope}" in (shown.get_attribute("#body .chart svg", "aria-label") or "")
    marks = "circle" if cost == "squares" else "rect"
    places = shown.eval_on_selector_all(
        f"#body .chart .paper .series {marks}",
        """all => all.map((one) => one.getBBox())
          .map(({ x, y, width, height }) => [x + width / 2, y + height / 2])""",
    )
    assert len(places) == 10
    x, y = np.array(places).T
    fitted = np.polyval(np.polyfit(x, y, 1), x)
    np.testing.assert_allclose(y, fitted, atol=0.1)


def test_a_pixel_tells_its_brightness(opened: Open, data: Data) -> None:
    image = unblob(data["digits"]["images"]).reshape(-1, 28, 28)[5]
    shown = opened("#step=1", viewport={"width": 1400, "height": 900})
    row, column = np.argwhere(image > 200)[0]
    shown.hover(f"#pane .pixels rect >> nth={1 + 28 * row + column}")
    name = shown.text_content("#pane .layer-name >> nth=0")
    assert name == f"row {row}, column {column}: {image[row, column] / 255:.2f}"
    shown.hover("#step-title")
    assert shown.text_content("#pane .layer-name >> nth=0") == "784 pixels"
    shown.keyboard.press("t")
    cells = shown.eval_on_selector_all(
        "#twin-table table >> nth=3 >> tbody td", "all => all.map((one) => +one.textContent)"
    )
    assert cells == image.ravel().tolist()


def test_two_wishes_are_compared(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=3")
    shown.select_option("#body select", "6")
    ratio = abs(two.wishes[2] / two.wishes[6])
    assert f"{ratio:.2f}" in shown.inner_text("#body .statement >> nth=1")


def test_three_knobs_move_an_output_as_python_says(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=4&db=0.3&dw=-0.2&da=0&voter=7&layer=2&neuron=4")
    shown.focus("#body input[type=range] >> nth=0")
    for _ in range(5):
        shown.keyboard.press("ArrowRight")  # 0.35
    of = avenues(two, 7)
    change = np.zeros(16)
    change[4] = -0.2
    first, truth, difference = (body_column(shown, i)[0] for i in range(3))
    assert first == pytest.approx(float(of.predicted(bias=0.35, weights=change)), rel=1e-9)
    assert truth == pytest.approx(of.actual(bias=0.35, weights=change), rel=1e-9)
    assert difference == pytest.approx(truth - first, rel=1e-6)
    shown.click("text=Set all to 0")
    assert body_column(shown, 1)[0] == 0


def test_halving_the_nudges_quarters_the_error(opened: Open) -> None:
    shown = opened("#step=4&db=0.02&dw=0.02&da=-0.02")
    full, half = body_column(shown, 2)
    assert full / half == pytest.approx(4, rel=0.05)
    shown.click("text=Halve all three")
    assert body_column(shown, 2)[0] == pytest.approx(half, rel=1e-9)


def test_an_activation_stays_between_0_and_1(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    k = int(np.abs(two.activations[2] - 0.5).argmin())
    shown = opened(f"#step=4&da=1&layer=2&neuron={k}")
    assert f"{1 - two.activations[2][k]:+.2f}" in shown.inner_text("#body .slider >> nth=2")


@pytest.mark.parametrize(("answer", "verdict"), [(0, "No"), (1, "Right"), (2, "No")])
def test_the_question_is_answered(opened: Open, answer: int, verdict: str) -> None:
    shown = opened("#step=5")
    shown.click(f"#body .answers button >> nth={answer}")
    assert shown.inner_text("#body .quiz [role=status]").startswith(verdict)
    assert shown.locator("#body .answers [aria-pressed=true]").count() == 1


def test_sorted_by_brightness_or_by_nudge_is_the_same(opened: Open) -> None:
    shown = opened("#step=6")
    orders = {}
    for sort in ("brightness", "nudge", "neuron"):
        shown.check(f"#body input[value={sort}]", force=True)
        orders[sort] = shown.eval_on_selector_all(
            "#body tbody th", "all => all.map((one) => +one.textContent)"
        )
    assert orders["brightness"] == orders["nudge"]
    assert orders["neuron"] == list(range(16))


def test_the_brightest_senders_of_the_wanted_output_are_overlaid(opened: Open) -> None:
    shown = opened("#step=6&voter=7")
    shown.click("text=Fire together, wire together")
    assert "voter=2" not in shown.url  # the address follows a moment later
    assert shown.locator("#pane .strong path").count() == 4
    assert shown.locator("#pane .strong .minus").count() == 0
    shown.click("text=Fire together, wire together")
    assert shown.locator("#pane .strong path").count() == 16


def test_voters_are_switched_on_and_off(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    votes = committee(two)

    def sums() -> list[float]:
        found: list[float] = shown.eval_on_selector_all(
            "#body .votes .sum data", "all => all.map((one) => +one.value)"
        )
        return found

    shown = opened("#step=8")
    np.testing.assert_allclose(sums(), votes.total(), atol=1e-14)
    shown.click("button:text('Only 2')")
    np.testing.assert_allclose(sums(), votes.total([2]), atol=1e-14)
    shown.click("button:text('None')")
    assert sums() == [0] * 16
    shown.click("#body .votes thead button >> nth=4")
    np.testing.assert_allclose(sums(), votes.total([4]), atol=1e-14)
    shown.click("button:text('All ten')")
    overruled = shown.eval_on_selector_all(
        "#body .votes tr.against th", "all => all.map((one) => +one.textContent)"
    )
    assert overruled == votes.overruled(2).tolist()


def test_the_recursion_reaches_the_pixels(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=9&twin=on")
    for stage, layer in (("2", 2), ("1", 1)):
        shown.check(f"#body input[value='{stage}']", force=True)
        expected = columns(
            two.activations[layer],
            -two.by_activation[layer - 1],
            two.slopes[layer - 1],
            -two.deltas[layer - 1],
        )
        for mine, theirs in zip(twin(shown), expected, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-15)
    shown.check("#body input[value='0']", force=True)
    assert shown.locator("#body canvas").count() == 16
    assert f"{(two.image == 0).sum()} black pixels" in shown.inner_text("#body")


# --- arrows and edges -----------------------------------------------------------------------


def test_arrows_point_where_the_wish_goes(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=3", viewport={"width": 1600, "height": 1000})
    kinds = shown.eval_on_selector_all(
        "#pane .arrows > :not(.padlock)", "all => all.map((a) => a.classList[0])"
    )
    heights = shown.eval_on_selector_all(
        "#pane .arrows > :not(.padlock)", "all => all.map((a) => a.getBBox().height)"
    )
    for kind, height, wish in zip(kinds, heights, two.wishes, strict=True):
        if kind != "no-arrow":
            assert kind == ("up" if wish > 0 else "down")
            assert height / heights[2] == pytest.approx(abs(wish / two.wishes[2]), rel=1e-3)


def test_edges_show_their_sign_by_dashes(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened("#step=7")
    dashes = shown.eval_on_selector_all(
        "#pane .strong path", "all => all.map((one) => getComputedStyle(one).strokeDasharray)"
    )
    assert [dash != "none" for dash in dashes] == (two.layers[-1].weight[2] < 0).tolist()


# --- keys -----------------------------------------------------------------------------------


def count_of_steps(shown: Any) -> int:
    return int(shown.locator("#stops button").count())


def step_of(shown: Any) -> int:
    return int(shown.inner_text("#stops [aria-current=step]") or 0)


def test_every_step_is_reached_by_keyboard_alone(opened: Open) -> None:
    shown = opened(viewport={"width": 1400, "height": 800})
    titles, sentences = [], []
    for number in range(1, count_of_steps(shown) + 1):
        assert step_of(shown) == number
        titles.append(shown.inner_text("#step-title"))
        sentences.append(shown.inner_text("#sentence"))
        assert shown.inner_text("#body").strip()
        shown.keyboard.press("PageDown")
    assert step_of(shown) == len(titles) == len(set(titles)) == len(set(sentences))
    shown.keyboard.press("Home")
    assert step_of(shown) == 1
    shown.keyboard.press("n")
    shown.keyboard.press("n")
    shown.keyboard.press("p")
    assert step_of(shown) == 2
    shown.keyboard.press("End")
    assert step_of(shown) == len(titles)
    shown.keyboard.press("PageUp")
    assert step_of(shown) == len(titles) - 1


def test_every_drawing_has_its_table(opened: Open) -> None:
    shown = opened()
    shown.keyboard.press("t")
    for _ in range(count_of_steps(shown)):
        assert shown.is_hidden("#pane")
        assert shown.locator("#twin-table tbody tr").count() > 1
        assert shown.locator("#twin-table caption").count() > 0
        shown.keyboard.press("PageDown")
    shown.keyboard.press("Home")
    shown.keyboard.press("t")
    assert shown.is_visible("#pane svg")


def test_letters_digits_and_signs_can_be_switched_off(opened: Open) -> None:
    shown = opened("#step=7")
    shown.keyboard.press("4")
    assert shown.inner_text("#sentence").startswith("Output 4")
    shown.keyboard.press("?")
    assert shown.is_visible("#help")
    shown.keyboard.press("n")  # a dialog is open: not for the page
    shown.focus("#letters")
    shown.keyboard.press("Space")
    shown.keyboard.press("Escape")
    for key in ("n", "6", "t", "?", "e", "o", "c", "m"):
        shown.keyboard.press(key)
    assert shown.inner_text("#sentence").startswith("Output 4")
    assert shown.locator("dialog[open]").count() == 0
    shown.keyboard.press("PageDown")
    assert shown.inner_text("#step-place").startswith("Step 8")


def test_neurons_are_one_stop_of_the_tab_key_and_arrows_move_among_them(opened: Open) -> None:
    shown = opened("#step=1")
    where = "document.activeElement.dataset.at"
    assert shown.locator("#pane .neuron[tabindex='0']").count() == 1
    shown.focus("#pane .neuron[tabindex='0']")
    assert shown.evaluate(where) == "3.0"
    visited = []
    for key in ("ArrowDown", "ArrowLeft", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        shown.keyboard.press(key)
        visited.append(shown.evaluate(where))
    assert visited == ["3.1", "2.2", "2.1", "1.1", "1.1", "2.1"]
    assert shown.locator("#pane .neuron[tabindex='0']").count() == 1
    assert "neuron 1 in hidden layer 2" in shown.inner_text("#body")
    shown.keyboard.press("Enter")
    assert shown.get_attribute("#pane [data-at='2.1']", "aria-pressed") == "true"
    shown.keyboard.press("ArrowDown")
    assert "neuron 2 in hidden layer 2" in shown.inner_text("#body")
    shown.evaluate("document.activeElement.blur()")
    assert "neuron 1 in hidden layer 2" in shown.inner_text("#body")
    shown.focus("#pane .neuron[tabindex='0']")
    shown.keyboard.press("Escape")
    assert shown.locator("#pane .neuron[aria-pressed=true]").count() == 0


def test_every_control_is_reached_by_the_tab_key(opened: Open) -> None:
    shown = opened("#step=3", viewport={"width": 1400, "height": 900})
    reached = set()
    for _ in range(80):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"example", "twin", "help-open", "previous", "next", "contents-open"} <= reached
    assert {"INPUT", "SELECT", "g"} <= reached


def test_examples_are_chosen_from_the_wall(opened: Open, data: Data) -> None:
    shown = opened("#step=2")
    shown.keyboard.press("o")
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Enter")
    assert shown.inner_text("#example-name") == f"Example 16: a {data['digits']['labels'][16]}"
    shown.keyboard.press("e")
    assert "Example 17" in shown.inner_text("#example-name")
    shown.keyboard.press("Shift+E")
    assert "Example 16" in shown.inner_text("#example-name")
    shown.keyboard.press("o")
    shown.click("#wall-on")
    assert shown.inner_text("#wall-range").startswith("100 to 199")
    shown.click("#wall-digits button >> nth=7")
    assert "Example 107" in shown.inner_text("#example-name")


def test_the_list_of_steps_leads_to_each(opened: Open) -> None:
    shown = opened("#step=2")
    shown.keyboard.press("c")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert shown.inner_text("#step-place").startswith("Step 4")
    assert shown.evaluate("document.activeElement.id") == "step-title"


def test_the_recap_can_be_skipped(opened: Open) -> None:
    shown = opened("#step=2")
    shown.click("#body .recap button")
    assert shown.inner_text("#step-place").startswith("Step 4")


# --- links ----------------------------------------------------------------------------------


def test_a_link_keeps_the_moment(opened: Open) -> None:
    moment = "#step=8&ex=7&net=2&voter=3&mode=numbers&voters=1110001111"
    shown = opened(moment)
    assert shown.inner_text("#example-name").startswith("Example 7")
    assert shown.is_checked("#networks input[value='2']")
    assert shown.is_checked("#modes input[value=numbers]")
    assert shown.locator(".votes thead [aria-pressed=false]").count() == 3
    shown.keyboard.press("PageDown")
    shown.wait_for_url("**/lesson.html#step=9&*")
    again = opened(shown.evaluate("location.hash"))
    assert again.inner_text("#sentence") == shown.inner_text("#sentence")


@pytest.mark.parametrize("moment", ["#step=99&ex=-1&net=x", "#step=1.5&layer=9&neuron=77", "#%%%"])
def test_a_broken_link_shows_the_beginning(opened: Open, moment: str) -> None:
    shown = opened(moment)
    assert step_of(shown) == 1
    assert "Example 5" in shown.inner_text("#example-name")


def test_the_address_may_be_typed_over(opened: Open) -> None:
    shown = opened("#step=2")
    shown.evaluate("location.hash = '#step=6&voter=1'")
    playwright.expect(shown.locator("#step-place")).to_contain_text("Step 6 ")
    assert "Output 1" in shown.inner_text("#sentence")


# --- for everybody --------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "width"), [("light", 1366), ("dark", 360)])
def test_axe_finds_nothing(opened: Open, scheme: str, width: int) -> None:
    shown = opened(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)

    for number in range(count_of_steps(shown)):
        assert violations(shown) == [], f"step {number + 1}"
        shown.keyboard.press("m")
        shown.keyboard.press("PageDown")
    for key in ("t", "?", "o", "c"):
        shown.keyboard.press(key)
        assert violations(shown) == [], key
        shown.keyboard.press("Escape")


def test_no_sideways_scrolling_and_no_tiny_targets_on_a_phone(opened: Open) -> None:
    shown = opened(viewport={"width": 320, "height": 640})
    for number in range(count_of_steps(shown)):
        for mode in ("words", "formulas"):
            shown.check(f"#modes input[value={mode}]", force=True)
            wide = shown.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, (number + 1, mode)
        shown.check("#modes input[value=words]", force=True)
        small = shown.eval_on_selector_all(
            "button:not(.term), select, input[type=range], label, .neuron .hit",
            """all => all.filter((one) => one.checkVisibility())
              .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
              .filter(([, { width, height }]) => Math.min(width, height) < 23.99)
              .map(([html]) => html)""",
        )
        assert small == [], number + 1
        shown.keyboard.press("PageDown")


def test_a_redrawing_keeps_the_focus(opened: Open) -> None:
    shown = opened("#step=1")
    shown.focus("#pane .neuron[tabindex='0']")
    shown.keyboard.press("ArrowDown")
    shown.set_viewport_size({"width": 800, "height": 700})
    playwright.expect(shown.locator("#pane [data-at='3.1']")).to_be_focused()


def test_without_javascript_the_first_moment_stands_there(opened: Open, data: Data) -> None:
    two = one_example(data, 0, 5)
    shown = opened(ready=False, java_script_enabled=False)
    text = shown.inner_text(".noscript")
    assert all(f"{wish:+.4f}" in text for wish in two.wishes)
    assert f"{two.cost:.5f}" in text
    assert not shown.is_visible("#next")


def test_print_leaves_the_controls_out(opened: Open) -> None:
    shown = opened("#step=3")
    shown.emulate_media(media="print")
    assert not shown.is_visible("#next")
    assert not shown.is_visible("#modes")
    assert shown.is_visible("#sentence")
    assert shown.is_visible("#body table")


def test_forced_colours_keep_signs_and_brightness(opened: Open) -> None:
    shown = opened("#step=7", forced_colors="active")
    fills = shown.eval_on_selector_all(
        "#pane .neuron circle", "all => all.map((one) => getComputedStyle(one).fill)"
    )
    assert len(set(fills)) > 5
    assert shown.locator("#pane .arrows .up").count() > 0


def test_what_is_rebuilt_keeps_the_focus(opened: Open) -> None:
    shown = opened("#step=7&mode=numbers")
    shown.focus("#body .statement button.kind-w")
    shown.keyboard.press("3")
    assert shown.evaluate("document.activeElement.className") == "term kind-w"
    shown.keyboard.press("PageDown")
    assert shown.evaluate("document.activeElement.id") == "step-title"


def test_a_new_step_begins_at_its_top(opened: Open) -> None:
    shown = opened("#step=2", viewport={"width": 360, "height": 700})
    shown.evaluate("scrollTo(0, 900)")
    shown.click("#next")
    assert shown.evaluate("document.getElementById('main').getBoundingClientRect().top") > -1


def test_the_sentence_is_read_out(opened: Open) -> None:
    shown = opened("#step=3")
    assert shown.get_attribute("#sentence", "aria-live") == "polite"
    before = shown.inner_text("#sentence")
    shown.keyboard.press("7")
    assert shown.inner_text("#sentence") != before
