"""``pbx console``: the commands of the shell without typing ``pbx``, with completion and history.

Each line is a request of its own, so the console never slows the server and outlives it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from pbx.cli import habits
from pbx.cli.client import NoServer, ask, find_socket
from pbx.errors import PbxError

OWN = {"help": "what can be typed here; help COMMAND says more", "exit": "leave", "quit": "leave"}
NOT_HERE = ("serve", "console")  # they keep a terminal for themselves
EXAMPLES = (
    ("show calls", "calls in progress; Tab after show lists the rest"),
    ("show queue support", "one queue: its day, its members, its callers"),
    ("watch agents", "a list that keeps itself up to date; q ends it"),
    ("top", "CPU by thread, loop lag, packets, loss"),
    ("call originate 1001 1002", "ring 1001, and connect who answers to 1002"),
    ("call transfer CALL 2001", "send a caller elsewhere (Tab completes the call)"),
    ("agent pause zhang --reason lunch --until 13:00", "a pause that ends by itself"),
    ("queue move support CALL sales", "send a waiting caller to another queue"),
    ("log follow --level warning", "the server's log as it is written; Ctrl-C ends it"),
    ("events --kinds queue.", "what happens, as events"),
)


class Words(Completer):
    """Completes a line by the tree of commands and by what lives in the server."""

    def __init__(self, cli: click.Group) -> None:
        self._cli = cli
        self._complete = ShellComplete(cli, {}, "pbx", "_PBX_COMPLETE")

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        words, last = split(document.text_before_cursor)
        if words[:1] == ["help"]:
            words = words[1:]
        for item in self.items(words, last):
            shown = item.help or ""
            yield Completion(str(item.value), start_position=-len(last), display_meta=shown.split("\n")[0])

    def items(self, words: Sequence[str], last: str) -> list[CompletionItem]:
        """Return what may follow *words* and begins like *last*."""
        found = self._complete.get_completions(list(words), last)
        if not words:
            found = [item for item in found if item.value not in NOT_HERE]
            found += [CompletionItem(word, help=text) for word, text in OWN.items() if word.startswith(last)]
        if not found and not last:  # nothing else is left to type: offer the options
            found = self._complete.get_completions(list(words), "--")
        return found


def split(line: str) -> tuple[list[str], str]:
    """Split a line into finished words and the one that is being typed."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that is still open
        words = line.split()
    if not line or line[-1].isspace() or not words:
        return words, ""
    return words[:-1], words[-1]


class Shell:
    """Runs lines; what they print goes where standard output goes."""

    def __init__(self, cli: click.Group) -> None:
        self._cli = cli

    def run(self, line: str) -> bool:
        """Run a line; False: leave."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            self._complain(f"{error}: a quote is not closed")
            return True
        if words[:1] == ["pbx"]:
            words = words[1:]
        if not words:
            return True
        if words[0] in ("exit", "quit", "/quit", "/exit", "bye", "..."):
            return False
        if words[0] in ("help", "?"):
            self._help(words[1:])
        elif words[0] in NOT_HERE:
            self._complain(f"{words[0]} is for the shell, not for the console")
        else:
            self._run(words)
        return True

    def _run(self, words: list[str]) -> None:
        meant = habits.translate(words)
        if isinstance(meant, str):
            click.echo(meant)
            return
        if meant is not None and meant != words:
            click.secho(f"here: {shlex.join(meant)}", dim=True)
            words = ["--help"] if meant == ["help"] else meant
        try:
            self._cli.main(args=words, prog_name="", standalone_mode=False)
        except click.ClickException as error:
            error.show()
        except click.exceptions.Exit:
            pass
        except (click.exceptions.Abort, KeyboardInterrupt):
            click.echo("")
        except SystemExit:
            pass  # a command that tells by its status
        except PbxError as error:
            self._complain(str(error))

    def _help(self, words: list[str]) -> None:
        if words:
            self._run([*words, "--help"])
            return
        click.echo("Commands (help COMMAND says more; Tab completes; Ctrl-D leaves):\n")
        context = click.Context(self._cli)
        for name in self._cli.list_commands(context):
            command = self._cli.get_command(context, name)
            if command is not None and name not in NOT_HERE:
                click.echo(f"  {name:<12} {command.get_short_help_str(90)}")
        click.echo("\nExamples:\n")
        for line, text in EXAMPLES:
            click.echo(f"  {line:<48} {text}")
        click.echo(
            "\nWhat Asterisk's and FreeSWITCH's consoles take is understood, or answered with what to type here."
        )

    @staticmethod
    def _complain(text: str) -> None:
        click.secho(text, fg="red", err=True)


def history() -> History:
    """Return the history of this user, in memory where no file can be written."""
    base = Path(os.environ.get("XDG_STATE_HOME", "") or Path.home() / ".local" / "state") / "pbx"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(base / "console-history"))


def toolbar(path: Path) -> FormattedText:
    """Return the prompt: how many calls, or that nobody is there."""
    try:
        status = ask(path, "GET", "/v1/status", timeout_s=1.0)
    except PbxError:
        return FormattedText([("ansired", "(no server) "), ("", "pbx> ")])
    draining = "draining, " if status["draining"] else ""
    return FormattedText([("ansigreen", f"({draining}{status['calls']} calls) "), ("", "pbx> ")])


@click.command()
@click.option("-c", "--config", "directory", type=click.Path(path_type=Path), default=None,
              help="The server's directory.")  # fmt: skip
def console(directory: Path | None) -> None:
    """Type commands with completion and history; it outlives restarts of the server."""
    from pbx.cli import cli

    try:
        path = find_socket(directory)
    except NoServer:
        path = Path("conf/var/pbx.sock")  # it may start later
    os.environ["PBX_SOCKET"] = str(path.absolute())
    session: PromptSession[str] = PromptSession(
        history=history(), completer=ThreadedCompleter(Words(cli)), complete_while_typing=False
    )
    shell = Shell(cli)
    click.echo(f"pbx console on {path}; help lists the commands, Ctrl-D leaves.")
    while True:
        try:
            line = session.prompt(toolbar(path))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if not shell.run(line):
            return
