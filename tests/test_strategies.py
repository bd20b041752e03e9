"""The strategies of both papers through the recipe machinery, on the demo data, and what is particular to each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier

from sasrec_llm.data.training import Training
from sasrec_llm.encoders.tabular import Boosting, Logistic
from sasrec_llm.errors import RecipeError, RunError, UsageError
from sasrec_llm.experiment import evaluate, run
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.strategies.embedding.item_embeddings import reduce
from sasrec_llm.strategies.embedding.seq_sim import SeqSim, weights
from sasrec_llm.strategies.fusing.members import Members
from sasrec_llm.systems import build, open_data
from sasrec_llm.testing import context, histories

KNOWN = Plugins()
KNOWN.load()
TINY = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
SASREC = {"use": "sasrec", "width": 16, "heads": 2, "blocks": 1, "max_length": 10}
ALONE = {"use": "encoder-only"}
LOO = {"use": "demo", "protocol": "leave-one-out"}
CHANCE = 0.0185  # NDCG@20 of a random order of about 380 items
LIKE = {"use": "demo", "protocol": "temporal"}


@pytest.fixture
def place(demo_folder: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    shutil.copytree(demo_folder, workspace / "data" / "demo")
    return Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture
def few(few_folder: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """For those that ask a language model about every row."""
    shutil.copytree(few_folder, workspace / "data" / "demo")
    return Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")


def stage(objective: str, *train: str, **changes: Any) -> dict[str, Any]:
    return {"objective": objective, "train": list(train), "epochs": 2, "epoch_steps": 3, "batch_size": 16, **changes}


def do(place: Workspace, name: str, data: dict[str, Any], **sections: Any) -> Outcome:
    recipe = {"name": name, "seed": 7, "data": data, **sections}
    return run(check_recipe(recipe, "test", KNOWN), "# test", place, KNOWN)


def figure(outcome: Outcome, metric: str, split: str = "test", system: str = "") -> float:
    value = outcome.tables[split][0].values(system or outcome.system)[metric]
    assert value is not None
    return value


def test_an_encoder_learns_what_comes_next_and_is_scored_again_alike(place: Workspace) -> None:
    fit = stage("next-item", "encoder", epochs=6, epoch_steps=None, batch_size=64, lr=5e-3)
    outcome = do(place, "next", LOO, encoder=SASREC, strategy=ALONE, stages={"encoder": fit})
    assert figure(outcome, "ndcg@20") > 5 * CHANCE
    again = evaluate(outcome.run, ["all"], place, KNOWN)
    assert again.tables["test"][0].systems["next"] == outcome.tables["test"][0].systems["next"]


@pytest.mark.parametrize("loss", ["sampled-softmax", "gbce"])
def test_a_sample_of_the_catalogue_teaches_too(loss: str, place: Workspace) -> None:
    fit = stage("next-item", "encoder", epochs=6, epoch_steps=None, batch_size=64, lr=5e-3)
    encoder = {**SASREC, "loss": loss, "negatives": 64}
    outcome = do(place, loss, LOO, encoder=encoder, strategy=ALONE, stages={"encoder": fit})
    assert figure(outcome, "ndcg@20") > 2 * CHANCE


LATER = {"use": "demo", "protocol": "temporal", "task": "next-item"}  # the demo has films that appear after train


def test_llm2sequential_starts_from_the_texts_and_finds_a_place_for_unseen_items(place: Workspace) -> None:
    sections: dict[str, Any] = {"encoder": SASREC, "backbone": TINY, "strategy": {"use": "llm2sequential"}}
    recipe = check_recipe({"name": "x", "seed": 7, "data": LATER, **sections}, "test", KNOWN)
    loaded = open_data(recipe, place, KNOWN)
    known = np.unique(loaded.rows.items[loaded.of("train")])
    unseen = np.setdiff1d(np.arange(1, loaded.n_items + 1), known)
    assert len(unseen) > 5
    started: Any = build(recipe, loaded, place, KNOWN).strategy
    table = started.table.weight.detach()
    assert float(table[known].std()) == pytest.approx(0.02, rel=0.05), "at the scale the table would start at"
    with torch.inference_mode():
        started.score(histories([[1]], 5), torch.tensor([[1]]))
    assert torch.equal(table[unseen], table[started.nearest[:, 0]])
    assert set(started.nearest.flatten().tolist()) <= set(known.tolist())
    batch = Training(loaded).batches("sequences", 5, 0).take(np.arange(8), 0)
    started.table.weight.requires_grad_(True)
    started.loss("next-item", batch).backward()
    assert not started.table.weight.grad[unseen].any(), "what train does not have is not pushed away"
    assert started.table.weight.grad[known].any(1).float().mean() > 0.9
    with torch.no_grad():
        started.table.weight[int(started.nearest[0, 0])] = 9.0
    with torch.inference_mode():
        started.score_all(histories([[1]], 5))
    assert (table[int(unseen[0])] == 9.0).all(), "a table that has changed places them anew"


def test_llm2sequential_recommends_items_that_train_does_not_have(place: Workspace) -> None:
    """Without a place they are never found; with one they are, and the others no worse."""
    fit = stage("next-item", "encoder", epochs=6, epoch_steps=None, batch_size=64, lr=5e-3)
    found = {}
    for neighbours in (0, 1):
        sections: dict[str, Any] = {
            "encoder": SASREC,
            "backbone": TINY,
            "strategy": {"use": "llm2sequential", "neighbours": neighbours},
        }
        outcome = do(place, f"place-{neighbours}", LATER, **sections, stages={"encoder": fit})
        subsets = {table.subset: table.values(outcome.system) for table in outcome.tables["test"]}
        found[neighbours] = subsets
    assert found[1]["new-items"]["hr@20"] > found[0]["new-items"]["hr@20"]
    assert found[1]["known-items"]["ndcg@20"] > 0.9 * found[0]["known-items"]["ndcg@20"]


def test_pca_is_fitted_on_the_items_of_train_alone() -> None:
    vectors = torch.randn(40, 12, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 13)
    train = np.arange(1, 21)
    found = reduce(vectors, 5, train)
    expected = (
        PCA(n_components=5, svd_solver="full").fit(vectors[:20].double().numpy()).transform(vectors.double().numpy())
    )
    assert np.allclose(found.numpy(), expected, atol=1e-4)
    other = vectors.clone()
    other[30] *= 100  # an item that train does not have
    assert torch.allclose(reduce(other, 5, train)[:30], found[:30])
    with pytest.raises(UsageError, match="cannot be reduced to 13"):
        reduce(vectors, 13, train)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("last", [0, 0, 1]),
        ("mean", [1, 1, 1]),
        ("constant-linear", [0.8, 0.9, 1]),
        ("scaling-linear", [1 / 3, 2 / 3, 1]),
        ("scaling-quadratic", [1 / 9, 4 / 9, 1]),
        ("log", [1 / (1 + np.log(3)), 1 / (1 + np.log(2)), 1]),
        ("harmonic", [1 / 3, 1 / 2, 1]),
        ("harmonic-squared", [1 / 9, 1 / 4, 1]),
    ],
)
@pytest.mark.parametrize("cosine", [True, False])
def test_a_session_is_the_weighted_mean_of_its_items(decay: str, expected: list[float], cosine: bool) -> None:
    vectors = torch.randn(21, 6, generator=torch.Generator().manual_seed(1))
    vectors[0] = 0
    sim = SeqSim(vectors=vectors, decay=decay, cosine=cosine, history_length=10)
    assert weights(decay, torch.tensor([3, 2, 1]), torch.tensor([3])).tolist() == pytest.approx(expected)
    session = (torch.tensor(expected).float()[:, None] * vectors[[4, 9, 2]]).sum(0) / sum(expected)
    items = vectors / vectors.norm(dim=1, keepdim=True) if cosine else vectors
    wanted = items @ (session / session.norm() if cosine else session)
    scores = sim.score_all(histories([[4, 9, 2], []], 5))
    assert torch.allclose(scores[0, 1:], wanted[1:], atol=1e-5)
    assert not scores[1].any(), "nothing is near to nothing"
    candidates = torch.tensor([[3, 7], [1, 2]])
    assert torch.allclose(sim.score(histories([[4, 9, 2], []], 5), candidates), scores.gather(1, candidates), atol=1e-6)


def test_seq_sim_needs_no_stage_and_refuses_one(place: Workspace) -> None:
    sections: dict[str, Any] = {"backbone": TINY, "strategy": {"use": "llm-seq-sim", "pca": 8}}
    assert 0 <= figure(do(place, "sim", LOO, **sections), "hr@20") <= 1
    with pytest.raises(RecipeError) as error:
        do(place, "sim", LOO, **sections, stages={"a": stage("next-item", "encoder")})
    assert "is not trained: remove the table" in str(error.value)


@pytest.fixture
def two_runs(place: Workspace) -> Workspace:
    for name in ("bias-regression", "item-mean"):
        do(place, name, LIKE, encoder={"use": name}, strategy=ALONE, stages={"fit": stage("fit", "encoder")})
    return place


RUNS = {"runs": ["bias-regression", "item-mean"]}


@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_late_fusion_is_fitted_on_validation_and_loads_again(model: str, two_runs: Workspace) -> None:
    strategy = {"use": "late-fusion", "model": model, **RUNS}
    outcome = do(two_runs, "fused", LIKE, strategy=strategy, stages={"fit": stage("fit", "fusion")})
    assert figure(outcome, "auc") > 0.6
    assert figure(outcome, "logloss", "valid") <= figure(outcome, "logloss", "valid", "bias-regression")
    again = evaluate(outcome.run, ["all"], two_runs, KNOWN)
    assert again.tables["test"][0].systems["fused"] == outcome.tables["test"][0].systems["fused"]


def test_an_ensemble_of_one_system_is_that_system(two_runs: Workspace) -> None:
    for combine, stages in (("mean", {}), ("rank-mean", {"fit": stage("fit", "ensemble")})):
        strategy = {"use": "ensemble", "combine": combine, "runs": ["item-mean", "item-mean"]}
        outcome = do(two_runs, f"twice-{combine}", LIKE, strategy=strategy, stages=stages)
        assert figure(outcome, "auc") == pytest.approx(figure(outcome, "auc", system="item-mean"), abs=2e-3)
    with pytest.raises(UsageError, match="has to learn where scores lie"):
        do(two_runs, "unfitted", LIKE, strategy={"use": "ensemble", "combine": "rank-mean", **RUNS})


def test_members_must_be_of_the_same_data(two_runs: Workspace) -> None:
    with pytest.raises(RunError, match="on this data"):
        do(two_runs, "other", LOO, strategy={"use": "ensemble", **RUNS})


@pytest.mark.parametrize("combine", ["mean", "rank-mean"])
def test_ensembles_and_late_fusion_rank(combine: str, place: Workspace) -> None:
    for name in ("markov", "item-knn"):
        do(place, name, LOO, encoder={"use": name}, strategy=ALONE, stages={"fit": stage("fit", "encoder")})
    runs = ["markov", "item-knn"]
    both = do(place, "both", LOO, strategy={"use": "ensemble", "combine": combine, "runs": runs})
    assert figure(both, "ndcg@20") > 4 * CHANCE
    strategy = {"use": "late-fusion", "runs": runs, "candidates": 30}
    fused = do(place, "fused", LOO, strategy=strategy, stages={"fit": stage("fit", "fusion")})
    assert figure(fused, "ndcg@20") > 4 * CHANCE


def test_ranks_of_members_share_the_mean_of_ties() -> None:
    class Three:
        def score_all(self, given: Any) -> torch.Tensor:
            return torch.tensor([[9.0, 1.0, 3.0, 3.0, 5.0]])

        def score(self, given: Any, candidates: torch.Tensor) -> torch.Tensor:
            return self.score_all(given).gather(1, candidates)

    from sasrec_llm.interfaces import Member

    members = Members(members=[Member("three", "", Three(), 5)], n_items=4)
    ranks = members.ranks(histories([[1]], 5))[0, 1:, 0]
    assert ranks.tolist() == pytest.approx([0.25, 0.625, 0.625, 1.0], abs=0.13)
    assert ranks[1] == ranks[2]
    assert ranks.argsort().tolist()[0] == 0


def test_the_models_of_late_fusion_are_those_of_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(400, 4))
    labels = (inputs[:, 0] * inputs[:, 1] + 0.3 * chance.normal(size=400) > 0).astype(float)
    boosting = Boosting(width=4)
    boosting.fit(inputs, labels, 5)
    same = GradientBoostingClassifier(
        n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.5, random_state=5
    ).fit(inputs.astype(np.float32), labels)
    found = boosting(torch.from_numpy(inputs)).numpy()
    assert np.allclose(found, same.decision_function(inputs.astype(np.float32)), atol=1e-5)
    logistic = Logistic(width=4)
    logistic.fit(inputs, labels, 5)
    scores = logistic(torch.from_numpy(inputs)).numpy()
    assert np.corrcoef(scores, inputs @ logistic.weight.numpy())[0, 1] == pytest.approx(1)


YES_NO: dict[str, Any] = {"backbone": {**TINY, "lora": {"r": 2}}, "strategy": {"use": "text-prompt", "titles": 2}}


def test_a_language_model_reranks_what_an_encoder_names(place: Workspace) -> None:
    stages = {"retrieve": stage("fit", "encoder"), "tune": stage("text", "lora", negatives=2, valid_rows=20)}
    strategy = {"use": "text-prompt", "titles": 2, "candidates": 5}
    retriever = {"use": "markov"}
    outcome = do(place, "rerank", LOO, **(YES_NO | {"strategy": strategy}), encoder=retriever, stages=stages)
    retrieved = "after retrieve: fit"
    assert figure(outcome, "hr@5" if "hr@5" in outcome.tables["test"][0].systems["rerank"] else "hr@10") >= 0
    at = {system: figure(outcome, "hr@20", system=system) for system in ("rerank", retrieved)}
    assert at["rerank"] == at[retrieved], "the first five are put in another order, no more"
    with pytest.raises(RecipeError, match="is required by strategy 'text-prompt' to rank"):
        do(place, "rerank", LOO, **YES_NO)


def test_few_shot_prompts_hold_solved_examples_of_both_kinds() -> None:
    from sasrec_llm.recipe import Choice

    def asked(shots: int) -> Any:
        chosen = {
            "backbone": Choice("tiny-llama", KNOWN.get("backbones", "tiny-llama").settings(**without_use(TINY))),
            "strategy": Choice("text-prompt", KNOWN.get("strategies", "text-prompt").settings(shots=shots, titles=2)),
        }
        return assemble(chosen, context(), KNOWN)[0].recommender("text")

    plain, shown = asked(0), asked(3)
    target = torch.tensor([4])
    tokenizer: Any = shown.backbone.tokenizer
    texts = []
    for ask in (plain, shown):
        batch = ask.prompts.render(torch.tensor([[0, 2]]), target)
        texts.append(tokenizer._tokenizer.decode(batch.tokens[0, : batch.lengths[0]].tolist()))
    assert texts[1].endswith(texts[0].removeprefix("<s>").strip())
    assert texts[1].count("#Question") == 4
    assert texts[1].count("<s>") == 1
    solved = texts[1].split("#Answer:")[1:-1]
    assert [answer.split("\n")[0].strip() for answer in solved] == ["Yes", "No", "Yes"]


def without_use(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "use"}


RATINGS = [" 1", " 2", " 3", " 4", " 5"]


def test_answers_in_ratings_are_learned_and_measured(few: Workspace) -> None:
    strategy = {"use": "text-prompt", "titles": 2, "answers": RATINGS}
    metrics = {"metrics": ["auc", "logloss", "rmse", "macro-f1"]}
    tune = stage("text", "lora", epochs=3, epoch_steps=40, lr=1e-2)
    outcome = do(few, "rated", LIKE, **(YES_NO | {"strategy": strategy}), stages={"tune": tune}, evaluate=metrics)
    untuned = do(few, "unrated", LIKE, **(YES_NO | {"strategy": strategy}), evaluate=metrics)
    assert 0.5 < figure(outcome, "rmse") < figure(untuned, "rmse")
    assert 0 < figure(outcome, "macro-f1") <= 1
    assert outcome.tables["test"][0].values("item-mean")["rmse"] is None, "a floor says nothing of ratings"
    again = evaluate(outcome.run, ["all"], few, KNOWN)
    assert again.tables["test"][0].systems["rated"] == outcome.tables["test"][0].systems["rated"]


@pytest.mark.parametrize(
    ("answers", "text"), [([" 1", " two", " 3"], "must be numbers"), ([" 1", " 2", " 3"], "on both sides of 4")]
)
def test_answers_that_cannot_be_ratings_are_refused(answers: list[str], text: str, place: Workspace) -> None:
    with pytest.raises((RecipeError, UsageError), match=text):
        do(place, "rated", LIKE, **(YES_NO | {"strategy": {"use": "text-prompt", "answers": answers}}))


def test_ratings_need_data_with_ratings(place: Workspace) -> None:
    data = {"use": "demo", "protocol": "temporal", "task": "next-item"}
    strategy = {"use": "text-prompt", "answers": RATINGS}
    with pytest.raises(UsageError, match="this data has none"):
        do(place, "rated", data, **(YES_NO | {"strategy": strategy}), encoder={"use": "popularity"})


WHOLE: dict[str, Any] = {
    "encoder": SASREC,
    "aligner": {"use": "mlp"},
    "backbone": {**TINY, "lora": {"r": 2}},
    "strategy": {"use": "token-mapping", "titles": 2},
}


@pytest.mark.parametrize(
    "aligner", [{"use": "linear"}, {"use": "cross-attention", "width": 8, "heads": 2, "tokens": 2}]
)
@pytest.mark.parametrize("history_slots", [False, True])
def test_aligners_and_history_slots(aligner: dict[str, Any], history_slots: bool, few: Workspace) -> None:
    strategy = {"use": "token-mapping", "titles": 2, "history_slots": history_slots}
    stages = {"mixed": stage("mixed", "lora"), "align": stage("hybrid", "encoder", "aligner")}
    sections = WHOLE | {"aligner": aligner, "strategy": strategy}
    evaluation = {"ablations": ["zero-slots"], "subsets": ["all"]}
    outcome = do(few, "whole", LIKE, **sections, stages=stages, evaluate=evaluation)
    systems = outcome.tables["test"][0].systems
    assert list(systems)[:3] == ["whole", "whole with zero-slots", "after mixed: mixed"]
    assert systems["whole"] != systems["whole with zero-slots"]


def test_history_slots_stand_behind_their_titles(tmp_path: Path) -> None:
    from sasrec_llm.recipe import Choice

    kinds = {"encoder": "encoders", "aligner": "aligners", "backbone": "backbones", "strategy": "strategies"}
    chosen = {
        section: Choice(table["use"], KNOWN.get(kinds[section], table["use"]).settings(**without_use(table)))
        for section, table in (
            WHOLE | {"strategy": {"use": "token-mapping", "titles": 3, "history_slots": True}}
        ).items()
    }
    ask: Any = assemble(chosen, context(cache=tmp_path), KNOWN)[0]._asks["hybrid"]  # type: ignore[attr-defined]
    given, seen = histories([[3, 8], []], 3), {}
    real = ask.backbone.next_logits

    def spy(embeddings: Any, lengths: Any, answers: Any) -> Any:
        seen["embeddings"] = embeddings
        return real(embeddings, lengths, answers)

    ask.backbone.next_logits = spy
    with torch.inference_mode():
        ask.score(given, torch.tensor([[5], [6]]))
        batch = ask.prompts.render(given.last(3), torch.tensor([5, 6]))
        soft = ask.aligner(ask.encoder.item_vectors(torch.tensor([3, 8])))[:, 0]
    positions = batch.slots["history"][..., 0]
    assert (positions[0, 0], positions[1].tolist()) == (-1, [-1, -1, -1]), "no title, no slot"
    for vector, at in zip(soft, positions[0, 1:], strict=True):
        assert torch.allclose(seen["embeddings"][0, int(at)], vector, atol=1e-6)
    assert ask.prompts.render(given.last(3), torch.tensor([5, 6])).lengths[1] < batch.lengths[0]


def test_cross_attention_reads_what_is_known_and_nothing_else() -> None:
    from sasrec_llm.aligners.cross_attention import CrossAttentionAligner

    torch.manual_seed(0)
    aligner = CrossAttentionAligner(in_width=8, out_width=12, tokens=3, width=16, heads=4, scale=0.05)
    states = torch.randn(2, 5, 8)
    known = torch.tensor([[False, False, True, True, True], [False] * 5])
    soft = aligner(states, known)
    assert soft.shape == (2, 3, 12)
    changed = states.clone()
    changed[0, :2], changed[1, :4] = 9.0, 9.0
    assert torch.allclose(aligner(changed, known), soft), "padding is not read; with nothing known, the last state is"
    assert aligner(torch.randn(2, 7, 4, 1, 8)).shape == (2, 7, 4, 3, 12)
    many = aligner(torch.randn(300, 1, 8)).detach()
    assert float(many.std()) == pytest.approx(0.05, rel=0.2), "at the scale of token embeddings"


@pytest.mark.parametrize(
    ("sections", "data", "path", "text"),
    [
        (
            {"backbone": TINY, "aligner": {"use": "mlp"}, "strategy": {"use": "llm-seq-sim"}},
            LOO,
            "aligner",
            "it takes: backbone",
        ),
        (WHOLE | {"backbone": {"use": "sentence-encoder", "model": "x"}}, LIKE, "backbone.use", "has no prompts"),
        (
            {"encoder": {"use": "item-mean"}, "strategy": ALONE, "stages": {"a": stage("next-item", "encoder")}},
            LOO,
            "stages.a.objective",
            "encoder 'item-mean' has no next-item",
        ),
        (
            WHOLE | {"aligner": {"use": "cross-attention"}, "encoder": {"use": "mf"}},
            LIKE,
            "encoder.use",
            "has no states",
        ),
        (
            {"encoder": SASREC, "strategy": ALONE, "evaluate": {"metrics": ["auc"]}},
            LOO,
            "evaluate.metrics",
            "not a metric",
        ),
        ({"encoder": SASREC, "strategy": ALONE}, {**LOO, "task": "like"}, "data.task", "asks next-item, not like"),
        (
            {"encoder": SASREC, "strategy": ALONE, "stages": {"a": stage("like", "encoder", negatives=3)}},
            LIKE,
            "stages.a.negatives",
            "the rows have dislikes",
        ),
        (
            {"encoder": {"use": "v-sknn"}, "backbone": TINY, "strategy": {"use": "llm2sequential"}},
            LOO,
            "encoder.use",
            "these can: ",
        ),
        (WHOLE | {"evaluate": {"ablations": ["no-item"]}}, LIKE, "evaluate.ablations", "known: zero-slots"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    sections: dict[str, Any], data: dict[str, Any], path: str, text: str
) -> None:
    with pytest.raises(RecipeError) as error:
        check_recipe({"name": "wrong", "data": data, **sections}, "test", KNOWN)
    assert any(path == found and text in said for found, said in error.value.problems), error.value.problems
