"""PaliGemma: all of a prompt sees all of it, pictures and question, and only an answer is read from left to right."""

from written_checks import Written, WrittenChecks


class TestPaliGemma(WrittenChecks):
    case = Written("tiny_paligemma", tower_layers=2, prompt="<image>{}", answer_types=1)


class TestPaliGemma2(WrittenChecks):
    """Its class cannot mix by SDPA, since scores of attention are capped."""

    case = Written("tiny_paligemma_2", tower_layers=2, prompt="<image>{}", answer_types=1)
