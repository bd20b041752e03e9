"""Language models: scoring candidates and tuning LoRA."""

from __future__ import annotations

from case import Case, Command

AS_THEY_DO = "our loop of what CoLLM and TALLRec do"


def scoring(candidates: int, wanted: float) -> Case:
    args = ("--candidates", str(candidates))
    return Case(
        title=f"yes/no scoring of {candidates} candidates, TinyLlama geometry, 2 layers",
        unit="candidates/s",
        ours=Command("ours/llm_scoring.py", args),
        peers={"a prompt each": Command("peers/prompt_per_candidate.py", args, note=AS_THEY_DO)},
        targets={"a prompt each": wanted},
        tolerance={"mean": 1e-3, "last": 1e-3},
    )


def tuning(width: int, layers: int) -> Case:
    args = ("--width", str(width), "--layers", str(layers))
    script = "peers/lora_trainer_style.py"
    return Case(
        title=f"LoRA step on collm prompts, Llama of width {width}, {layers} layers",
        unit="rows/s",
        ours=Command("ours/lora_step.py", args),
        peers={
            "padded to 512": Command(script, (*args, "--length", "512"), note=AS_THEY_DO),
            "padded to the longest": Command(script, (*args, "--length", "0"), note=AS_THEY_DO),
        },
        targets={"padded to 512": 3, "padded to the longest": 3},
        tolerance={"first loss": 1e-5, "second loss": 1e-5},
    )


LANGUAGE_MODELS: dict[str, Case] = {
    "llm-scoring-20": scoring(20, 10),
    "llm-scoring-100": scoring(100, 20),
    "lora-step-64": tuning(64, 2),
    "lora-step-256": tuning(256, 4),
}
