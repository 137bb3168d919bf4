"""The program: what it prints and leaves, how it says no, and how it stops."""

import contextlib
import errno
import functools
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios

import click
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import gpt
from udl.cli import _gpt, _program, main
from udl.cli._gpt import _pieces
from udl.data._sets import SETS
from udl.gpt import export
from udl.train import CheckpointError, NonFiniteLoss

TEXT = "to be, or not to be: that is the question\n" * 40
QUICK = ["--steps", "6", "--every", "3", "--batch", "2", "--context", "16", "--sample", "20"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small sums are quicker alone, and other processes want the processor too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a model that was trained for a moment."""
    base = tmp_path_factory.mktemp("cli")
    (base / "text.txt").write_text(TEXT, encoding="utf-8")
    assert train(base / "text.txt", base / "model") == 0
    return base / "model"


def train(text, out, *more):
    return main(["gpt", "train", str(text), "--out", str(out), "--device", "cpu", *QUICK, *more])


def refused(capsys, status=2):
    """Return the one line of an error, and see that there is no other output after it."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    return lines[0]


def test_train_tells_and_saves(text, tmp_path, capsys):
    assert train(text, tmp_path / "model") == 0
    out, err = capsys.readouterr()
    assert err == ""  # no bar: this is no terminal
    lines = out.splitlines()
    assert lines[0] == f"text: 1,680 characters, {len(set(TEXT))} different tokens"
    parameters = gpt.sizes.parameters(gpt.preset("page", vocabulary=len(set(TEXT)), context=16))
    assert f"context 16: {parameters['total']:,} parameters" in lines[1]
    assert lines[2] == "training: 6 steps of 2 windows, on cpu"
    steps = [line for line in lines if line.startswith("step ")]
    assert [line.partition("   ")[0] for line in steps] == ["step 3 of 6", "step 6 of 6"]
    losses = [float(re.search(r"validation (\d\.\d{3})", line)[1]) for line in steps]
    written = "".join(line.removeprefix("    | ") for line in lines if line.startswith("    | "))
    assert 0 < len(written) <= 40
    assert set(written) <= set(TEXT)
    trained = gpt.load(tmp_path / "model", "last")
    assert trained.history["validation_loss"].tolist() == pytest.approx(losses, abs=6e-4)
    best = min(range(2), key=losses.__getitem__)
    assert lines[-2] == f"lowest validation loss: {losses[best]:.3f} after {3 * best + 3} steps"
    assert lines[-1].endswith(f"udl gpt sample {shlex.quote(str(tmp_path / 'model'))}")


def test_train_takes_the_preset_and_the_changes(text, tmp_path, capsys):
    assert train(text, tmp_path / "a", "--seed", "3", "--sample", "0", "--tokens", "270") == 0
    assert "    |" not in capsys.readouterr().out
    trained = gpt.load(tmp_path / "a")
    assert trained.recipe.seed == 3
    assert trained.config.vocabulary == 270
    assert trained.recipe.alpha == gpt.RECIPES["page"].alpha
    assert trained.tokenizer.decode(trained.tokenizer.encode("naïve")) == "naïve"
    assert set(_gpt.PRESETS) == gpt.RECIPES.keys()


def test_sample_writes_what_generate_does(folder, capsys):
    trained = gpt.load(folder)
    encode, decode = trained.tokenizer.encode, trained.tokenizer.decode
    capsys.readouterr()
    assert main(["gpt", "sample", str(folder), "--prompt", "to be", "--length", "50"]) == 0
    tokens = gpt.generate(trained.model, encode("to be"), 50, temperature=0.8)
    assert capsys.readouterr().out == f"to be{decode(tokens)}\n"
    choices = ["--temperature", "1.5", "--top-k", "9", "--top-p", "0.9", "--seed", "7"]
    assert main(["gpt", "sample", str(folder), "--length", "30", *choices, "--which", "last"]) == 0
    model = gpt.load(folder, "last").model
    shape = {"temperature": 1.5, "top_k": 9, "top_p": 0.9, "seed": 7}
    tokens = gpt.generate(model, encode("\n"), 30, **shape)
    assert capsys.readouterr().out == f"{decode(tokens)}\n"
    assert main(["gpt", "sample", str(folder), "--prompt", "to", "--length", "0"]) == 0
    assert capsys.readouterr().out == "to\n"


def test_which_weights_is_the_readers_choice(folder, tmp_path, monkeypatch):
    asked, load = [], gpt.load

    def noted(folder, which):
        asked.append(which)
        return load(folder, which)

    monkeypatch.setattr(gpt, "load", noted)
    for which in ("best", "last"):
        main(["gpt", "sample", str(folder), "--length", "1", "--which", which])
        main(["gpt", "export", str(folder), str(tmp_path / "x.bin"), "--which", which])
    assert asked == ["best", "best", "last", "last"]


def test_export_writes_the_model(folder, tmp_path, capsys):
    file = tmp_path / "new" / "model.bin"
    assert main(["gpt", "export", str(folder), str(file)]) == 0
    trained = gpt.load(folder)
    assert file.read_bytes() == export.weights(trained.model, trained.tokenizer)
    parameters = sum(weight.numel() for weight in trained.model.parameters())
    size = file.stat().st_size
    assert capsys.readouterr().out == f"{file}: {parameters:,} parameters, {size:,} bytes\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"a", "expected more training tokens"),
        ("\ufeff".encode(), "empty file"),
        (b"a" * 150, r"validation tokens than fit .* 15 with context=16: take a longer text"),
        (b"good\xff" * 100, "UTF-8, got byte 0xff at position 4 of"),
    ],
)
def test_a_text_that_cannot_be_learned(content, message, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert train(path, tmp_path / "model") == 2
    assert re.search(message, refused(capsys))
    assert not (tmp_path / "model").exists()


def test_a_text_of_one_symbol_can_be_learned(tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("a" * 400)
    assert train(path, tmp_path / "model") == 0
    capsys.readouterr()
    assert main(["gpt", "sample", str(tmp_path / "model"), "--length", "5"]) == 0
    assert capsys.readouterr().out == "aaaaa\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "to bé"], r"expected characters of the alphabet .*got 'é' at position 4"),
        (["--prompt", ""], "at least one character"),
        (["--prompt", "to be, or not to be"], "at most context=16 tokens, got 19"),
        (["--temperature", "-1"], "temperature=-1"),
        (["--temperature", "nan"], "temperature=nan"),
        (["--top-k", "0"], "top_k=0"),
        (["--top-p", "1.5"], "top_p=1.5"),
        (["--device", "cuda:99"], "PyTorch sees [0-9]+ GPUs"),
        (["--device", "meta"], "expected cpu or cuda, got --device meta"),
        (["--device", "gpu"], "expected cpu or cuda, got --device gpu"),
    ],
)
def test_a_text_that_cannot_be_written(folder, options, message, capsys):
    capsys.readouterr()
    assert main(["gpt", "sample", str(folder), *options]) == 2
    assert re.search(message, refused(capsys))


