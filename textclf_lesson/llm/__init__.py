"""Language models that are asked: prompts, a local one, one behind an endpoint, a server, a budget."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["budget", "endpoint", "local", "prompted", "prompts", "remote", "server"],
    submod_attrs={
        "budget": ["Budget"],
        "local": ["LocalLLM"],
        "remote": ["LLMClassifier", "LLMError"],
    },
)
