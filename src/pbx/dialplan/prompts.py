"""Which prompts there are: those that ship, by the manifest, and those of a company, by their files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pbx

ENDINGS = (".flac", ".wav", ".ogg", ".mp3")


@dataclass(frozen=True, slots=True)
class PromptNames:
    """Names, in any language; and the languages that there are."""

    names: frozenset[str]
    languages: frozenset[str]


def shipped_folders() -> tuple[Path, ...]:
    """Return where the product's own prompts may be: package data, or the folder beside the sources."""
    package = Path(pbx.__file__).parent
    return (package / "_data" / "prompts", package.parents[1] / "prompts")


@lru_cache(maxsize=8)
def shipped() -> PromptNames:
    """Return what ships with the product."""
    for directory in shipped_folders():
        manifest = directory / "manifest.toml"
        if manifest.is_file():
            texts = tomllib.loads(manifest.read_text(encoding="utf-8"))["prompts"]
            return PromptNames(frozenset(texts), frozenset(lang for text in texts.values() for lang in text))
    return PromptNames(frozenset(), frozenset({"en", "zh-CN"}))


def known_prompts(directory: Path | None) -> PromptNames:
    """Return the shipped prompts with those under *directory*: ``prompts/LANGUAGE`` and ``var/prompts/LANGUAGE``."""
    found = shipped()
    names, languages = set(found.names), set(found.languages)
    for folder in ("prompts", "var/prompts"):
        root = directory / folder if directory is not None else None
        if root is None or not root.is_dir():
            continue
        for path in root.glob("*/**/*"):
            if path.suffix in ENDINGS:
                language, *rest = path.relative_to(root).with_suffix("").parts
                names.add("/".join(rest))
                languages.add(language)
    return PromptNames(frozenset(names), frozenset(languages))