def test_a_model_that_is_not_there(tmp_path, capsys):
    for command in (["sample", str(tmp_path)], ["export", str(tmp_path), "x.bin"]):
        assert main(["gpt", *command]) == 2
        assert "expected a trained model, got no file" in refused(capsys)


def test_nothing_that_is_there_is_lost(text, tmp_path, capsys):
    out = tmp_path / "model"
    out.mkdir()
    for name, content in [
        ("run.json", b'{"mine": 1}'),
        ("best.pt", b"best"),
        ("step-00000004", None),
    ]:
        path = out / name
        path.mkdir() if content is None else path.write_bytes(content)
        for options, message in [([], "add --resume"), (["--resume"], "run")]:
            assert train(text, out, *options) == 2
            assert message in refused(capsys)
        path.rmdir() if content is None else path.unlink()
    assert list(out.iterdir()) == []


def test_export_takes_no_other_files_place(folder, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = tmp_path / "thesis.txt"
    other.write_text("mine")
    capsys.readouterr()
    for file in (other, tmp_path, *folder.iterdir()):
        assert main(["gpt", "export", str(folder), str(file)]) == 2
        assert file == tmp_path or "expected a" in refused(capsys)
        capsys.readouterr()
    assert other.read_text() == "mine"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    for _ in range(2):  # its own it may write again
        assert main(["gpt", "export", str(folder), str(tmp_path / "a.bin")]) == 0


def test_a_checkpoint_of_something_else(text, tmp_path, capsys):
    out = tmp_path / "model"
    assert train(text, out) == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()

    def complaint(*arguments):
        status = train(*arguments)
        line = refused(capsys)
        assert status == 2
        assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
        return line

    assert "add --resume" in complaint(text, out)
    line = complaint(text, out, "--resume", "--preset", "fast-cpu")
    assert re.search(r"another config: expected config\.\w+ = .*, got ", line)
    line = complaint(text, out, "--resume", "--seed", "5")
    seed = gpt.RECIPES["page"].seed
    assert f"expected --seed {seed}, with which the training in {out} began, got 5" in line
    text.write_text(TEXT + "or not\n" * 9)
    assert "another text" in complaint(text, out, "--resume")
    for name in ("last.pt", "best.pt"):
        (out / name).write_bytes(b"PK nonsense")
    assert main(["gpt", "sample", str(out)]) == 2
    assert "damaged" in refused(capsys)


def test_resume_goes_on(text, tmp_path, capsys, monkeypatch):
    assert train(text, tmp_path / "whole") == 0
    seen = []

    def stop(now, *rest):
        seen.append(now.step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_gpt, "_report", stop)
        assert train(text, tmp_path / "parts") == 130
    capsys.readouterr()
    assert train(text, tmp_path / "parts", "--resume") == 0
    assert seen == [3]
    one, other = (gpt.load(tmp_path / name, "last") for name in ("whole", "parts"))
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    assert train(text, tmp_path / "parts", "--resume") == 0  # it is done: nothing happens
    assert "lowest validation loss" in capsys.readouterr().out


def test_resume_needs_no_options(text, tmp_path, capsys):
    out = tmp_path / "model"
    options = ["--tokens", "260", "--preset", "nanogpt-cpu", "--seed", "2"]
    assert train(text, out, *options) == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    again = ["gpt", "train", str(text), "--out", str(out), "--resume", "--device", "cpu"]
    assert main(again) == 0
    assert "260 different tokens" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
    numbers = {"--steps": 6, "--every": 3, "--batch": 2, "--context": 16, "--seed": 2}
    for option, number in numbers.items():
        assert main([*again, option, str(number + 1)]) == 2
        out, err = capsys.readouterr()
        assert out == ""  # nothing is announced that will not be
        assert f"expected {option} {number}, with which the training in" in err
        assert f"got {number + 1}: leave it out, or begin in another folder\n" in err


def test_resume_without_a_beginning_begins(text, tmp_path, capsys):
    assert train(text, tmp_path / "model", "--resume") == 0
    assert "nothing to resume" in capsys.readouterr().out


def test_bad_usage_is_explained(text, tmp_path, capsys):
    for arguments, message in [
        (["gpt", "train", str(text)], "Missing option '--out'"),
        (["gpt", "train", str(tmp_path / "no.txt"), "--out", "x"], "does not exist"),
        (["gpt", "train", str(text), "--out", "x", "--steps", "0"], "--steps"),
        (["gpt", "train", str(text), "--out", "x", "--preset", "huge"], "'page', 'nanogpt-cpu'"),
        (["gpt", "train", str(text), "--out", str(text)], "is a file"),
        (["gpt", "train", str(text), "--out", ""], "'--out': expected a name, got ''"),
        (["gpt", "sample", ""], "'FOLDER': expected a name, got ''"),
        (["gpt", "export", str(tmp_path), ""], "'FILE': expected a name, got ''"),
        (["gpt", "learn"], "No such command 'learn'"),
    ]:
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    assert train(text, tmp_path / "x", "--tokens", "words") == 2
    assert "expected characters, gpt2 or a number" in refused(capsys)
    for few in ("0", "255"):
        assert train(text, tmp_path / "x", "--tokens", few) == 2
        assert f"256 tokens or more, one a byte, got --tokens {few}" in refused(capsys)
    assert not (tmp_path / "x").exists()
    assert train(text, tmp_path / "x", "--every", str(10**30)) == 2
    refused(capsys)


def _no_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    return caught.value


def test_what_fails_on_the_way_is_one_line(text, tmp_path, capsys, monkeypatch):
    for error, message in [
        (NonFiniteLoss(1, 2, float("nan"), advice="lower it"), "nan"),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried"), "try a smaller --batch"),
        (MemoryError(), "try a smaller --batch"),
        (_no_memory(), "try a smaller --batch"),
    ]:

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(gpt, "fit", fail)
        assert train(text, tmp_path / "model") == 1
        assert message in refused(capsys)


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_after_too_large_a_batch_the_same_command_with_a_smaller_one_begins(
    text, tmp_path, capsys, monkeypatch, more
):
    class Full:
        def __init__(self, *_, **__):
            raise _no_memory()

    out = tmp_path / "model"
    with monkeypatch.context() as context:
        context.setattr("udl.gpt.train.Windows", Full)
        assert train(text, out, "--batch", "3", *more) == 1
        assert "try a smaller --batch" in refused(capsys)
    assert train(text, out, "--batch", "2", *more) == 0
    assert gpt.load(out, "last").history


def test_what_a_run_has_saved_stays_when_memory_runs_out(text, tmp_path, monkeypatch):
    out = tmp_path / "model"

    def report(now, *_):
        if now.step > 3:  # what was measured at first is saved by now
            raise _no_memory()

    monkeypatch.setattr("udl.cli._gpt._report", report)
    assert train(text, out) == 1
    assert (out / "run.json").exists()
    assert any(out.glob("*.pt"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_was_not_asked_for_what_cannot_be(
    number, text, tmp_path, capsys, monkeypatch
):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    assert train(text, tmp_path / "model") == 1
    assert refused(capsys).endswith(os.strerror(number))


@pytest.mark.parametrize(("number", "status"), [(errno.EIO, 1), (errno.EACCES, 2)])
def test_a_failure_behind_two_others_is_found(number, status, text, tmp_path, capsys, monkeypatch):
    def fit(*_, **__):
        try:
            try:
                raise OSError(number, os.strerror(number))
            except OSError as error:
                raise CheckpointError("not saved") from error
        except CheckpointError as error:
            raise CheckpointError("best.pt can take its place") from error

    monkeypatch.setattr(gpt, "fit", fit)
    assert train(text, tmp_path / "model") == status
    assert "best.pt can take its place" in refused(capsys)


def test_help_names_what_there_is_to_choose(capsys):
    assert main(["gpt", "train", "--help"]) == 0
    presets = capsys.readouterr().out.partition("Presets:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in presets.splitlines()] == list(gpt.RECIPES)
    assert main(["data", "fetch", "--help"]) == 0
    total = sum(file.size for one in SETS for file in one.remotes())
    assert f"({total / 1e6:.0f} MB)" in capsys.readouterr().out


def test_help_and_version(capsys):
    commands = [[], ["gpt"], ["gpt", "train"], ["gpt", "sample"], ["gpt", "export"]]
    commands += [["data"], ["data", "list"], ["data", "fetch"], ["data", "verify"], ["doctor"]]
    for command in commands:
        assert main([*command, "--help"]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"Usage: {' '.join(['udl', *command])} ")
        assert max(map(len, out.splitlines())) <= 80
    assert main(["gpt", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.index("\n  train ") < out.index("\n  sample ") < out.index("\n  export ")
    assert main(["--version"]) == 0
    assert re.fullmatch(r"udl \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_each_option_says_what_it_does():
    def all_of(command):
        yield command
        for child in getattr(command, "commands", {}).values():
            yield from all_of(child)

    for command in all_of(_program.udl):
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.name}"


@given(st.binary(max_size=60))
def test_pieces_are_the_whole_text(data):
    pairs = _chinese()
    for known in (pairs.encode_bytes(data), list(data)):
        expected = data.decode("utf-8", "replace")
        assert "".join(_pieces(pairs, iter(known))) == expected


@given(st.text("日本語中文 a。", max_size=30))
def test_pieces_of_chinese_are_the_whole_text(text):
    tokens = _chinese().encode(text)
    assert "".join(_pieces(_chinese(), iter(tokens))) == _chinese().decode(tokens) == text


@functools.cache
def _chinese():
    """Return byte pairs that end within characters, too."""
    return gpt.BytePairs.train("日本語の文、中文。中日文语言" * 3 + "曰末詬乊丬", 290)


def test_a_character_in_parts_waits_until_it_is_whole():
    pairs = gpt.BytePairs()  # one token a byte
    for word in ("naïve €", "𝄞 done", "日本"):
        tokens = pairs.encode(word)
        pieces = list(_pieces(pairs, iter(tokens)))
        assert pieces == list(word)
    assert "".join(_pieces(pairs, iter(pairs.encode("€")[:2]))) == "\ufffd"  # it never comes
    junk = list(_pieces(pairs, iter([0xFF] * 4 + pairs.encode("ok"))))
    assert junk[-2:] == ["o", "k"]
    asked = []

    def endless():
        for token in gpt.Characters("ab").encode("abab"):
            asked.append(token)
            yield token

    assert next(_pieces(gpt.Characters("ab"), endless())) == "a"
    assert len(asked) == 1  # the text appears as it is drawn


# What follows needs a process of its own. A background shell may have it ignore Ctrl-C.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from udl.cli import main
sys.exit(main())
"""
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*arguments, program=PROGRAM, **streams):
    command = [sys.executable, "-u", "-c", program, *map(str, arguments)]
    streams.setdefault("stdout", subprocess.PIPE)
    streams.setdefault("stderr", subprocess.PIPE)
    streams.setdefault("env", ENVIRONMENT)
    return subprocess.Popen(command, encoding="utf-8", errors="replace", **streams)


def test_ctrl_c_saves_and_says_how_to_go_on(text, tmp_path):
    out = tmp_path / "my model"
    options = ["gpt", "train", text, "--out", out, "--device", "cpu", *QUICK]
    options[options.index("--steps") + 1] = "100000"
    with start(*options) as process:
        for line in process.stdout:  # a pipe gets each line at once
            if line.startswith("step"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    *_, last = err.splitlines()
    again = shlex.split(last.removeprefix("To go on: "))
    assert again == ["udl", *map(str, options), "--resume"]
    saved = gpt.load(out, "last")
    assert len(saved.history) >= 1
    with start(*again[1:]) as process:
        for line in process.stdout:
            if line.startswith("step"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert int(line.split()[1]) > 3  # not from the beginning
    assert shlex.split(err.splitlines()[-1].removeprefix("To go on: ")) == again


def test_sample_streams_and_stops(folder):
    with start("gpt", "sample", folder, "--length", "10000000", "--prompt", "to") as process:
        assert process.stdout.read(40).startswith("to")  # long before the end
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.endswith("\n")
    assert err.strip() == "Interrupted."


def test_sample_ends_with_the_one_who_reads(folder):
    with start("gpt", "sample", folder, "--length", "10000000") as process:
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) != 0
    assert "Traceback" not in err


def test_train_goes_on_when_nobody_reads(text, tmp_path):
    out = tmp_path / "model"
    options = ["gpt", "train", text, "--out", out, "--device", "cpu", *QUICK]
    options[options.index("--steps") + 1] = "60"
    with start(*options) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert err == ""
    assert len(gpt.load(out, "last").history) == 20


def test_what_the_output_cannot_show_ends_nothing(tmp_path):
    text, out = tmp_path / "text.txt", tmp_path / "model"
    text.write_text("日本語の文。\n" * 100, encoding="utf-8")
    western = ENVIRONMENT | {"PYTHONIOENCODING": "cp1252"}  # as on Windows, into a file
    options = ["gpt", "train", text, "--out", out, "--device", "cpu", *QUICK]
    with start(*options, env=western) as process:
        told, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert len(gpt.load(out, "last").history) == 2
    assert "    | " in told
    sample = ["gpt", "sample", out, "--length", "20", "--prompt", "日"]
    with start(*sample, env=western) as process:
        told, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    with start(*sample) as process:
        plain, _ = process.communicate(timeout=120)
    assert plain.startswith("日")
    assert told == plain.encode("cp1252", "backslashreplace").decode("cp1252")


def test_it_works_where_standard_error_is_closed(text, tmp_path):
    options = ["gpt", "train", text, "--out", tmp_path / "model", "--device", "cpu", *QUICK]
    closed = "exec 2>&-; exec " + shlex.join([sys.executable, "-m", "udl.cli"])
    for arguments in (options, ["data", "fetch", "wine"]):
        command = f"{closed} {shlex.join(map(str, arguments))}"
        done = subprocess.run(["sh", "-c", command], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        assert done.returncode == 0, arguments
    assert len(gpt.load(tmp_path / "model", "last").history) == 2


def test_a_terminal_gets_a_bar(text, tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    arguments = ["gpt", "train", text, "--out", tmp_path / "model", "--device", "cpu", *QUICK]
    with start(*arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while select.select([ours], [], [], 60)[0]:
                shown += os.read(ours, 4096)
        assert process.wait(timeout=60) == 0
    os.close(ours)
    shown = shown.decode()
    assert "batch" in shown
    assert "100%|" in shown
    for line in re.findall(r"[^\r\n]*step \d of 6[^\r\n]*", shown):
        assert line.removeprefix("\x1b[K").startswith("step")  # not behind a bar
    assert shown.count("step ") == 2


INTERRUPTED_AT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000): pass
            except KeyboardInterrupt:
                raise ImportError("swallowed, as some libraries do") from None
wanted = sys.argv.pop(1)
from udl.cli import main
sys.meta_path.insert(0, Finder())
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("click", ["--help"]),
        ("numpy", ["data", "list"]),
        ("torch", ["gpt", "export", ".", "x"]),
        ("torch.nn", ["gpt", "export", ".", "x"]),
    ],
)
def test_ctrl_c_while_modules_load(module, command):
    with start(module, *command, program=INTERRUPTED_AT) as process:
        out, err = process.communicate(timeout=120)
    assert (out, err) == ("", "Interrupted.\n")
    assert process.returncode == 130


def test_whoever_started_it_may_have_it_ignore_ctrl_c():
    program = PROGRAM.replace("signal.default_int_handler", "signal.SIG_IGN")
    program += "\nassert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    with start("--version", program=program.replace("sys.exit(main())", "main()")) as process:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0


def test_a_command_that_is_none_is_no_riddle(capsys):
    assert main(["gtp"]) == 2
    assert capsys.readouterr().err.endswith("Error: No such command 'gtp'. Did you mean gpt?\n")
    assert main(["gpt", "samp"]) == 2
    assert "Did you mean sample?" in capsys.readouterr().err
    assert main(["gpt", "train", "--reusme"]) == 2
    assert "--resume" in capsys.readouterr().err


BROKEN_TORCH = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise {error}
sys.meta_path.insert(0, Finder())
from udl.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("error", ["ImportError('a b')", "OSError('libgomp: no such file')"])
def test_a_torch_that_does_not_load_is_one_line(error, text, tmp_path):
    arguments = ["gpt", "train", text, "--out", tmp_path / "model"]
    with start(*arguments, program=BROKEN_TORCH.format(error=error)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("Error: PyTorch does not load, udl doctor may say why: ")
    assert len(err.splitlines()) == 1


NO_TORCH = """
import sys
sys.modules["torch"] = None
from udl.cli import main
assert main(["--help"]) == 0
sys.exit(main())
"""


def test_without_torch_it_says_what_to_install(text, tmp_path):
    arguments = ["gpt", "train", text, "--out", tmp_path / "model"]
    with start(*arguments, program=NO_TORCH) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "Error: this needs PyTorch, which is not installed: pip install torch\n"


def test_python_can_run_it_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "udl.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("udl ")
