"""What is public: the names of `otelllm`, sorted, importable, and none of them shadowed by a module."""

from __future__ import annotations

import pkgutil

import otelllm


def test_all_is_sorted_and_importable() -> None:
    """`__all__` is what a reader of the package finds."""
    assert sorted(otelllm.__all__) == list(otelllm.__all__)
    for name in otelllm.__all__:
        assert getattr(otelllm, name) is not None


def test_no_public_name_is_a_module() -> None:
    """Importing a module must not replace a public function of the same name."""
    modules = {module.name for module in pkgutil.iter_modules(otelllm.__path__)}
    assert set(otelllm.__all__).isdisjoint(modules)


def test_public_things_have_docstrings() -> None:
    """Each public name says what it is."""
    for name in otelllm.__all__:
        if name != "__version__":
            assert (getattr(otelllm, name).__doc__ or "").strip(), name


def test_star_import_gives_what_all_says() -> None:
    """Names that come when used are there for `from otelllm import *` too."""
    space: dict[str, object] = {}
    exec("from otelllm import *", space)
    assert set(otelllm.__all__) <= set(space)
