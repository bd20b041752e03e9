"""Every known pitfall that has made published numbers of this field wrong, and the tests that fail if it comes back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sasrec_llm.interfaces import Histories
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.testing import context, histories

PITFALLS: dict[str, tuple[str, ...]] = {
    "random or per-user 8:1:1": (
        "pitfalls_data::no_protocol_splits_rows_at_random",
        "pitfalls_data::a_random_split_is_worth_five_points_and_not_to_be_had",
    ),
    "unstable single-key sort": ("pitfalls_data::an_unstable_sort_changes_no_target",),
    "order of a merge breaks ties": ("pitfalls_data::a_join_with_titles_orders_no_ties",),
    "same-second history": ("pitfalls_data::no_answer_of_the_same_second_is_in_a_history",),
    "sampled metrics": ("pitfalls_scores::a_rank_is_among_all_items",),
    "the first index wins ties": (
        "ranking::rank_is_the_middle_of_the_ties_among_unseen_items",
        "ranking::a_constant_score_finds_nothing",
    ),
    "padding 0 in topk": ("ranking::rank_is_the_middle_of_the_ties_among_unseen_items",),
    "padding 0 in cross-entropy": ("next_item::softmax_in_chunks_is_cross_entropy_with_its_gradient",),
    "padding 0 in negatives": (
        "ranking::drawn_items_are_never_the_right_one_and_any_other",
        "next_item::items_that_do_not_compete_have_no_gradient",
    ),
    "target among its negatives": (
        "ranking::drawn_items_are_never_the_right_one_and_any_other",
        "pitfalls_scores::the_right_item_is_never_among_the_wrong_ones",
    ),
    "test loader is the validation loader": ("pitfalls_runs::test_is_test_and_validation_is_validation",),
    "partial or rotating windows": ("pitfalls_runs::every_evaluation_is_of_the_same_rows_and_the_last_of_all",),
    "choosing on test": ("pitfalls_runs::nothing_is_chosen_on_test", "ranking::nothing_is_learned_from_test"),
    "nan AUC of one-class users": ("pitfalls_scores::users_with_one_class_are_no_users_of_uauc",),
    "double softmax or sigmoid": (
        "pitfalls_scores::a_logit_becomes_a_probability_once",
        "pitfalls_scores::yes_against_no_is_one_softmax",
        "neural_encoders::ncf_answers_with_logits_and_is_both_halves",
    ),
    "Yes with or without its space": (
        "backbones_tokenizers::answers_are_one_token_each_where_they_first_differ",
        "prompts::answers_that_start_alike_are_refused",
    ),
    r"literal \n in prompts": ("prompts::the_oldest_titles_go_first_and_nothing_else",),
    "one head loaded as four": ("pitfalls_runs::weights_are_not_loaded_with_another_number_of_heads",),
    "warm-up within the epoch": ("pitfalls_runs::warm_up_counts_the_steps_of_the_stage",),
    "bf16 .numpy()": ("pitfalls_scores::half_precision_is_measured",),
    "padding that shifts positions": (
        "llama::a_row_does_not_depend_on_its_batch",
        "components::every_component_keeps_its_promises",
    ),
    "<unk> in titles": (
        "backbones_tokenizers::a_title_is_plain_text",
        "backbones_tokenizers::the_name_of_the_unknown_token_is_not_it",
    ),
    "truncation cuts a slot": ("pitfalls::a_prompt_that_is_cut_keeps_its_slots",),
    "PCA whitens": ("strategies::pca_is_fitted_on_the_items_of_train_alone",),
    "PCA leaves another scale": (
        "strategies::llm2sequential_starts_from_the_texts_and_finds_a_place_for_unseen_items",
    ),
    "caches on the class": ("pitfalls_runs::two_models_of_one_process_have_their_own_texts",),
    "cold test items are dropped": ("pitfalls_data::items_that_train_has_not_seen_are_asked_and_ranked",),
    "two Beauties": ("pitfalls_data::two_datasets_of_one_name_are_not_mixed",),
    "26 rows as the cold set": (
        "pitfalls_scores::a_set_of_26_rows_is_no_set",
        "interactions::subsets_partition_the_rows",
        "collm::rows_and_users_of_each_subset",
    ),
    "0.001 matters": (
        "pitfalls_scores::a_thousandth_is_shown_as_noise",
        "pitfalls_scores::the_noise_of_the_benchmark_is_a_hundredth",
    ),
}


@pytest.mark.parametrize("pitfall", PITFALLS)
def test_every_pitfall_has_its_tests(pitfall: str) -> None:
    for name in PITFALLS[pitfall]:
        file, test = name.split("::")
        text = Path(__file__).with_name(f"test_{file}.py").read_text(encoding="utf-8")
        assert re.search(rf"^def test_{test}\(", text, re.MULTILINE), f"there is no {name}"


@pytest.mark.parametrize("budget", [170, 260])
def test_a_prompt_that_is_cut_keeps_its_slots(budget: int, builtins: Plugins) -> None:
    """CoLLM cuts prompts at 1,024 tokens wherever that falls: within a slot it is a crash, behind it a question without
    its end. Here titles go, and every slot is whole, in its place, and heard."""
    use = {
        "encoder": ("sasrec", {"width": 8, "heads": 1, "max_length": 20}),
        "aligner": ("mlp", {"tokens": 3}),
        "backbone": ("tiny-llama", {"width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}),
        "strategy": ("token-mapping", {"titles": 20, "max_tokens": budget, "history_slots": True}),
    }
    kinds = {"encoder": "encoders", "aligner": "aligners", "backbone": "backbones", "strategy": "strategies"}
    chosen = {
        section: Choice(name, builtins.get(kinds[section], name).settings.model_validate(given))
        for section, (name, given) in use.items()
    }
    ask: Any = assemble(chosen, context(), builtins)[0].recommender("hybrid")
    given: Histories = histories([list(range(1, 21)), [4], []], 20)
    batch = ask.prompts.render(given.last(20), torch.tensor([3, 5, 7]))
    assert batch.dropped[0] > 0
    assert int(batch.lengths.max()) <= budget
    for row, titles in enumerate((20 - int(batch.dropped[0]), 1, 0)):
        at = torch.cat([found[row].flatten() for found in batch.slots.values()])
        whole = {field: found[row][(found[row] >= 0).all(1)] for field, found in batch.slots.items()}
        assert {field: len(found) for field, found in whole.items()} == {"history": titles, "user": 1, "item": 1}
        assert int((at >= 0).sum()) == len(at[at >= 0].unique()) == 3 * (titles + 2)
        assert int(at.max()) < int(batch.lengths[row])
        assert all((found.diff(dim=1) == 1).all() for found in whole.values()), "K tokens side by side"
    with torch.no_grad():
        before = ask.score(given, torch.tensor([[3], [5], [7]]))
        ask.encoder.items.weight[[3, 5, 7]] += 5.0
        assert (ask.score(given, torch.tensor([[3], [5], [7]])) != before).all(), "the target's slot is heard"
