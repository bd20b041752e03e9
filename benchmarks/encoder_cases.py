"""SASRec: training and ranking."""

from __future__ import annotations

from case import Case, Command

# The allocator told to keep what it has: RecTools maps and unmaps its logits at every step.
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}


def sasrec(*args: str) -> Command:
    return Command("ours/sasrec.py", args)


def rectools(*args: str, **settings: str) -> Command:
    note = "allocator tuned" if settings else ""
    return Command("peers/rectools_sasrec.py", args, "rectools", settings, note)


def loop(script: str, length: int) -> Command:
    """Of a repository that is not on the package index."""
    return Command(f"peers/{script}.py", ("--length", str(length)), "rectools", note="a loop of ours")


def recbole(*args: str) -> Command:
    return Command("peers/recbole_sasrec.py", args, "recbole", note="masks nothing" if args else "")


def training(loss: str, said: str, length: int, theirs: str, targets: dict[str, float]) -> Case:
    args = ("--length", str(length), "--loss")
    ways = {
        "RecTools": rectools(*args, theirs),
        "RecTools tuned": rectools(*args, theirs, **KEEP),
        "SASRec.pytorch": loop("pmixer_sasrec", length),
        "gSASRec": loop("gsasrec", length),
    }
    peers = {name: ways[name] for name in targets}
    return Case(f"SASRec training, {said}, length {length}", "targets/s", sasrec(*args, loss), peers, targets)


def ranking(width: str) -> Case:
    args = ("--width", width)
    return Case(
        f"20,000 users ranked among 100,000 items, vectors of width {width} at hand",
        "users/s",
        Command("ours/ranking.py", args),
        {"product alone": Command("ours/ranking.py", (*args, "--bare"))},
        {"product alone": 0.8},
    )


PLAIN = {"RecTools": 2.0, "SASRec.pytorch": 2.0, "gSASRec": 2.0}  # one negative

ENCODERS: dict[str, Case] = {
    "sasrec-softmax-50": training("softmax", "full softmax", 50, "softmax", {"RecTools": 5, "RecTools tuned": 3}),
    "sasrec-softmax-200": training("softmax", "full softmax", 200, "softmax", {"RecTools": 5, "RecTools tuned": 3}),
    "sasrec-bce-50": training("bce", "one negative", 50, "BCE", PLAIN),
    "sasrec-bce-200": training("bce", "one negative", 200, "BCE", PLAIN),
    "sasrec-recbole": Case(
        "SASRec training, full softmax, length 50",
        "targets/s",
        sasrec("--length", "50"),
        {"RecBole": recbole()},
        {"RecBole": 40},
    ),
    "sasrec-to-quality": Case(
        "SASRec training, full softmax, length 50, to a validation NDCG@10 of .1468",
        "s",
        sasrec("--goal", ".1468"),
        {"RecTools": rectools("--goal", ".1468")},
        {"RecTools": 4},
        more_is_better=False,
        rounds=1,
    ),
    "sasrec-to-quality-tuned": Case(
        "the same at the learning rate that suits each",
        "s",
        sasrec("--goal", ".1468", "--lr", "3e-3"),
        {"RecTools": rectools("--goal", ".1468", "--lr", "3e-3")},
        {"RecTools": 4},
        more_is_better=False,
        rounds=1,
    ),
    "ranking-64": ranking("64"),
    "ranking-384": ranking("384"),
    "sasrec-evaluate": Case(
        "6,040 users ranked in the whole catalogue, seen items masked, encoding included",
        "users/s",
        sasrec("--what", "evaluate"),
        {
            "RecTools": rectools("--what", "evaluate"),
            "RecBole": recbole("--what", "evaluate"),
        },
        {"RecTools": 8, "RecBole": 2},
    ),
}
