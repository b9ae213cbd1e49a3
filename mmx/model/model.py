"""A loaded checkpoint that explains: pictures and what is asked of them in, explanations out, in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack, overload

from torch import Tensor

import mmx.show  # noqa: F401 - what draws results makes itself known to them
from mmx.arrays import Float, Shaped
from mmx.asking.scoring import Compared
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.images import Source, open_picture
from mmx.methods import get_method, with_samples
from mmx.model.batching import Group, Job
from mmx.model.calls import AnySource, Images, Names, Options, Pairs, Questions, Several, asked_of
from mmx.model.loaded import Loaded
from mmx.perturbation.encoded import Perturbation, perturb
from mmx.perturbation.removal import Removal
from mmx.results import Asked, Explanation, starts_by_stream
from mmx.wiring import Inputs


class Model(Loaded):
    """A checkpoint with its family and what else it needs; what `mmx.load` returns."""

    def attribute(self, inputs: Inputs, method: str = "relevance", target: object = None, *,
                  against: int | Sequence[int | None] | None = None, start_layer: int | None = None,
                  start_layer_text: int | None = None, level: str | None = None, score: str | None = None,
                  samples: int | None = None) -> dict[str, Float[Tensor, "rows _tokens"]]:
        """Raw scores for encoded inputs, {"text": (rows, tokens), "image": (rows, regions)}, finite and unscaled.

        Args:
            inputs: what the Hugging Face model's forward takes, batched, as `encode` gives it; floating ones are cast
                to its dtype.
            method: name or alias, see `mmx methods`.
            target: index of the answer or class to explain; None is the predicted one. A list gives one row for each:
                one per sample, or, for a batch of one, any number. Of a detector, (query, class or None) in the place
                of an index; of two towers, (image, text), by default every pair. Padding in `inputs` counts as the
                reference counts it. Or a function of the outputs, {"logits": ..., ...}, that gives each sample one
                score, in the graph; where it must be known which row explains it, (function, target).
            against: index of the class or text, or number of the token, whose score is taken from the target's; or one
                for each sample.
            start_layer, start_layer_text: where the family allows it: the first layer of the image tower and of the
                text tower that is read; -1 is the last one alone, which is the default for CLIP, and 0 reads all.
            level: of a language model that is shown pictures, where their scores are read: at its image "tokens"; at
                the patches of its vision "tower", to which they are carried back; or so by N(R), "tower-normalized".
            score: what of a class, text or token is differentiated: its "logit" (the default), the "probability" that
                it becomes in a softmax or a sigmoid, the logarithm "logprob" of that, or of towers the "similarity".
                Several tokens are explained by the sum of their log-probabilities, or by their probability.
            samples: see `explain`.

        Raises:
            UsageError: there is no such method, target, score or layer.
            CaptureError: the method cannot run on this model.
        """
        compared = target if against is None else Compared(target, against)
        methods = with_samples([get_method(method)], samples)
        found = attribute(self.described.at(level, score), self.to_model(inputs), methods, compared,
                          start_layers=starts_by_stream(start_layer, start_layer_text))
        return next(iter(found.scores.values()))

    def encode(self, image: AnySource | Several[AnySource], question: str | None = None,
               text: str | Sequence[str] = ()) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """What `attribute` takes, for pictures with one question or some texts.

        Raises:
            UsageError: what is asked does not fit the model, or the pictures are of several sizes for it.
        """
        asked = self.settled(replace(asked_of(text=text), question=question))
        self.asking.check(asked)
        pictures = [open_picture(source) for (source,), _ in Pairs.of(image).pairs]
        prepared = self.parts.pictures.prepare(pictures)
        if len({one.size for one in prepared}) > 1:
            raise UsageError("The pictures are of several sizes for this model.", "Encode them one by one.")
        return Group(self.parts, [Job(picture, asked) for picture in pictures], prepared).inputs

    def perturb(self, inputs: Inputs, scores: Mapping[str, Float[Tensor, "samples _tokens"]], *, modality: str,
                sign: str, protocol: str = "iccv21", steps: Sequence[float] | None = None,
                seed: int = 0) -> Perturbation:
        """What the model says of encoded inputs as their words, regions or patches are removed, step by step.

        Args:
            inputs: what the Hugging Face model's forward takes, batched.
            scores: what `attribute` returns for them, one row per sample.
            modality: what is removed, "image" (regions or patches) or "text" (words).
            sign: "positive" removes the most relevant first, "negative" the least relevant.
            protocol: "iccv21" is the reference's, "clean" one that mends it; see `mmx.perturbation.protocol`.
            steps: other shares to remove than the protocol's.
            seed: of the random order that "clean" draws among equal scores.

        Raises:
            UsageError: there is no such modality, sign or protocol, or the scores are of other inputs.
        """
        removal = Removal(self.network, self.family)
        return perturb(removal, self.to_model(inputs), scores, modality=modality, sign=sign, protocol=protocol,
                       steps=steps, seed=seed)

    @overload
    def explain(self, image: Source, question: str | None = None, *, method: str = "relevance",
                **asked: Unpack[Options]) -> Explanation: ...

    @overload
    def explain(self, image: Source, question: Several[str], *, method: str = "relevance",
                **asked: Unpack[Options]) -> list[Explanation]: ...

    @overload
    def explain(self, image: Several[AnySource], question: Questions = None, *, method: str = "relevance",
                **asked: Unpack[Options]) -> list[Explanation]: ...

    def explain(self, image: Images, question: Questions = None, *, method: str = "relevance",
                max_memory: int | None = None, together: bool = False, **asked: Any) -> Explanation | list[Explanation]:
        """Why the model answers `question` about `image` as it does, or what it finds or sees there.

        Args:
            image: a picture: a file's path or its content in bytes, a PIL image, or an array of uint8, (height, width,
                3) or (height, width). Of a list of them, which run as one batch, each has a result.
            question: of a model that answers questions; of a list of them each has a result. Beside a list of as many
                pictures, each question is about the picture in its place.
            target: of a model that answers or classifies: the answers or classes to explain, by text or index; None is
                the predicted one. Of one that matches texts: those of them that are explained, by default all.
                Of one that writes its answer: words of it, their numbers, or "all" for the whole; by default each.
                Or a function of the outputs, {"logits": ..., ...}, that gives each sample one score, in the graph:
                beside `query`, or as (function, text) or (function, word), where one of several is read.
            answer: of a model that writes its answers: the one that is explained, in the place of its own.
            against: what speaks for the target, and not for this class or text: explained is the difference of their
                scores, of a detection at the same query. Of a model that writes: for its answer, or for `answer`, and
                not for this one, by the first token in which they differ.
            level, score: see `attribute`.
            max_new_tokens: how many tokens such a model may write (default 32).
            samples: how often a method runs the model again that can choose: steps of integrated-gradients (32), noisy
                embeddings of smoothgrad (32), masks of rise (500).
            together: show all pictures to it in one prompt, and have one result for each question.
            text: of a model that matches pictures and texts: the texts.
            threshold: of a model that finds objects: detections surer than this are explained (default 0.5, or
                0.1 of what texts name).
            query: these object queries instead, however sure they are.
            class_name: detections of this class only; with `query`, what speaks for it there.
            start_layer, start_layer_text: see `attribute`.
            max_memory: bytes that may be taken beside the model: pictures and targets go through in turns to fit.

        Raises:
            UsageError: something that is asked makes no sense of this model, or there is no such method.
            ImageError: a picture cannot be read.
            CaptureError: the method cannot run on this model.

        Example:
            >>> model = mmx.load("shapes-lxmert")
            >>> explanation = model.explain("sample_inputs/scene-5029.png", "what color is the circle?")
            >>> [item] = explanation
            >>> print(f"{item.label}: {item.score:.2f} ({item.unit})")
            yellow: 1.00 (softmax)
            >>> {stream: scores.shape for stream, scores in item.scores.items()}
            {'text': (8,), 'image': (5,)}
        """
        about = Pairs.of(image, question, together)
        found = [one for [one] in self._explained(about, [get_method(method).name], asked_of(**asked), max_memory)]
        return found if about.several else found[0]

    @overload
    def explain_methods(self, image: Source, question: str | None = None, methods: Names = ("relevance",),
                        **asked: Unpack[Options]) -> list[Explanation]: ...

    @overload
    def explain_methods(self, image: Source, question: Several[str], methods: Names = ("relevance",),
                        **asked: Unpack[Options]) -> list[list[Explanation]]: ...

    @overload
    def explain_methods(self, image: Several[AnySource], question: Questions = None, methods: Names = ("relevance",),
                        **asked: Unpack[Options]) -> list[list[Explanation]]: ...

    def explain_methods(self, image: Images, question: Questions = None, methods: Names = ("relevance",), *,
                        max_memory: int | None = None, together: bool = False,
                        **asked: Any) -> list[Explanation] | list[list[Explanation]]:
        """The same by several methods, out of one run of the model: a list of them, or one for each result.

        Of methods that "paper", "fast" or "all" stand for, those that have sense of their own on this model.
        A method that cannot run on this model leaves the others alone: their `left_out` says why.

        Raises:
            UsageError: as `explain`, or a method says nothing of its own about this model.
            CaptureError: none of the methods can run on this model.

        Example:
            >>> model = mmx.load("shapes-vit")
            >>> found = model.explain_methods("sample_inputs/scene-5029.png", methods=["relevance", "rollout"])
            >>> [explanation.method for explanation in found]
            ['relevance', 'rollout']
            >>> mmx.side_by_side(found).to_image().mode
            'RGB'
        """
        about = Pairs.of(image, question, together)
        found = self._explained(about, methods, asked_of(**asked), max_memory)
        return found if about.several else found[0]

    def _explained(self, about: Pairs, methods: Sequence[str], asked: Asked,
                   max_memory: int | None) -> list[list[Explanation]]:
        for question in dict.fromkeys(question for _, question in about.pairs):
            self.check(replace(asked, question=question))
        chosen = self.fitting_methods(methods)[0]
        opened = {id(one): open_picture(one) for one in {id(one): one for several, _ in about.pairs
                                                         for one in several}.values()}
        jobs = [Job(opened[id(first)], replace(asked, question=question), tuple(opened[id(one)] for one in others))
                for (first, *others), question in about.pairs]
        return self.explain_batch(jobs, chosen, max_memory=max_memory)
