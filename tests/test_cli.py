"""The command line: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_bp import nn
from tinygrad_bp.cli import main
from tinygrad_bp.cli.arguments import COMMANDS
from tinygrad_bp.cli.screen import Reading, Screen
from tinygrad_bp.data import drawn_digits, write_idx
from tinygrad_bp.data.sets import drawn
from tinygrad_bp.errors import DataError
from tinygrad_bp.train import Trainer

ROOT = Path(__file__).parent.parent
TRAIN = importlib.import_module("tinygrad_bp.cli.train")
SOURCES = importlib.import_module("tinygrad_bp.cli.sources")
DRAWING = "Drawing 70,000 digits, which takes a few seconds ..."
IMAGES, LABELS = drawn_digits(30, np.random.default_rng(9))
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")

pytestmark = pytest.mark.usefixtures("plain_terminal")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with a small set in MNIST's format."""
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for part, n in (("train", 600), ("t10k", 100)):
        images, labels = drawn_digits(n, rng)
        pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@pytest.fixture(scope="session")
def model(folder, tmp_path_factory):
    """A model file, of a short run."""
    path = tmp_path_factory.mktemp("model") / "model.npz"
    assert main(["train", "--data", str(folder), "--epochs", "3", "--out", str(path)]) == 0
    return path


@pytest.fixture
def run(cli):
    """Run a command; give its exit code, its lines on stdout, and its text on stderr."""

    def run(*arguments):
        code, out, err = cli(*arguments)
        return code, out.splitlines(), err

    return run


# --- train ----------------------------------------------------------------------------------------


def test_train_tells_epochs_accuracy_confusions_and_mistakes(run, folder):
    code, lines, err = run("train", "--data", folder, "--epochs", 3)
    text = "\n".join(lines)
    assert (code, err) == (0, "")
    assert not CONTROL.search(text)
    assert "lesson, changed: 784-16-16-10, sigmoid, 13,002 parameters" in lines
    assert "600 digits to learn from, 100 to test on" in lines
    assert [line.split()[0] for line in lines if re.match(r" +\d/3 ", line)] == [
        "1/3",
        "2/3",
        "3/3",
    ]
    accuracy = next(line for line in lines if line.startswith("Test accuracy"))
    right = int(re.search(r": (\d+) of 100 digits", accuracy)[1])
    heading = lines.index("      0    1    2    3    4    5    6    7    8    9  right")
    rows = [line.replace("·", "0").split() for line in lines[heading + 1 : heading + 11]]
    table = np.array([[int(count) for count in row[1:11]] for row in rows])
    assert table.sum() == 100
    assert np.trace(table) == right
    assert "The most confident mistakes:" in lines
    assert re.search(r"is \d, read as \d", text)
    assert re.search(r"\(0\.\d\d; \d: 0\.\d\d\)", text)


def test_the_lesson_is_the_default(run, folder):
    _, lines, _ = run("train", "--data", folder)
    assert lines[0] == "lesson: 784-16-16-10, sigmoid, 13,002 parameters"
    assert lines[1] == "sum of squares, scaled, lr 1.5, batch 100"
    assert any(line.startswith("10/10") for line in lines)


def test_options_change_the_recipe(run, folder):
    options = "--recipe modern --layers 8 9 --activation tanh --cost half-sum-squares --init glorot"
    more = "--lr 0.5 --momentum 0.5 --weight-decay 0 --schedule step --batch-size 50 --epochs 2"
    code, lines, _ = run(
        "train",
        "--data",
        folder,
        *options.split(),
        *more.split(),
        "--seed",
        3,
        "--dtype",
        "float64",
    )
    assert code == 0
    assert lines[0] == "modern, changed: 784-8-9-10, tanh, 6,461 parameters"
    assert lines[1] == "half the sum of squares, glorot, lr 0.5 step, batch 50, momentum 0.5"


def test_no_hidden_layer(run, folder):
    _, lines, _ = run("train", "--data", folder, "--layers", "--epochs", 1)
    assert lines[0] == "lesson, changed: 784-10, sigmoid, 7,850 parameters"


