"""What is handed from stage to stage and to users: frozen, plain data, raw numbers. Results know nothing of drawing.

An `Explanation` is one model, its picture or pictures, one method and one thing asked, with any number of items. An
item is one explained target: an answer, a class, a text or a detection. What token i of a stream is in the world
stands in its elements: words, patches, regions.
"""

from mmx.results.documents import json_bytes
from mmx.results.elements import Block, Box, Element, Elements, Patches, Region, Regions, Token, Words, evened
from mmx.results.explanation import Explanation
from mmx.results.fitting import check_fits
from mmx.results.items import (
    DEFAULT_THRESHOLD,
    Asked,
    Function,
    Item,
    ModelInfo,
    Picture,
    Prediction,
    Unit,
    starts_by_stream,
)
from mmx.results.naming import file_stem, picture_name, plain_name, stem_of
from mmx.results.subject import Subject, changed_in_revision, revision_with
from mmx.results.words import WordSpan, words_in
from mmx.schema import SCHEMA_VERSION

__all__ = ["DEFAULT_THRESHOLD", "SCHEMA_VERSION", "Asked", "Block", "Box", "Element", "Elements", "Explanation",
           "Function", "Item", "ModelInfo", "Patches", "Picture", "Prediction", "Region", "Regions", "Subject",
           "Token", "Unit", "WordSpan", "Words", "changed_in_revision", "check_fits", "evened", "file_stem",
           "json_bytes", "picture_name", "plain_name", "revision_with", "starts_by_stream", "stem_of", "words_in"]
