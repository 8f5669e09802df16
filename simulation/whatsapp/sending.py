"""From a send request to a draft that fits its template, or Meta's error (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulation.whatsapp.book import Draft, SentButton
from simulation.whatsapp.faults import Refusal
from simulation.whatsapp.registry import BODY_LENGTH, QuickReply, Template, UrlButton

_UNFIT_TEXT = re.compile(r"[\n\r\t]| {5}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Text(_Part):
    type: Literal["text"]
    text: str = Field(min_length=1)


class _MediaId(_Part):
    id: str


class _Image(_Part):
    type: Literal["image"]
    image: _MediaId


class _Payload(_Part):
    type: Literal["payload"]
    payload: str = Field(min_length=1, max_length=128)


class _Header(_Part):
    type: Literal["header"]
    parameters: tuple[_Image | _Text, ...]


class _Body(_Part):
    type: Literal["body"]
    parameters: tuple[_Text, ...]


class _Button(_Part):
    type: Literal["button"]
    sub_type: Literal["url", "quick_reply"]
    index: int = Field(ge=0, le=9)
    parameters: tuple[_Text | _Payload, ...] = Field(min_length=1, max_length=1)


class _Language(_Part):
    code: str


class _TemplatePart(_Part):
    name: str
    language: _Language
    components: tuple[Annotated[_Header | _Body | _Button, Field(discriminator="type")], ...] = ()


class _Request(_Part):
    messaging_product: Literal["whatsapp"]
    recipient_type: Literal["individual"] = "individual"
    to: str = Field(pattern=r"^\+?[0-9][0-9 ()-]{6,24}$")
    biz_opaque_callback_data: str | None = Field(default=None, max_length=512)
    type: Literal["template"]
    template: _TemplatePart


def read_request(
    content: Any, templates: Sequence[Template], own_number: str, has_media: Callable[[str], bool]
) -> Draft:
    """The draft a request's JSON asks for; raises `Refusal` with the code Meta would give."""
    request = _parse(content)
    recipient = re.sub(r"\D", "", request.to)
    if recipient == own_number:
        raise Refusal(131021)
    template = _find(templates, request.template)
    components = request.template.components
    return Draft(
        to=recipient,
        given_to=request.to,
        template=template,
        parameters=_body(template, [part for part in components if isinstance(part, _Body)]),
        media_id=_header(template, [part for part in components if isinstance(part, _Header)], has_media),
        buttons=_buttons(template, {part.index: part for part in components if isinstance(part, _Button)}),
        callback=request.biz_opaque_callback_data,
    )


def _parse(content: Any) -> _Request:
    if isinstance(content, dict) and content.get("type", "text") != "template":
        raise Refusal(131051, "Only template messages are simulated")
    try:
        return _Request.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        if first["type"] == "missing":
            raise Refusal(131008, f"Parameter '{place}' is mandatory") from error
        if first["type"] == "extra_forbidden":
            raise Refusal(100, f'Unexpected key "{place}"') from error
        raise Refusal(131009, f"{place}: {first['msg']}") from error


def _find(templates: Sequence[Template], asked: _TemplatePart) -> Template:
    for template in templates:
        if (template.name, template.language) == (asked.name, asked.language.code):
            return template
    raise Refusal(132001, f"template name ({asked.name}) does not exist in {asked.language.code}")


def _body(template: Template, parts: list[_Body]) -> tuple[str, ...]:
    texts = tuple(parameter.text for part in parts for parameter in part.parameters)
    if len(texts) != template.parameter_count:
        raise Refusal(
            132000,
            f"body: number of localizable_params ({len(texts)}) does not match the expected number of params "
            f"({template.parameter_count})",
        )
    for text in texts:
        _check_text(text)
    if len(template.fill(texts)) > BODY_LENGTH:
        raise Refusal(132005)
    return texts


def _check_text(text: str) -> None:
    if _UNFIT_TEXT.search(text):
        raise Refusal(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")


def _header(template: Template, parts: list[_Header], has_media: Callable[[str], bool]) -> str | None:
    given = [parameter for part in parts for parameter in part.parameters]
    if template.header is None:
        if given:
            raise Refusal(132000, "header: number of localizable_params (1) does not match the expected (0)")
        return None
    if len(given) != 1 or not isinstance(given[0], _Image):
        received = given[0].type.upper() if given else "UNKNOWN"
        raise Refusal(132012, f"header: Format mismatch, expected IMAGE, received {received}")
    media_id = given[0].image.id
    if not has_media(media_id):
        raise Refusal(
            100,
            "Param template['components'][0]['parameters'][0]['image']['id'] is not a valid whatsapp business "
            "account media attachment ID",
        )
    return media_id


def _buttons(template: Template, given: dict[int, _Button]) -> tuple[SentButton, ...]:
    for index, part in given.items():
        if index >= len(template.buttons) or template.buttons[index].type != part.sub_type:
            raise Refusal(132012, f"buttons: Button at index {index} is not of type {part.sub_type}")
    return tuple(_button(index, button, given.get(index)) for index, button in enumerate(template.buttons))


def _button(index: int, button: UrlButton | QuickReply, part: _Button | None) -> SentButton:
    parameter = part.parameters[0] if part else None
    if isinstance(button, QuickReply):
        if parameter is None:
            return SentButton("quick_reply", button.text, button.text, button.answer)
        if not isinstance(parameter, _Payload):
            raise Refusal(131009, f"buttons: Button at index {index} takes a payload")
        return SentButton("quick_reply", button.text, parameter.payload, button.answer)
    if not button.varies:
        return SentButton("url", button.text, button.url, None)
    if not isinstance(parameter, _Text):
        raise Refusal(131008, f"buttons: Button at index {index} of type Url requires a parameter")
    _check_text(parameter.text)
    return SentButton("url", button.text, button.address(parameter.text), None)
