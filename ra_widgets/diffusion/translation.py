"""A local neural translator for prompts: MarianMT (Junczys-Dowmunt et al. 2018, arXiv:1804.00344) or a small chat model.

It is given plain Chinese phrases and answers in English; the structure of the prompt (weights, edits, networks) is kept by
:func:`ra_widgets.prompt.lexicon.translate`. Decoding is greedy or by beams, without chance: the same phrase always comes out the
same.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import OrderedDict
from typing import Any

import torch

from ra_widgets.errors import ModelError
from ra_widgets.library.translators import Translator

log = logging.getLogger(__name__)

KEPT = 512
"""Phrases that are remembered."""
LONGEST = 120
"""Tokens of an answer, at most."""
BEAMS = 4
REQUEST = (
    "Translate this Chinese image description into short English for an image generator. "
    "Answer with the translation only.\n\n{phrase}"
)


class LocalTranslator:
    """A loaded translator: call it with a Chinese phrase.

    Args:
        source: which one.

    Raises:
        ModelError: it cannot be loaded or run: parts are missing, or its weights are a pickle.
    """

    def __init__(self, source: Translator) -> None:
        self.source = source
        self._kept: OrderedDict[str, str] = OrderedDict()
        if not any(source.path.glob("*.safetensors")):
            raise ModelError("translator.no_safetensors", name=source.name, path=str(source.path))
        import transformers

        kind: Any = transformers.MarianMTModel if source.kind == "marian" else transformers.AutoModelForCausalLM
        reader: Any = transformers.MarianTokenizer if source.kind == "marian" else transformers.AutoTokenizer
        try:
            if source.kind == "marian":
                import sentencepiece  # noqa: F401
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
                self._tokenizer = reader.from_pretrained(source.path, local_files_only=True)
            self._model = kind.from_pretrained(source.path, local_files_only=True, use_safetensors=True).eval()
        except ModuleNotFoundError as error:
            raise ModelError("translator.needs", name=source.name, module=error.name or "") from error
        except Exception as error:  # whatever the folder lacks, transformers has an exception of its own for it
            detail = " ".join(str(error).split())[:200]
            raise ModelError("translator.damaged", name=source.name, path=str(source.path), detail=detail) from error

    def __call__(self, phrase: str) -> str:
        """English of a Chinese phrase; "" when nothing comes out."""
        if phrase not in self._kept:
            try:
                self._kept[phrase] = self._translate(phrase)
            except (RuntimeError, ValueError, IndexError) as error:
                detail = " ".join(str(error).split())[:200]
                raise ModelError(
                    "translator.damaged", name=self.source.name, path=str(self.source.path), detail=detail
                ) from error
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(phrase)
        return self._kept[phrase]

    @torch.inference_mode()
    def _translate(self, phrase: str) -> str:
        if self.source.kind == "marian":
            given = self._tokenizer([phrase], return_tensors="pt", truncation=True)
            told = self._model.generate(**given, num_beams=BEAMS, do_sample=False, max_new_tokens=LONGEST)[0]
        else:
            message = REQUEST.format(phrase=phrase)
            if getattr(self._tokenizer, "chat_template", None):
                turns = [{"role": "user", "content": message}]
                text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
                given = self._tokenizer([text], return_tensors="pt", add_special_tokens=False)
            else:
                given = self._tokenizer([message + "\n"], return_tensors="pt")
            given.pop("token_type_ids", None)
            told = self._model.generate(**given, do_sample=False, max_new_tokens=LONGEST)[0]
            told = told[given["input_ids"].shape[1] :]
        answer = self._tokenizer.decode(told, skip_special_tokens=True).strip()
        # a chat model may think aloud, or go on talking: its first line is the answer
        answer = answer.rpartition("</think>")[2].strip()
        return answer.split("\n")[0].strip(" \"'.。") if answer else ""


_loaded: list[LocalTranslator] = []
_lock = threading.Lock()


def load(source: Translator) -> LocalTranslator:
    """The translator, loaded once; the last one is kept."""
    with _lock:
        if not _loaded or _loaded[0].source != source:
            _loaded.clear()
            _loaded.append(LocalTranslator(source))
            log.info("translator %s loaded", source.name)
        return _loaded[0]
