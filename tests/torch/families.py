"""Tiny models of transformers from configurations, with drawn weights; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import transformers as hf

SMALL = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GROUPED = {**SMALL, "num_key_value_heads": 2}


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def tokens(batch: int, n: int) -> torch.Tensor:
    return torch.randint(3, 96, (batch, n), generator=torch.Generator().manual_seed(1))


def text() -> dict[str, torch.Tensor]:
    """Two sequences, the first of which is padded on the left."""
    ids = tokens(2, 9)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    return {"input_ids": ids, "attention_mask": mask}


def translation() -> dict[str, torch.Tensor]:
    return {**text(), "decoder_input_ids": tokens(2, 5)}


def sound() -> dict[str, torch.Tensor]:
    return {"input_features": drawn(2, 8, 40), "decoder_input_ids": tokens(2, 5)}


def image() -> dict[str, torch.Tensor]:
    return {"pixel_values": drawn(2, 3, 16, 16)}


class Family(NamedTuple):
    model: Callable[[], Any]
    inputs: Callable[[], dict[str, torch.Tensor]]

    def built(self) -> Any:
        torch.manual_seed(0)
        return self.model().eval()


def of(model: str, configuration: str, inputs: Any = text, **settings: Any) -> Family:
    """By names of what transformers imports when it is asked for: collecting tests does without."""
    return Family(lambda: getattr(hf, model)(getattr(hf, configuration)(**settings)), inputs)


FAMILIES = {
    "llama": of("LlamaForCausalLM", "LlamaConfig", **GROUPED),
    "mistral": of("MistralForCausalLM", "MistralConfig", **GROUPED, sliding_window=4),
    "qwen2": of("Qwen2ForCausalLM", "Qwen2Config", **GROUPED),
    "qwen3": of("Qwen3ForCausalLM", "Qwen3Config", **GROUPED, head_dim=16),
    "gemma": of("GemmaForCausalLM", "GemmaConfig", **GROUPED, head_dim=16),
    "gemma3": of("Gemma3ForCausalLM", "Gemma3TextConfig", **GROUPED, head_dim=16, sliding_window=4),
    "phi": of("PhiForCausalLM", "PhiConfig", **SMALL),
    "phi3": of("Phi3ForCausalLM", "Phi3Config", **GROUPED),
    "mixtral": of(
        "MixtralForCausalLM", "MixtralConfig", **GROUPED, num_local_experts=4, experts_implementation="eager"
    ),
    "gpt2": of(
        "GPT2LMHeadModel", "GPT2Config", vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    ),
    "bert": of("BertForMaskedLM", "BertConfig", **SMALL),
    "vit": of(
        "ViTForImageClassification", "ViTConfig", image, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, image_size=16, patch_size=4,
    ),
    "whisper": of(
        "WhisperForConditionalGeneration", "WhisperConfig", sound, vocab_size=96, d_model=32, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48,
        num_mel_bins=8, max_source_positions=20, max_target_positions=32, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None,
    ),
    "t5": of(
        "T5ForConditionalGeneration", "T5Config", translation, vocab_size=96, d_model=32, d_kv=8, d_ff=48,
        num_layers=2, num_heads=4, decoder_start_token_id=0, pad_token_id=0, eos_token_id=2,
    ),
}  # fmt: skip
