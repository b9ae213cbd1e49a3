"""What a reader of `mmx explain` sees on the terminal, or gets as JSON."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from mmx.cli.output import print_error, print_json, print_note, stdout_console
from mmx.errors import MmxError
from mmx.explainer import Job
from mmx.types import SCHEMA_VERSION, Explanation

_SHOWN = 3


class BatchReport:
    """Collects what became of each request; prints it as it comes, or as one JSON document at the end."""

    def __init__(self, *, as_json: bool, quiet: bool, many: bool) -> None:
        self.quiet, self.many = quiet, many
        self.failures: list[dict[str, str]] = []
        self._as_json = as_json
        self._documents: list[dict] = []
        self._console = stdout_console()

    def add(self, job: Job, explanations: Sequence[Explanation], files: Sequence[tuple[Path, Path]],
            said_before: Sequence[str] = ()) -> None:
        job_notes = [note for note in explanations[0].notes if note not in said_before]
        if self._as_json:
            self._documents += [{**one.to_dict(), "files": [str(path) for path in paths]}
                                for one, paths in zip(explanations, files, strict=True)]
        elif self.many:
            self._print_lines(explanations, files)
        else:
            self._print_block(explanations, files)
        if not self.quiet:
            for note in dict.fromkeys((*job.picture.notes, *job_notes)):
                print_note(f"{job.picture.source}: {note}")

    def fail(self, image: str, question: str, error: MmxError) -> None:
        self.failures.append({"image": image, "question": question, "error": str(error)})
        named = image in error.message
        print_error(error if named else MmxError(f"{image}: {error.message}", error.hint))

    def close(self) -> None:
        if self._as_json:
            print_json({"schema_version": SCHEMA_VERSION, "explanations": self._documents,
                        "failures": self.failures})

    def _print_block(self, explanations: Sequence[Explanation], files: Sequence[tuple[Path, Path]]) -> None:
        first = explanations[0]
        say = self._console.print
        say(f"[bold]{escape(first.question)}[/bold]")
        best, *others = first.predictions
        then = ", ".join(f"{escape(one.label)} {_percent(one.probability)}" for one in others)
        rest = f"  then {then}" if then else ""
        say(f"Answer     [bold]{escape(best.label)}[/bold] {_percent(best.probability)}{rest}")
        if first.target.index != best.index:
            say(f"Explained  [bold]{escape(first.target.label)}[/bold] {_percent(first.target.probability)}")
        table = Table("method", "words that mattered most", "regions that mattered most", box=None,
                      padding=(0, 3, 0, 0), header_style="dim")
        for one in explanations:
            table.add_row(one.method, escape(_top_words(one)), escape(_top_regions(one)))
        say(table)
        for paths in files:
            say(f"Wrote      {escape(str(paths[0]))}  {escape(str(paths[1]))}", soft_wrap=True)

    def _print_lines(self, explanations: Sequence[Explanation], files: Sequence[tuple[Path, Path]]) -> None:
        first = explanations[0]
        for one, paths in zip(explanations, files, strict=True):
            self._console.print(
                f"{escape(first.picture.source)}  {escape(first.question)}  [bold]{escape(one.target.label)}[/bold] "
                f"{_percent(one.target.probability)}  {escape(str(paths[0]))}", soft_wrap=True)


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _top_words(explanation: Explanation) -> str:
    from mmx.render.tokens import scored_words

    words = scored_words(explanation.question, explanation.tokens, explanation.scores["text"])
    best = sorted(words, key=lambda word: word.score, reverse=True)
    return ", ".join(f"{word.text} {word.score:.2g}" for word in best[:_SHOWN])


def _top_regions(explanation: Explanation) -> str:
    scores = explanation.scores["image"]
    best = sorted(range(len(scores)), key=lambda index: scores[index], reverse=True)[:_SHOWN]
    return ", ".join(f"{explanation.regions[i].label or f'region {i + 1}'} {scores[i]:.2g}" for i in best)
