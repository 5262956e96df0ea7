"""Every data set of the course through `load(name)`, and your own through `read(path)`, in the same form."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "builtin": ["card", "columns", "label_names", "load", "names"],
        "cards": ["agreement"],
        "files": ["DataError"],
        "forms": ["as_classes", "as_columns"],
        "masking": ["mask"],
        "reading": ["Splits", "read"],
        "sources": ["TOXICITY"],
        "splits": ["leaks", "normalise"],
    },
)
