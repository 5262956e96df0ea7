"""Taking a classifier into service: export to ONNX, INT8, latency, the service, its monitor."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["bench", "demo", "export", "monitor", "onnx_classifier", "quantize", "serve", "traffic"],
    submod_attrs={
        "monitor": ["Monitor"],
        "onnx_classifier": ["OnnxClassifier"],
    },
)
