"""The data sources shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from sasrec_llm.components import Source

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
LICENCE = "research use, no redistribution"
MOVIELENS = "Harper & Konstan 2015, doi 10.1145/2827872"


def sources() -> Iterable[Source]:
    yield Source(
        name="ml-1m",
        summary="MovieLens 1M, GroupLens",
        paper=MOVIELENS,
        licence=LICENCE,
        read="sasrec_llm.data.movielens:read_ml_1m",
        url=f"{GROUPLENS}/ml-1m.zip",
        sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    )
    yield Source(
        name="ml-100k",
        summary="MovieLens 100K, GroupLens",
        paper=MOVIELENS,
        licence=LICENCE,
        read="sasrec_llm.data.movielens:read_ml_100k",
        url=f"{GROUPLENS}/ml-100k.zip",
        sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    )
    yield Source(
        name="collm-ml-1m",
        summary="MovieLens 1M as split by CoLLM and used by SASRecLLM",
        paper=f"CoLLM: Zhang et al. 2023, arXiv 2310.19488; {MOVIELENS}",
        licence=LICENCE,
        read="sasrec_llm.data.movielens:read_collm",
        options=frozenset({"items"}),
        history="collm",
    )
    yield Source(
        name="amazon",
        summary="Amazon reviews of one category, 2014, 2018 or 2023 release, McAuley lab",
        paper=(
            "2014: McAuley et al. 2015, arXiv 1506.04757; 2018: Ni et al. 2019, doi 10.18653/v1/D19-1018; "
            "2023: Hou et al. 2024, arXiv 2403.03952"
        ),
        licence="none stated; cite the papers named at the release",
        read="sasrec_llm.data.amazon:read",
        plan="sasrec_llm.data.amazon:plan",
        options=frozenset({"category", "release"}),
    )
    yield Source(
        name="steam",
        summary="Steam game reviews, McAuley lab",
        paper="Kang & McAuley 2018, arXiv 1808.09781",
        licence="none stated; cite the papers named at the release",
        read="sasrec_llm.data.steam:read",
        plan="sasrec_llm.data.steam:plan",
    )
    yield Source(
        name="demo",
        summary="made-up films and ratings, for trying things out",
        licence="Apache-2.0, generated here",
        read="sasrec_llm.data.demo:read",
        generated=True,
    )
