"""Image-text matching: why a picture and each of some texts fit, or do not."""

from collections.abc import Sequence
from itertools import groupby

from torch import Tensor

from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.methods import Method
from mmx.tasks.base import Asked, Job, Result, Task, seed_of, targets_of, versions
from mmx.tasks.tokens import tokens_of
from mmx.tasks.views import Views, views_of
from mmx.types import Explanation, Explanations, Match, Prediction


class ImageTextMatching(Task):
    def load(self) -> None:
        _ = self.model.tokenizer, self.model.processor

    def check(self, asked: Asked) -> None:
        name = self.model.info.name
        given = {"a question does": asked.question is not None, "a target does": bool(targets_of(asked.target)),
                 "threshold, query and class do": asked.wanted is not None}
        for what in (what for what, is_given in given.items() if is_given):
            raise UsageError(f"{name} matches pictures and texts: {what} not fit it.", "Leave it out, and give texts.")
        if not asked.texts:
            raise UsageError("No text was given.", f'{name} matches pictures and texts: add --text "...".')
        longest = self.model.network.config.text_config.max_position_embeddings
        for text in asked.texts:
            if not text.strip():
                raise UsageError("A text is empty.", "Write one.")
            length = len(self.model.tokenizer(text)["input_ids"])
            if length > longest:
                raise UsageError(f"The text '{text}' has {length} tokens; {name} takes {longest} at most.",
                                 "Say it in fewer words.")

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """One forward of each tower for all pictures of which the same texts are asked, and every pair explained."""
        results: list[list[Result]] = []
        for (texts, starts), group in groupby(jobs, key=lambda job: (job.texts, dict(job.start_layers))):
            together, model = list(group), self.model
            views = views_of(model, model.network.config.vision_config, [job.picture.image for job in together])
            ids = model.tokenizer(list(texts), padding=True, return_tensors="pt")["input_ids"]
            scores, outputs = attribute(
                model.network, model.family, model.to_model({**views.inputs, "input_ids": ids}), methods,
                ignore_padding=True, seeds=[seed_of(job.picture.sha256) for job in together], max_memory=max_memory,
                start_layers=starts)
            logits = outputs["logits"].float().cpu()
            scale = float(outputs["scale"])
            by_pair = {name: {stream: rows.cpu().unflatten(0, (len(together), len(texts)))
                              for stream, rows in found.items()} for name, found in scores.items()}
            results += [[self._explained(job, logits[index], scale, method.name, views, index,
                                         {stream: rows[index] for stream, rows in by_pair[method.name].items()})
                         for method in methods] for index, job in enumerate(together)]
        return results

    def _explained(self, job: Job, logits: Tensor, scale: float, method: str, views: Views, index: int,
                   scores: dict[str, Tensor]) -> Explanations:
        """`logits` (texts,); `scores` by stream, (texts, tokens)."""
        predictions = [Prediction(number, text, probability) for number, (text, probability) in
                       enumerate(zip(job.texts, logits.softmax(0).tolist(), strict=True))]
        explanations = []
        for number, text in enumerate(job.texts):
            tokens, notes = tokens_of(self.model.tokenizer, text)
            logit = float(logits[number])
            explanations.append(Explanation(
                picture=job.picture, question=text, method=method, target=predictions[number],
                predictions=tuple(sorted(predictions, key=lambda one: -one.probability)),
                scores={"text": scores["text"][number, :len(tokens)].numpy(), "image": scores["image"][number].numpy()},
                tokens=tokens, regions=(), region_provider="", model=self.model.info, versions=versions(),
                notes=(*self.warnings, *notes), grid=views.grid, view_xyxy_px=views.boxes_xyxy_px[index],
                match=Match(logit / scale, logit),
                start_layers={**self.model.family.start_layers, **job.start_layers}))
        return Explanations(job.picture, method, self.model.info, tuple(explanations), versions(), self.warnings)
