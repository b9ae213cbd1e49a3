"""A whole HTML document that can be mailed: everything inside it, no script, light and dark, printable."""

from collections.abc import Sequence

from mmx.render.comparison import Drawn, comparison_html
from mmx.render.detection_words import counted
from mmx.render.markup import small, text
from mmx.render.panel import answer_lines
from mmx.types import Detections, Explanation

# Nothing may be fetched or run, whatever stands in a text.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark }
body { margin: 0 auto; max-width: 1120px; padding: 24px; background: #fff; color: #111827 }
footer { margin-top: 2em; padding-top: .8em; border-top: 1px solid #8886;
         font: 16px/1.6 system-ui, sans-serif }
@media (prefers-color-scheme: dark) { body { background: #12161d; color: #e8eaee } }
@media print { :root { color-scheme: light } body { padding: 0; background: #fff; color: #000 } }
"""


def html_page(results: Sequence[Drawn]) -> str:
    """One picture by one method or several."""
    first = results[0]
    body = first._repr_html_() if len(results) == 1 else comparison_html(results)
    made = [f"{first.model.name} {first.model.revision}", _listed(first.versions)]
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{text(_title(first))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
            f"<footer>{small(made)}</footer>\n</body>\n</html>\n")


def _title(first: Drawn) -> str:
    if isinstance(first, Explanation):
        return f"{first.question} {answer_lines(first)[0]}"
    if isinstance(first, Detections):
        return counted(first)
    return ", ".join(one.question or one.target.label for one in first)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
