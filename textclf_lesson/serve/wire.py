"""What goes over the wire: limits, the request, the answers, and what is said of a request that is refused."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MAX_BODY = 1_000_000  # bytes
MAX_CHARACTERS = 10_000  # in a text; the model reads far less and cuts the rest off
MAX_TEXTS = 100  # in a request
EXAMPLE = "A warm, funny film that earns its tears."


class Refusal(Exception):
    """A request that is not answered: the HTTP status, a sentence for the sender, and headers."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.sentence, self.headers = status, sentence, headers
        super().__init__(sentence)


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

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("either", 'send either "text" or "texts"')
        return self

    @classmethod
    def read(cls, body: bytes) -> Self:
        """From the body of a request. Raises Refusal (422) if it is no such JSON, with the first thing wrong."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "The request"
            shape = 'Send JSON: {"text": "…"} or {"texts": ["…", "…"]}.'
            raise Refusal(422, f"{place}: {first['msg']}. {shape}") from None


class Label(BaseModel):
    """The result for a text, of a model that gives each one label."""

    label: str
    confidence: float = Field(ge=0, le=1, description="The score of the label.")
    scores: dict[str, float] = Field(description="The probability of every label; together 1.")


class Labels(BaseModel):
    """The result for a text, of a model that gives each any number of labels."""

    labels: list[str] = Field(description="Those whose score reaches their threshold; perhaps none.")
    scores: dict[str, float] = Field(description="The probability of every label, each by itself.")


class Problem(BaseModel):
    """Why there is no result."""

    detail: str


def answers(result: type[BaseModel]) -> type[BaseModel]:
    """The answer to several texts: their results, in order."""

    class Results(BaseModel):
        """A result for each text, in their order."""

        results: list[result]

    return Results
