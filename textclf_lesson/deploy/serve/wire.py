"""What goes over the wire: limits, the request, the answers, and the sentence for a request that is refused."""

import codecs
import json
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from textclf_lesson.base.errors import Refusal

MAX_BODY = 1_000_000  # bytes
MAX_CHARACTERS = 10_000  # in a text; the model may read less, and the answer says so
MAX_TEXTS = 100  # in a request
EXAMPLE = "A warm, funny film that earns its tears."
SHAPE = 'Send JSON: {"text": "…"} or {"texts": ["…", "…"]}.'
GZIP = b"\x1f\x8b"


def _not_blank(text: str) -> str:
    if text.isspace():
        raise PydanticCustomError("blank", "the text is blank: there is nothing to classify")
    return text


Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS, json_schema_extra={"pattern": r"[^\s\x1c-\x1f\x85]"}),
    AfterValidator(_not_blank),
]


class Question(BaseModel):
    """One text, or several."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
            "examples": [{"text": EXAMPLE}, {"texts": [EXAMPLE, "Two hours of my life, gone."]}],
        },
    )
    # What is not sent is None, but null may not be sent: so the default does not stand in the schema.
    text: Text = Field(default_factory=lambda: None, description="One text: the answer is one result.")
    texts: list[Text] = Field(
        default_factory=lambda: None, min_length=1, max_length=MAX_TEXTS, description="The answer is a list of results."
    )
    _repaired: frozenset[int] = PrivateAttr(default=frozenset())

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("either", 'send either "text" or "texts"')
        return self

    @property
    def all_texts(self) -> list[str]:
        """The text, or the texts."""
        return [self.text] if self.texts is None else self.texts

    @property
    def repaired(self) -> list[bool]:
        """Of each text whether it held half of a surrogate pair, which is now a question mark."""
        return [at in self._repaired for at in range(len(self.all_texts))]

    @classmethod
    def read(cls, body: bytes, media_type: str = "") -> Self:
        """From the body of a request and its Content-Type.

        A byte order mark is skipped. Half of a surrogate pair, left where a text was split inside an emoji, becomes
        "?", as in every classifier of this course.

        Raises Refusal with the first thing wrong: 415 for a body that is compressed, in another encoding than UTF-8, or
        in another format than JSON; 422 for JSON that asks nothing.
        """
        kind, _, charset = media_type.lower().partition("charset=")
        _check_encoding(body, charset.partition(";")[0].strip(" \"'"))
        body = body.removeprefix(codecs.BOM_UTF8)
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            if (mended := _without_halves(body)) is not None:
                question = cls.read(json.dumps(mended, ensure_ascii=False).encode("utf-8", "replace"))
                texts = [mended["text"]] if question.texts is None else mended["texts"]
                question._repaired = frozenset(at for at, text in enumerate(texts) if _has_half(text))
                return question
            if _is_other_format(kind := kind.partition(";")[0].strip()):
                raise Refusal(415, f"The body is {kind[:60]}, not JSON. {SHAPE}")
        place = ".".join(map(str, first["loc"])) or "The request"
        raise Refusal(422, f"{place}: {first['msg']}. {SHAPE}")


def _check_encoding(body: bytes, charset: str) -> None:
    if body.startswith(GZIP):
        raise Refusal(415, f"The body is compressed: send it as it is. {SHAPE}", {"Accept-Encoding": "identity"})
    is_ascii = body.isascii() and b"\0" not in body  # the same in nearly all encodings
    if charset and charset not in ("utf-8", "utf8", "us-ascii") and not is_ascii:
        raise Refusal(415, f"The body is in {charset[:60]}: send it in UTF-8. {SHAPE}")
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refusal(415, f"The body is in UTF-16: send it in UTF-8. {SHAPE}")


def _is_other_format(kind: str) -> bool:
    """Whether this media type announces something else than JSON. `curl -d` calls all it sends a form."""
    return bool(kind) and kind != "application/x-www-form-urlencoded" and not kind.endswith(("/json", "+json"))


def _has_half(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _without_halves(body: bytes) -> Any:
    """The JSON of the body as Python reads it, if it holds half of a surrogate pair and nothing else is wrong; or None.

    pydantic's parser refuses such JSON as a whole, Python's takes it.
    """
    try:
        content = json.loads(body.decode("utf-8"))
        return content if _has_half(json.dumps(content, ensure_ascii=False)) else None
    except (ValueError, RecursionError):
        return None


class Result(BaseModel):
    """What stands beside the prediction for a text."""

    truncated: bool = Field(description="Whether the text is longer than the model reads: its end was not read.")
    repaired: bool = Field(description="Whether the text held half of a character, which was read as a question mark.")


class Label(Result):
    """The result for a text, of a model that gives each one label."""

    label: str
    confidence: float = Field(ge=0, le=1, description="The score of the label.")
    scores: dict[str, float] = Field(description="The probability of every label; together 1.")


class Labels(Result):
    """The result for a text, of a model that gives each any number of labels."""

    labels: list[str] = Field(description="Those whose score reaches their threshold; perhaps none.")
    scores: dict[str, float] = Field(description="The probability of every label, each by itself.")


class Source(BaseModel):
    """Which model gave an answer."""

    model: str = Field(description="The name of the model.")
    version: str = Field(pattern="^[0-9a-f]{12}$", description="The first 12 hex digits of its weights' SHA-256.")


class Problem(BaseModel):
    """Why there is no result."""

    detail: str


def answers(result: type[BaseModel]) -> type[BaseModel]:
    """The answer to one text, or to several: their results, in order."""
    one = create_model("Answer", __base__=(result, Source), __doc__="The result for the text, and the model's name.")
    many = create_model(
        "Answers", __base__=Source, __doc__="A result for each text, in their order.", results=(list[result], ...)
    )
    return one | many
