"""Settings of the engines that ask a server with OpenAI's HTTP interface. A part of `config.engines`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from kespeechchat.config.base import RUNTIME
from kespeechchat.config.engine_base import EngineSettings, SupportedManners
from kespeechchat.config.speaker_engines import SpeakerSettings
from kespeechchat.records import Gender, Language


class ServerSettings(EngineSettings):
    """A server, and how patiently it is asked. The server holds the model, so no setting names a file of it."""

    parallel_calls: ClassVar[bool] = True
    model_settings: ClassVar[tuple[str, ...]] = ()
    url: Annotated[str, RUNTIME] = Field(
        pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$",
        description="with the version part, e.g. http://HOST:8000/v1; no key in it",
    )
    model: str
    extra: dict[str, Any] = Field({}, description="further fields of every request")
    key_variable: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), RUNTIME] = None
    concurrency: Annotated[int, Field(ge=1, description="requests under way at once, per actor"), RUNTIME] = 32
    timeout: Annotated[float, Field(gt=0, description="seconds that one try may take"), RUNTIME] = 120.0
    retries: Annotated[int, Field(ge=0, description="tries after the first, on 429, 5xx, time-out"), RUNTIME] = 5
    backoff: Annotated[float, Field(gt=0, description="seconds before the first retry; doubles"), RUNTIME] = 1.0


class OpenAISettings(ServerSettings):
    """Any server with OpenAI's HTTP interface: `vllm serve`, llama.cpp's, a hosted one.

    `model` is the server's own name of it, so name it with its revision where the server lets you: what the server
    swaps unseen makes no shard stale. `chat: false` sends few-shot text to `/completions`, for base models. The key is
    read from the environment variable that `key_variable` names; no profile, record, log or error contains it.
    """

    capability: ClassVar[str] = "llm"
    use: Literal["openai"]
    chat: bool = Field(True, description="false: few-shot text for a base model")
    extra: dict[str, Any] = Field({}, description="further fields of every request body, e.g. chat_template_kwargs")


class OpenAISpeechSettings(ServerSettings):
    """Any server with OpenAI's `/audio/speech`: vLLM-Omni, SGLang-Omni, Kokoro-FastAPI, a hosted one.

    A voice is one of the server's own, by name (`voices`; its embedding float32 [N] has a weight for each name), or a
    recording that goes along with each request (`reference`), which is the voice's own prompt. See docs/servers.md. The
    key is read from the environment variable that `key_variable` names; no profile, record, log or error contains it.
    """

    capability: ClassVar[str] = "tts"
    speeds: ClassVar[tuple[float, float]] = (0.25, 4.0)  # OpenAI's interface takes no others
    use: Literal["openai"]
    sample_rate: int = Field(
        ge=8000, le=192_000, description="Hz that the server answers with; another stops the build"
    )
    voices: dict[Language, dict[Gender, tuple[str, ...]]] = Field(
        {}, description="the server's own voices, by language and gender"
    )
    sums: bool = Field(False, description="the server takes sums of voices, `a(0.4)+b(0.6)`, as Kokoro-FastAPI does")
    reference: Literal["ref_audio", "references"] | None = Field(
        None, description="the field in which the server takes a recording of the speaker; null: it takes none"
    )
    response_format: Literal["wav", "flac", "pcm", "mp3", "opus"] = "wav"
    seeded: bool = Field(False, description="the server takes `seed`, and another one gives other speech")
    instructions: Annotated[bool, RUNTIME] = Field(
        False, description="the server takes `instructions`, a text that says how to speak"
    )
    by_language: dict[Language, dict[str, Any]] = Field(
        {}, description="further fields of the requests of a language, e.g. {zh: {language: Chinese}}"
    )
    concurrency: Annotated[int, Field(ge=1, description="requests under way at once, per actor"), RUNTIME] = 16

    @property
    def prompted(self) -> bool:
        """Whether it speaks from a recording of the speaker."""
        return self.reference is not None

    def manners(self, languages: Sequence[Language]) -> SupportedManners:
        """At other speeds, and as a text tells it where the server takes one; what the profile sends with every request
        of a language leaves no choice."""
        sent = {*self.extra, *(name for language in languages for name in self.by_language.get(language, ()))}
        remove = (
            "{} is in extra or by_language, and goes with every request in a language of the manner: remove it there, "
            "or remove {}"
        )
        set_it = "set instructions: true of this engine, if its server takes `instructions`, or remove instruct"
        return SupportedManners(
            None if "speed" in sent else self.speeds,
            self.instructions and "instructions" not in sent,
            remove.format("speed", "speed of the manner"),
            remove.format("instructions", "instruct") if "instructions" in sent else set_it,
        )

    @property
    def languages(self) -> tuple[Language, ...]:
        """Those that it has voices of; all where it speaks from a recording."""
        return tuple(self.voices) if self.voices else ("zh", "en")

    def names(self) -> tuple[str, ...]:
        """The stock voices, each once, in the order of the profile: that of the weights of an embedding."""
        return tuple(
            dict.fromkeys(name for genders in self.voices.values() for own in genders.values() for name in own)
        )

    def relevant(self, language: str | None = None) -> dict[str, Any]:
        """With the voices of all languages: an embedding has a weight for each of them."""
        return super().relevant(language) | {"voices": super().relevant()["voices"]}

    @model_validator(mode="after")
    def _one_kind_of_voice(self) -> OpenAISpeechSettings:
        if bool(self.voices) == (self.reference is not None):
            raise ValueError(
                "voices, reference: give one of the two: `voices` for the server's own voices by name, `reference` for "
                "a server that speaks from a recording of the speaker"
            )
        if empty := [f"{lang}.{g}" for lang, genders in self.voices.items() for g, own in genders.items() if not own]:
            raise ValueError(f"voices.{empty[0]}: no name; name a voice, or leave that gender out")
        return self


class StockVoicesSettings(EngineSettings):
    """The voices of a server that has them by name, as voices for `tts: {use: openai}`.

    `tts`: the same engine as the profile's own. Each voice speaks one sentence, once per process; `speaker` hears it
    and must be the engine of `stages.clips.speaker`. A person's embedding is the voice most like them, of their
    language and gender. `stages.blend.blending.spread` shares the voices out among the pairs.
    """

    capability: ClassVar[str] = "embedder"
    model_settings: ClassVar[tuple[str, ...]] = ()
    use: Literal["stock_voices"]
    tts: OpenAISpeechSettings
    speaker: SpeakerSettings
    sentences: dict[Language, str] = Field(
        {
            "zh": "今天天气很好，我们一起去公园散步吧。",
            "en": "The weather is lovely today, so let us walk in the park.",
        },
        description="what each voice says",
    )

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return self.speaker.encoder()

    @model_validator(mode="after")
    def _has_names(self) -> StockVoicesSettings:
        if self.tts.prompted:
            raise ValueError("tts: it speaks from a recording and has no voices by name; name `voices`")
        return self


class OpenAITranscriptionSettings(ServerSettings):
    """Any server with OpenAI's `/audio/transcriptions`: speaches, vLLM, a hosted one.

    `words` and `scores`: what is asked for besides the text. A server that answers without them stops the build with
    the setting to change, for a missing word time is not to be taken for a word that was not heard. The key is read
    from the environment variable that `key_variable` names; no profile, record, log or error contains it.
    """

    capability: ClassVar[str] = "asr"
    use: Literal["openai"]
    words: bool = Field(True, description="the server gives word times; false: transcripts have none")
    scores: bool = Field(
        True, description="the server gives Whisper's scores of segments; false: transcripts have null in their place"
    )
    by_language: dict[Language, dict[str, Any]] = Field({}, description="further fields of the requests of a language")
    concurrency: Annotated[int, Field(ge=1, description="requests under way at once, per actor"), RUNTIME] = 16
