"""The old address of `deploy.onnx_classifier`, which the README of folders exported before version 1 names."""

from textclf_lesson.deploy.onnx_classifier import OnnxClassifier  # noqa: F401
