"""Which language model plays callers and judges: the first whose key is set, else the agent's own."""

from __future__ import annotations

from patter_cli import recipes, registry
from patter_cli.contracts.llm import LanguageModel
from patter_cli.engine.author_model import AuthorModel
from patter_cli.engine.ready import ReadyAgent


def configured_model(agent: ReadyAgent | None) -> LanguageModel | None:
    """None where there is none: rules that an author wrote are no model of language. Raises ConfigError."""
    row = registry.with_key("llm")
    if row is not None:
        model: LanguageModel = recipes.made("llm", row.name)
        return model
    models = () if agent is None else agent.models
    return next((each for each in models if not isinstance(each, AuthorModel)), None)