def test_distortions_on_request(run, folder):
    code, lines, _ = run("train", "--data", folder, "--epochs", 1, "--transform", "elastic")
    assert code == 0
    assert lines[1] == "sum of squares, scaled, lr 1.5, batch 100, elastic distortions"


def test_hold_out_tests_on_training_examples(run, folder):
    _, lines, _ = run("train", "--data", folder, "--epochs", 1, "--hold-out", 50)
    assert "550 digits to learn from, 50 held out to test on" in lines


def test_digits_that_a_set_lacks_have_outputs_all_the_same(run, tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", as_bytes(IMAGES).reshape(-1, 28, 28))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.uint8(LABELS % 3))
    out = tmp_path / "m.npz"
    code, lines, _ = run("train", "--data", tmp_path, "--epochs", 1, "--out", out)
    assert (code, nn.load(out).sizes) == (0, (784, 16, 16, 10))
    assert any(line.startswith(" 9 ") for line in lines)
    assert run("train", "--data", tmp_path, "--resume", out, "--epochs", 2)[0] == 0


def test_the_same_seed_writes_the_same_bytes(run, folder, tmp_path):
    for name in "ab":
        run("train", "--data", folder, "--epochs", 2, "--seed", 5, "--out", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_plot_draws_the_curves(run, folder, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    code, lines, _ = run("train", "--data", folder, "--epochs", 1, "--plot", path)
    assert code == 0
    assert f"The curves are in {path}." in lines
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_log_has_a_line_for_each_epoch(run, folder, tmp_path):
    path = tmp_path / "run.csv"
    code, lines, _ = run("train", "--data", folder, "--epochs", 2, "--log", path)
    assert code == 0
    assert f"The log is in {path}." in lines
    heading, *rows = path.read_text().splitlines()
    assert heading.startswith("epoch,loss,accuracy,train_loss,train_accuracy,test_loss,")
    assert [row.split(",")[0] for row in rows] == ["1", "2"]


@pytest.mark.parametrize("flags", [("--out", "--log"), ("--resume", "--log"), ("--out", "--plot")])
def test_two_outputs_of_one_name_are_refused(run, folder, model, flags):
    pytest.importorskip("matplotlib")
    path = model.with_name("same.png")
    shutil.copy(model, path)
    code, _, err = run("train", "--data", folder, flags[0], path, flags[1], path)
    assert code == 2
    assert "two outputs have the same name" in err
    path.unlink()


def test_accuracy_and_what_next_are_the_last_lines(run, folder, tmp_path):
    out = tmp_path / "my model.npz"
    _, lines, _ = run("train", "--data", folder, "--epochs", 2, "--out", out)
    assert lines[-6].startswith("Test accuracy ")
    assert lines[-5] == f"The model is in {out}. What next:"
    commands = [shlex.split(line.partition("  #")[0]) for line in lines[-4:]]
    assert all(command[0] == "tinygrad-bp" and str(out) in command for command in commands)
    assert {command[1] for command in commands} == {"predict", "check", "train", "verify"}
    for name in ("train", "verify"):  # as they stand
        (command,) = [c for c in commands if c[1] == name]
        assert run(*command[1:])[0] == 0


def test_a_model_that_was_not_saved_can_be_made_again(run, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, lines, _ = run("train", "--data", folder, "--epochs", 2, "--seed", 3)
    assert lines[-3] == "The model was not saved. What next:"
    again, page = (shlex.split(line.partition("  #")[0]) for line in lines[-2:])
    assert page[:2] == ["tinygrad-bp", "explore"]
    _, repeated, _ = run(*again[1:])
    assert next(line for line in lines if "Test accuracy" in line) in repeated
    assert (tmp_path / "model.npz").exists()


def few(seed):
    return drawn(seed, train=300, test=100)


def test_without_a_network_digits_are_drawn(run, monkeypatch):
    def offline(**options):
        raise DataError("train.gz could not be downloaded:\n  mirror a: x\n  mirror b: y\nTry it.")

    monkeypatch.setattr(SOURCES, "mnist", offline)
    monkeypatch.setattr(SOURCES, "drawn", few)
    code, lines, err = run("train", "--epochs", 1)
    assert (code, err) == (0, "")
    assert lines[0] == (
        "No MNIST (train.gz could not be downloaded): training on drawn digits instead."
    )
    assert "300 drawn digits to learn from, 100 to test on" in lines


def test_a_download_is_announced_once_a_file(run, monkeypatch):
    def download(*, progress, **options):
        for done in range(3):
            progress("train.gz", done, 3)
        return few(0)

    monkeypatch.setattr(SOURCES, "mnist", download)
    _, lines, _ = run("train", "--epochs", 1)
    assert lines.count("Downloading train.gz") == 1


def test_drawn_digits_on_request(run, monkeypatch):
    monkeypatch.setattr(SOURCES, "mnist", None)
    monkeypatch.setattr(SOURCES, "drawn", few)
    code, lines, _ = run("train", "--drawn", "--epochs", 1)
    assert code == 0
    assert "300 drawn digits to learn from, 100 to test on" in lines


def test_a_network_without_mistakes_shows_none(run, folder, monkeypatch):
    labels = few(0).test_labels
    monkeypatch.setattr(SOURCES, "drawn", few)
    monkeypatch.setattr(TRAIN, "outputs", lambda model, images: np.eye(10)[labels])
    _, lines, _ = run("train", "--drawn", "--epochs", 1)
    assert "Test accuracy 100.00 %: 100 of 100 digits read correctly." in lines
    assert not any("mistakes" in line for line in lines)


# --- stopping and going on ------------------------------------------------------------------------


@pytest.fixture
def interrupted_in(monkeypatch):
    """Make Ctrl-C arrive in an epoch."""

    def interrupt_in(epoch):
        learn = Trainer._learn

        def interrupted(self):
            if self.epoch + 1 == epoch:
                raise KeyboardInterrupt
            learn(self)

        monkeypatch.setattr(Trainer, "_learn", interrupted)

    return interrupt_in


def test_a_killed_run_resumes_to_the_same_bytes(run, folder, tmp_path, interrupted_in, monkeypatch):
    whole, part = tmp_path / "whole.npz", tmp_path / "part.npz"
    options = ("--data", folder, "--recipe", "modern", "--momentum", 0.5, "--epochs", 4)
    run("train", *options, "--out", whole)
    with monkeypatch.context():
        interrupted_in(3)
        code, _, err = run("train", *options, "--out", part)
        monkeypatch.undo()
    assert code == 130
    assert err == (
        f"tinygrad-bp: interrupted; {part} holds the run up to epoch 2; to go on: "
        f"tinygrad-bp train --resume {part} --data {folder}\n"
    )
    code, lines, _ = run("train", "--resume", part, "--data", folder)
    assert code == 0
    assert sum(bool(re.match(r" +\d/4 ", line)) for line in lines) == 4
    assert part.read_bytes() == whole.read_bytes()


@pytest.fixture
def _ctrl_c():
    """Ctrl-C interrupts, also where the tests were started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_within_an_epoch_saves_the_batch(run, folder, tmp_path, monkeypatch):
    whole, part = tmp_path / "whole.npz", tmp_path / "part.npz"
    options = ("--data", folder, "--recipe", "modern", "--epochs", 3)
    run("train", *options, "--out", whole)
    step = Trainer._step

    def interrupted(self, batch):
        step(self, batch)
        if len(self.losses) == 9:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_step", interrupted)
        code, _, err = run("train", *options, "--out", part)
    assert code == 130
    assert "holds the run up to batch 3 of epoch 2; to go on:" in err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run("train", "--resume", part, "--data", folder)[0] == 0
    assert part.read_bytes() == whole.read_bytes()


def test_a_disk_that_is_full_says_what_is_kept(run, folder, tmp_path, monkeypatch):
    out = tmp_path / "m.npz"
    write = nn.checkpoint.write
    saved = []

    def full(*arguments):
        if saved[2:]:
            raise OSError(28, "No space left on device")
        saved.append(write(*arguments))

    monkeypatch.setattr("tinygrad_bp.nn.checkpoint.write", full)
    code, _, err = run("train", "--data", folder, "--epochs", 5, "--out", out)
    assert (code, err.count("\n")) == (1, 1)
    assert "No space left on device" in err
    assert f"For now, {out} holds the run up to epoch 3; to go on: " in err
    assert len(nn.read_checkpoint(out).position["history"]) == 3


@pytest.mark.usefixtures("_ctrl_c")
def test_a_second_ctrl_c_ends_the_run_at_once(run, folder, tmp_path, monkeypatch):
    def interrupted(self, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the batch went on")

    monkeypatch.setattr(Trainer, "_step", interrupted)
    code, _, err = run("train", "--data", folder, "--out", tmp_path / "m.npz")
    assert (code, err.count("\n")) == (130, 1)
    assert not (tmp_path / "m.npz").exists()


def test_ctrl_c_before_anything_was_saved(run, folder, tmp_path, interrupted_in):
    interrupted_in(1)
    out = tmp_path / "m.npz"
    code, _, err = run("train", "--data", folder, "--out", out)
    assert (code, err.count("\n")) == (130, 1)
    assert "nothing is saved, because no epoch was finished" in err
    assert not out.exists()
    code, _, err = run("train", "--data", folder)
    assert (code, err.count("\n")) == (130, 1)
    assert "--out MODEL.npz saves every epoch" in err


def test_ctrl_c_outside_the_training(run, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(SOURCES, "drawn", interrupted)
    assert run("train", "--drawn") == (130, [DRAWING], "tinygrad-bp: interrupted\n")


def test_what_is_too_large_for_the_memory_is_one_line(run, monkeypatch):
    def refuse(*args, **options):
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr(SOURCES, "drawn", refuse)
    assert run("train", "--drawn") == (
        1,
        [DRAWING],
        "tinygrad-bp: not enough memory: Unable to allocate 7 TiB\n",
    )


def test_the_command_to_go_on_can_be_pasted(run, folder, tmp_path, interrupted_in):
    interrupted_in(2)
    out = tmp_path / "my model.npz"
    code, _, err = run("train", "--data", folder, "--out", out)
    assert code == 130
    assert shlex.split(err.partition("to go on: ")[2]) == [
        "tinygrad-bp", "train", "--resume", str(out), "--data", str(folder),
    ]  # fmt: skip


def test_a_file_that_lies_about_its_test_set(run, folder, model, tmp_path):
    extra = nn.read_checkpoint(model).extra
    extra["training"]["about"]["hold_out"] = "all"
    nn.save(tmp_path / "m.npz", nn.load(model), extra=extra)
    code, _, err = run("train", "--resume", tmp_path / "m.npz", "--data", folder)
    assert (code, err.count("\n")) == (1, 1)
    assert "does not say what its run was tested on" in err


def test_a_finished_run_can_be_made_longer_elsewhere(run, folder, model, tmp_path):
    before = model.read_bytes()
    out = tmp_path / "longer.npz"
    options = ("--data", folder, "--resume", model, "--out", out)
    code, lines, _ = run("train", *options)
    assert code == 0
    assert f"The model is in {out}. What next:" in lines
    assert out.read_bytes() == before
    code, lines, _ = run("train", *options, "--epochs", 4)
    assert code == 0
    assert any(line.startswith("  4/4") for line in lines)
    assert model.read_bytes() == before


def test_a_run_on_drawn_digits_resumes_without_being_told(run, monkeypatch, tmp_path):
    monkeypatch.setattr(SOURCES, "mnist", None)
    monkeypatch.setattr(SOURCES, "drawn", few)
    out = tmp_path / "m.npz"
    run("train", "--drawn", "--epochs", 1, "--hold-out", 20, "--out", out)
    code, lines, _ = run("train", "--resume", out, "--epochs", 2)
    assert code == 0
    assert "280 drawn digits to learn from, 20 held out to test on" in lines


def test_resuming_with_other_data_fails(run, model, monkeypatch):
    monkeypatch.setattr(SOURCES, "drawn", few)
    code, _, err = run("train", "--resume", model, "--drawn")
    assert (code, err.count("\n")) == (1, 1)
    assert "learned from other data" in err


def test_a_diverging_run_stops_and_keeps_the_file(run, folder, tmp_path):
    out = tmp_path / "m.npz"
    out.write_bytes(b"previous")
    options = ("--activation", "relu", "--cost", "cross_entropy", "--lr", 1e30)
    code, _, err = run("train", "--data", folder, *options, "--out", out)
    assert (code, err.count("\n")) == (1, 1)
    assert "The run stopped in epoch 1, batch" in err
    assert out.read_bytes() == b"previous"


# --- wrong arguments and bad files ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the following arguments are required"),
        ("fly", "invalid choice: 'fly'"),
        ("train --unheard-of", "unrecognized arguments: --unheard-of"),
        ("train --epochs 0", "--epochs: must be a whole number, 1 or more, got '0'"),
        ("train --epochs 1.5", "--epochs: must be a whole number, 1 or more, got '1.5'"),
        ("train --layers 16 0", "--layers: must be a whole number, 1 or more, got '0'"),
        ("train --seed -1", "--seed: must be a whole number, 0 or more, got '-1'"),
        ("train --lr 0", "--lr: must be a positive number, got '0'"),
        ("train --lr fast", "--lr: must be a positive number, got 'fast'"),
        ("train --lr nan", "--lr: must be a positive number, got 'nan'"),
        ("train --momentum 1", "--momentum: must be at least 0 and below 1, got '1'"),
        ("train --weight-decay inf", "--weight-decay: must be 0 or more, got 'inf'"),
        ("train --recipe old", "--recipe: invalid choice: 'old'"),
        ("train --data a --drawn", "not allowed with argument"),
        ("train --out no/such/m.npz", "--out: the folder no/such does not exist"),
        ("train --plot no/such/c.png", "--plot: the folder no/such does not exist"),
        ("train --out .", "--out: . is a folder"),
        ("train --plot curves.txt", "does not end in .png, .svg, .pdf"),
        ("train --resume m.npz --layers 9", "--layers: only --epochs can change"),
        ("train --resume m.npz --hold-out 9", "--hold-out: only --epochs can change"),
        ("predict m.npz", "the following arguments are required: IMAGES"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(run, arguments, message):
    code, lines, err = run(*arguments.split())
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert err.startswith("tinygrad-bp: ")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --data no/such", "The folder no/such does not exist"),
        ("train --resume no.npz", "no.npz does not exist"),
        ("predict no.npz x", "no.npz does not exist"),
        ("predict {here} {here}", "is not a model file"),
        ("predict {model} no.npy", "no.npy cannot be read"),
        ("train --data {folder} --hold-out 600", "600 of 600 training examples cannot be held out"),
    ],
)
def test_bad_files_are_one_line_and_exit_1(run, arguments, message, folder, model):
    places = {"here": __file__, "folder": folder, "model": model}
    code, lines, err = run(*arguments.format(**places).split())
    assert (code, lines, err.count("\n")) == (1, [], 1)
    assert message in err


def test_a_missing_matplotlib_is_told_before_the_training(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, lines, err = run("train", "--plot", "curves.png")
    assert (code, lines) == (2, [])
    assert 'pip install "tinygrad_bp[plot]"' in err


def test_curves_that_cannot_be_written(run, folder, monkeypatch, tmp_path):
    figure = pytest.importorskip("matplotlib.figure")

    def refuse(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure.Figure, "savefig", refuse)
    code, _, err = run("train", "--data", folder, "--epochs", 1, "--plot", tmp_path / "c.png")
    assert code == 1
    assert "No space left on device" in err


# --- predict --------------------------------------------------------------------------------------


def expected(model, images):
    return nn.load(model)(images).data.argmax(axis=1).tolist()


def read(run, *arguments):
    """Return the digits that `predict --json` read."""
    code, [line], err = run("predict", *arguments, "--json")
    assert (code, err) == (0, "")
    return [image["digit"] for image in json.loads(line)["images"]]


def as_bytes(images):
    return np.rint(images * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "shape",
    [(30, 784), (30, 28, 28), (30, 784, 1)],
    ids=["rows", "squares", "columns"],
)
@pytest.mark.parametrize(
    "convert", [lambda x: x, np.float64, as_bytes, lambda x: as_bytes(x).astype(int)]
)
def test_npy_arrays(run, model, tmp_path, shape, convert):
    np.save(tmp_path / "a.npy", convert(IMAGES).reshape(shape))
    assert read(run, model, tmp_path / "a.npy") == expected(model, IMAGES)


@pytest.mark.parametrize("name", ["a-idx3-ubyte", "a-idx3-ubyte.gz"])
def test_idx_files(run, model, tmp_path, name):
    write_idx(tmp_path / name, as_bytes(IMAGES).reshape(-1, 28, 28))
    assert read(run, model, tmp_path / name) == expected(model, IMAGES)


def pgm(image, kind, white=255):
    levels = np.rint(image.reshape(28, 28) * white).astype(int)
    header = f"{kind}\n# drawn\n28 28\n{white}\n".encode()
    if kind == "P2":
        rows = "\n".join(" ".join(map(str, row)) for row in levels.tolist())
        return header + rows.encode() + b"\n# end\n"
    return header + levels.astype(">u1" if white < 256 else ">u2").tobytes() + b"\n"


@pytest.mark.parametrize("light", [False, True], ids=["ink is light", "paper is light"])
@pytest.mark.parametrize("form", [("P2", 255), ("P5", 255), ("P5", 1020), ("P2", 510)])
def test_pgm_pictures(run, model, tmp_path, form, light):
    image = IMAGES[0]
    (tmp_path / "a.pgm").write_bytes(pgm(1 - image if light else image, *form))
    assert read(run, model, tmp_path / "a.pgm") == expected(model, IMAGES[:1])


def test_invert_overrules_the_look_at_the_border(run, model, tmp_path):
    (tmp_path / "a.pgm").write_bytes(pgm(IMAGES[0], "P5"))
    inverted = read(run, model, tmp_path / "a.pgm", "--invert")
    assert inverted == expected(model, 1 - IMAGES[:1])
    (tmp_path / "b.pgm").write_bytes(pgm(1 - IMAGES[0], "P5"))
    assert read(run, model, tmp_path / "b.pgm", "--no-invert") == inverted


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_png_pictures(run, model, tmp_path, mode):
    pillow = pytest.importorskip("PIL.Image")
    paper = as_bytes(1 - IMAGES[0]).reshape(28, 28)
    picture = pillow.fromarray(paper).convert(mode)
    if mode == "RGBA":  # black ink on nothing
        picture = pillow.new("RGBA", (28, 28), (0, 0, 0, 0))
        picture.putalpha(pillow.fromarray(255 - paper))
    picture.save(tmp_path / "a.png")
    assert read(run, model, tmp_path / "a.png") == expected(model, IMAGES[:1])


def test_png_without_pillow(run, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, _, err = run("predict", model, tmp_path / "a.png")
    assert (code, err.count("\n")) == (1, 1)
    assert "pip install pillow" in err


def large_png():
    pillow = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    pillow.new("1", (2000, 2000)).save(stream, "PNG")
    return stream.getvalue()


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


BAD_IMAGES = {
    "text": (b"hello", "begins with the bytes"),
    "empty": (b"", "is empty"),
    "objects": (lambda: saved(np.array([{}], object)), "not a valid .npy array"),
    "truncated .npy": (lambda: saved(np.zeros((30, 784)))[:-1], "not a valid .npy array"),
    "giant .npy": (
        lambda: saved(np.zeros((1, 784))).replace(b"(1, 784)", b"(1" + b"0" * 12 + b", 784)"),
        "not a valid .npy array",
    ),
    "texts": (lambda: saved(np.array(["a"])), "not numbers for pixels"),
    "levels": (lambda: saved(np.full((1, 784), 255.0)), "floats from 0 to 1"),
    "NaN": (lambda: saved(np.full((1, 784), np.nan)), "floats from 0 to 1"),
    "negative": (lambda: saved(np.full((1, 784), -1)), "whole numbers from 0 to 255"),
    "another size": (
        lambda: saved(np.zeros((3, 32, 32))),
        r"shape 3x32x32, .* 784 pixels \(28x28\)",
    ),
    "one number": (lambda: saved(np.array(0.5)), "784 pixels"),
    "none": (lambda: saved(np.zeros((0, 784))), "holds no images"),
    "PGM header": (b"P5\n28\n", "its header makes no sense"),
    "PGM cut off": (lambda: pgm(np.zeros(784), "P5")[:-9], "pixels for 28x28"),
    "PGM odd": (lambda: pgm(np.zeros(784), "P5", 1020)[:-2], "783 pixels for 28x28"),
    "PGM levels": (lambda: pgm(np.ones(784), "P2").replace(b"\n255\n", b"\n254\n"), "up to 255"),
    "PGM letters": (lambda: pgm(np.ones(784), "P2").replace(b"255 255", b"255 abc"), "numbers"),
    "PGM huge": (b"P5 999999999 999999999 255\n", "0 pixels"),
    "PNG cut off": (lambda: large_png()[:60], "not a valid PNG"),
    "PNG large": (large_png, "2000x2000 pixels, too large"),
}


@pytest.mark.parametrize(("content", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images(run, model, tmp_path, content, message):
    path = tmp_path / "image"
    path.write_bytes(content() if callable(content) else content)
    code, lines, err = run("predict", model, path)
    assert (code, lines, err.count("\n")) == (1, [], 1)
    assert re.search(message, err)
    assert str(path) in err


def test_few_images_are_drawn(run, model, tmp_path):
    for name, image in zip(("one.npy", "a_rather_long_file_name.npy"), IMAGES, strict=False):
        np.save(tmp_path / name, image)
    code, lines, _ = run("predict", model, *sorted(tmp_path.iterdir()))
    assert code == 0
    assert len(lines) == 13  # ten of drawings, three of captions
    assert set("".join(lines[:10])) <= set(" ▀▄█")
    assert re.fullmatch(r"\.\.\.ong_file_name\.npy {3}one\.npy", lines[10])
    assert re.fullmatch(r"read as \d +read as \d", lines[11])
    assert re.fullmatch(r"\(0\.\d\d; \d: 0\.\d\d\) +\(0\.\d\d; \d: 0\.\d\d\)", lines[12])


def test_many_images_are_a_table(run, model, tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "l.npy", LABELS)
    arguments = ("predict", model, tmp_path / "a.npy", "--labels", tmp_path / "l.npy")
    code, lines, _ = run(*arguments, "--first", 4)
    digits_read = np.array(expected(model, IMAGES))
    assert code == 0
    assert lines[0] == "image     read as   output   runner-up"
    assert [int(line.split()[2]) for line in lines[1:5]] == digits_read[:4].tolist()
    assert lines[5] == "... and 26 more (--first N shows N of them)"
    assert [int(n) for n in lines[8].split()[1:]] == np.bincount(digits_read, minlength=10).tolist()
    right = int((digits_read == LABELS).sum())
    assert lines[-1] == f"Accuracy {100 * right / 30:.2f} %: {right} of 30 read correctly."
    _, lines, _ = run(*arguments, "--first", 30)
    wrong = [line for line in lines if "   is " in line]
    assert len(wrong) == 30 - right


def test_json_has_the_outputs_and_the_accuracy(run, model, tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    write_idx(tmp_path / "l-idx1-ubyte", LABELS.astype(np.uint8))
    labels = ("--labels", tmp_path / "l-idx1-ubyte")
    _, [line], _ = run("predict", model, tmp_path / "a.npy", "--json", *labels)
    said = json.loads(line)
    assert said["model"] == str(model)
    assert said["images"][2]["image"] == "a.npy 2"
    outputs = np.array([image["outputs"] for image in said["images"]])
    np.testing.assert_allclose(outputs, nn.load(model)(IMAGES).data, atol=1e-6)
    assert said["accuracy"] == np.mean(outputs.argmax(axis=1) == LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(29, int), r"labels of the shape \(29,\) for 30 images"),
        (np.full(30, 10), "whole numbers from 0 to 9"),
        (np.full(30, -1), "whole numbers from 0 to 9"),
        (np.zeros(30), "whole numbers from 0 to 9"),
    ],
    ids=["too few", "ten", "negative", "floats"],
)
def test_bad_labels(run, model, tmp_path, labels, message):
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "l.npy", labels)
    code, _, err = run("predict", model, tmp_path / "a.npy", "--labels", tmp_path / "l.npy")
    assert (code, err.count("\n")) == (1, 1)
    assert re.search(message, err)


def test_images_that_are_not_square_and_models_with_other_outputs(run, tmp_path):
    nn.save(tmp_path / "m.npz", nn.MLP(6, 2, rng=np.random.default_rng(0)))
    np.save(tmp_path / "a.npy", np.zeros((2, 6)))
    code, lines, _ = run("predict", tmp_path / "m.npz", tmp_path / "a.npy")
    assert code == 0
    assert "(0.50; 0: 0.50)" in lines[-1]
    nn.save(tmp_path / "m.npz", nn.MLP(6, 1))
    code, _, err = run("predict", tmp_path / "m.npz", tmp_path / "a.npy")
    assert code == 1
    assert "nothing to choose" in err


# --- the terminal ---------------------------------------------------------------------------------


def test_a_terminal_gets_a_bar_and_shades(run, folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    _, lines, _ = run("train", "--data", folder, "--epochs", 2)
    text = "\n".join(lines)
    assert "━" in text
    assert "epoch 2" in text
    assert "\x1b[38;2;255;255;255;48;2;" in text  # white ink on some grey


def test_no_color_is_honoured(run, folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    _, lines, _ = run("train", "--data", folder, "--epochs", 1)
    assert not re.search(r"\x1b\[[\d;]*[34][0-9]", "\n".join(lines))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_is_wider_than_the_terminal(run, folder, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, lines, _ = run("train", "--data", folder, "--epochs", 1, "--recipe", "modern")
    shown = lines[:-2]  # without commands to be copied, which are as long as the folder's name
    assert max(map(len, shown)) <= columns
    assert max(line.count("read as") for line in lines) == {60: 2, 80: 3, 120: 5}[columns]


def test_a_screen_of_ascii_alone(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    screen = Screen()
    screen.confusion(np.eye(10, dtype=int))
    ramp = np.linspace(0, 1, 15 * 15).reshape(15, 15)
    screen.readings([Reading(ramp, ["a ramp", "λ"])])
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert " 9    .    .    .    .    .    .    .    .    .    1  100.0" in text
    assert set(" .:*#") <= set(text)


# --- help -----------------------------------------------------------------------------------------

HELP = [[], *([name] for name in COMMANDS), ["study", "step-size"], ["study", "taylor"]]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_fits_an_ordinary_terminal(cli, monkeypatch, capsys, command):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        cli(*command, "--help")
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    assert out.startswith(" ".join(["usage: tinygrad-bp", *command]))
    assert max(map(len, out.splitlines())) <= 80


def test_help_loads_the_file_of_no_command():
    program = (
        "import sys, numpy, argparse; before = set(sys.modules)\n"
        "from tinygrad_bp.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(name for name in set(sys.modules) - before if '_bp.' in name))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = run.stdout.splitlines()[-1].split()
    parts = {name.split(".")[1] for name in loaded}
    assert not parts & {"data", "explain", "gradcheck", "lesson", "nn", "optim", "train"}
    assert {name for name in loaded if ".cli" in name} == {
        "tinygrad_bp.cli",
        "tinygrad_bp.cli.arguments",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_a_file_of_its_own(command):
    module = importlib.import_module(f"tinygrad_bp.cli.{command}")
    assert "add_options" in module.__all__


def test_a_file_with_the_name_of_a_command(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("predict", "train", "lesson")
    assert (code, err.count("\n")) == (1, 1)
    assert "train does not exist" in err


# --- as a command ---------------------------------------------------------------------------------


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_bp", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
    )


def test_python_m_runs_it():
    with start("train", "--help") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith("usage: tinygrad-bp train")
    with start("train", "--epochs", "none") as process:
        out, err = process.communicate()
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_reader_that_leaves_early_is_no_error(model, folder, as_json):
    images = folder / "t10k-images-idx3-ubyte.gz"
    with start("predict", model, *[images] * 200, "--first", "20000", *as_json) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
