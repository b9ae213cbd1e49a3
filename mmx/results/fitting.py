"""Whether what is asked can be asked of a kind of model: told without loading one."""

from mmx.errors import UsageError
from mmx.results.items import Asked

# What is said of an option that does not fit.
_OPTIONS = {"question": "a question does", "texts": "a text does", "targets": "a target does",
            "threshold": "a threshold does", "queries": "a query does", "class_name": "a class of detections does",
            "answer": "an answer does", "against": "something to compare with does", "level": "a level does",
            "score": "a score does", "max_new_tokens": "a number of tokens to write does"}


def check_fits(asked: Asked, sentence: str, takes: frozenset[str], needs: str | None, choices: str) -> None:
    """Raises UsageError where something that is asked does not fit, lacks, or makes no sense of any model.

    Args:
        sentence: "photo-vit classifies pictures"
        takes: the fields of `Asked` that can be given, beside the one that the model `needs`.
        choices: what can be given, in words.
    """
    for name, said in _OPTIONS.items():
        if getattr(asked, name) not in (None, ()) and name not in takes | {needs}:
            raise UsageError(f"{sentence}: {said} not fit it.", f"Leave it out{_instead(asked, needs, choices)}.")
    if needs == "question":
        _check_text(asked.question, "question", f'{sentence}: add `question="..."`.')
    if needs == "texts":
        if not asked.texts:
            raise UsageError("No text was given.", f'{sentence}: add `text=["..."]`.')
        for text in asked.texts:
            _check_text(text, "text", "")
    if asked.max_new_tokens is not None and asked.max_new_tokens < 1:
        raise UsageError(f"{asked.max_new_tokens} tokens cannot be written.", "Allow one or more.")
    if asked.samples is not None and asked.samples < 1:
        raise UsageError(f"{asked.samples} samples make no score.", "Take one or more.")
    if asked.threshold is not None and not 0 <= asked.threshold < 1:
        raise UsageError(f"A threshold of {asked.threshold:g} makes no sense.",
                         "It is a probability: from 0 to below 1.")


def _instead(asked: Asked, needs: str | None, choices: str) -> str:
    said = {"question": ", and ask a question", "texts": ", and give texts"}
    return said[needs] if needs and not getattr(asked, needs) else f"; {choices}"


def _check_text(text: str | None, what: str, hint: str) -> None:
    if text is None:
        raise UsageError(f"No {what} was given.", hint)
    if not text.strip():
        raise UsageError(f"{'The' if what == 'question' else 'A'} {what} is empty.", "Write one.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{'The' if what == 'question' else 'A'} {what} has bytes that are no UTF-8: "
                         f"{text[error.start:error.end]!a}.", "Write it in UTF-8.") from error
