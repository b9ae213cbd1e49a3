"""What became of each request: printed as it comes, or as one JSON document at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from mmx.cli.errors import as_told
from mmx.cli.layout import Rows, print_block, print_shares
from mmx.cli.output import print_error, print_json, print_note, print_result
from mmx.cli.requests import Request
from mmx.cli.results import Files
from mmx.errors import MmxError, shown_path
from mmx.methods import left_out_notes
from mmx.results import SCHEMA_VERSION, Explanation
from mmx.show.lettering import without_a_font
from mmx.studies.world import World


class BatchReport:
    """Results on stdout, failures and notes on stderr.

    Of several processes that share the requests, each tells its own as they come; the leading one tells the whole.
    """

    def __init__(self, *, as_json: bool, quiet: bool, leads: bool = True) -> None:
        self.quiet, self._leads = quiet, leads
        self.failures: list[dict[str, str | None]] = []
        self._as_json = as_json
        self._documents: list[dict[str, Any]] = []
        self._skipped: list[dict[str, Any]] = []
        self._explained = self._files = 0
        self._rows: Rows | None = None
        self._of_one_text: list[tuple[float, str]] = []
        self._said: set[str] = set()

    def expect(self, requests: Sequence[Request], methods: Sequence[str]) -> None:
        """One is told in full, many in a row each."""
        self._rows = Rows(requests, methods) if len(requests) > 1 else None

    def add(self, explanations: Sequence[Explanation], files: Sequence[Files], sheet: Path | None, page: Path | None,
            said_before: Sequence[str] = ()) -> None:
        self._explained += 1
        self._files += sum(map(len, files)) + (sheet is not None) + (page is not None)
        if self._as_json:
            self._documents += [{**one.to_dict(), "files": [str(path) for path in paths],
                                 "sheet": None if sheet is None else str(sheet),
                                 "html": None if page is None else str(page)}
                                for one, paths in zip(explanations, files, strict=True)]
        elif self._rows is None:
            print_block(explanations, files, sheet, page)
        else:
            self._rows.print(explanations)
            first = explanations[0]
            if len(first.asked.texts) == 1 and first[0].unit == "similarity":
                self._of_one_text.append((first[0].also["logit"], shown_path(first.picture.source)))
        self._print_notes(explanations[0], said_before, drawn=any(len(paths) > 1 for paths in files))

    def skip(self, request: Request, files: Sequence[Files]) -> None:
        """It was explained by an earlier run."""
        self._skipped.append({"image": request.image, "question": request.question,
                              "files": [str(path) for paths in files for path in paths]})

    def fail(self, request: Request, error: Exception) -> None:
        told, name = as_told(error), shown_path(request.image)
        message = told.message if name in told.message or not request.image else f"{name}: {told.message}"
        told = MmxError(f"{request.row}: {message}" if request.row else message, told.hint)
        self.failures.append({"image": request.image, "question": request.question, "error": str(told)})
        print_error(told, error)

    def gather(self, world: World, requests: Sequence[Request]) -> None:
        """What every process has, in the order of the requests. Waits until all are done."""
        if world.size == 1:
            return
        places = {(one.image, one.question): place for place, one in reversed([*enumerate(requests)])}
        parts: list[Any] = world.gathered((self._documents, self._skipped, self.failures, self._of_one_text,
                                (self._explained, self._files)))
        documents, skipped, failures, shares = ([one for part in parts for one in part[at]] for at in range(4))
        self._documents = sorted(documents, key=lambda one: places.get(
            (one["images"][0]["source"], one["question"]), len(places)))
        self._skipped, self.failures = (sorted(several, key=lambda one: places.get(
            (one["image"], one["question"]), len(places))) for several in (skipped, failures))
        self._of_one_text = shares
        self._explained, self._files = (sum(part[4][at] for part in parts) for at in range(2))

    def stop(self, error: Exception) -> int:
        """Nothing can be explained at all: whoever reads JSON learns why there too. The exit code for it."""
        told = as_told(error)
        if self._as_json and self._leads:
            self.failures.append({"image": None, "question": None, "error": str(told)})
            self._print_document()
        print_error(told, error)
        return told.exit_code

    def close(self, out: Path) -> None:
        if not self._leads:
            return
        if self._as_json:
            self._print_document()
        elif self._rows is not None or self._skipped:
            if len(self._of_one_text) > 1 and not self._skipped:
                print_shares(self._of_one_text)
            counts = ((self._explained, "explained"), (len(self._skipped), "there already"),
                      (len(self.failures), "failed"))
            told = ", ".join(f"{count} {what}" for count, what in counts if count)
            written = f"{self._files} files written to" if self._files else "nothing new in"
            print_result(Text(f"{told}; {written} {shown_path(out)}"))

    def _print_document(self) -> None:
        print_json({"schema_version": SCHEMA_VERSION, "explanations": self._documents,
                    "failures": self.failures, "skipped": self._skipped})

    def _print_notes(self, one: Explanation, said_before: Sequence[str], drawn: bool) -> None:
        """What is true of a question is said once, however many pictures it is asked about."""
        of_items = [note for item in one for note in item.notes]
        about_figures = without_a_font(one.texts) if drawn else []
        about_question = [note for note in dict.fromkeys((*left_out_notes(one.left_out), *one.notes, *of_items,
                                                          *about_figures)) if note not in {*said_before, *self._said}]
        self._said.update(about_question)
        about_picture = [f"{shown_path(one.picture.source)}: {note}" for note in one.picture.notes]
        told = (*about_picture, *(about_question if self._leads else []))
        for note in [] if self.quiet else dict.fromkeys(told):
            print_note(note)
