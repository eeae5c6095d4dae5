"""``scrapy omocaptcha`` itself: its help, and what becomes of the log and of the streams."""

import argparse
import re
import shlex

import pytest
from scrapy.settings import Settings

from scrapy_omocaptcha.commands.omocaptcha import OmoCaptchaCommand

SUBCOMMANDS = ("detect", "report", "check", "simulate")


@pytest.fixture
def command():
    command = OmoCaptchaCommand()
    command.settings = Settings({"LOG_LEVEL": "DEBUG", "LOG_STDOUT": True, "LOG_FILE": "theirs.log"})
    return command


@pytest.fixture
def parse(command):
    """``parse(["detect", …])`` → the options, after the command has looked at them too."""
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)

    def parse(arguments):
        options, unknown = parser.parse_known_args(arguments)
        command.process_options(unknown, options)
        return options

    return parse


def examples(printed):
    """Return the arguments of each ``scrapy omocaptcha`` in the examples of a help."""
    *_, after = printed.partition("\nExamples")
    lines = [line.strip() for line in after.splitlines() if line.startswith("  ")]
    commands = [part.strip() for line in lines for part in re.split(r"[|]", line)]
    return [shlex.split(it) for it in commands if it.startswith("scrapy omocaptcha ")]


@pytest.mark.parametrize("columns", ["1", "200"])
@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_help_has_examples_that_can_be_typed_and_the_exit_status(parse, capsys, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(SystemExit) as exit:
        parse([name, "--help"])
    assert exit.value.code == 0
    printed = capsys.readouterr().out
    shown = examples(printed)
    assert len(shown) >= 2
    for _, _, *arguments in shown:
        assert parse(arguments).subcommand == arguments[0]
    assert name in [subcommand for _, _, subcommand, *_ in shown]
    assert "Exit status: 0" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("options", "level", "file"),
    [
        ([], "CRITICAL", None),
        (["-L", "INFO"], "INFO", None),
        (["-s", "LOG_LEVEL=INFO"], "INFO", None),
        (["--logfile", "mine.log"], "DEBUG", "mine.log"),
        (["--logfile", "mine.log", "-L", "ERROR"], "ERROR", "mine.log"),
    ],
)
def test_the_log_of_the_project_is_left_alone_unless_options_turn_it_on_again(command, parse, options, level, file):
    parse(["check", *options])
    assert [command.settings[name] for name in ("LOG_LEVEL", "LOG_FILE", "LOG_STDOUT")] == [level, file, False]


def test_ctrl_c_ends_a_command_as_it_ends_others(command):
    def interrupted(command, options):
        raise KeyboardInterrupt

    command.run([], argparse.Namespace(run=interrupted))
    assert command.exitcode == 130
