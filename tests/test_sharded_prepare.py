"""Users put into shards: the same bytes as at once, for any number of shards and every option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sasrec_llm.components import Source
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.shards import Shard, check
from sasrec_llm.errors import DataError, StorageError
from sasrec_llm.plugins import Plugins

LINES = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "07", " 7", "7", "u1", "", " ", "é", "99999999999"]),
        st.sampled_from(["1", "2", "01", "i1", "i,2", "", "99999999999"]),
        st.sampled_from(["5", "5", "1", "x", "", "inf"]),
        st.sampled_from(["100", "100", "200", "86400", "172800", "-1", "2001-02-03", "1600000000000", ""]),
    ),
    min_size=1,
    max_size=40,
)
BAD = "u1,i1,4\nu1,i1,4,1,2,3\n"  # too few and too many columns


def outcome(source: Source, given: Path | None, folder: Path, own: OwnData, shards: int | None) -> dict[str, Any]:
    """Every file but the costs; or the error."""
    try:
        prepare(source, given=given, folder=folder / "own", cache=folder, own=own, shards=shards)
    except DataError as error:
        return {"error": str(error), "hint": error.hint}
    return {path.name: path.read_bytes() for path in (folder / "own").iterdir() if path.name != "costs.json"}


def same_in_shards(
    source: Source, given: Path | None, folder: Path, own: OwnData, counts: tuple[int, ...] = (1, 2, 5)
) -> dict[str, Any]:
    expected = outcome(source, given, folder, own, None)
    for shards in counts:
        found = outcome(source, given, folder, own, shards)
        assert found.keys() == expected.keys()
        assert [name for name in found if found[name] != expected[name]] == [], f"differ with {shards} shards"
    return expected


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=LINES,
    min_user=st.integers(0, 3),
    min_item=st.integers(0, 3),
    once=st.booleans(),
    max_id=st.sampled_from([None, 1, 3]),
    since=st.sampled_from([None, "1970-01-02"]),
    until=st.sampled_from([None, "1970-01-03"]),
    shards=st.sampled_from([2, 5]),
)
def test_any_rows_with_any_options(lines: list[tuple[str, ...]], shards: int, tmp_path: Path, **options: Any) -> None:
    quoted = (",".join(f'"{value}"' if "," in value else value for value in line) for line in lines)
    given = tmp_path / "own.csv"
    given.write_text("user,item,rating,timestamp\n" + "\n".join(quoted) + "\n" + BAD, encoding="utf-8")
    own = OwnData.model_validate({**options, "max_bad": 1})
    same_in_shards(own_source("own"), given, tmp_path, own, (shards,))


def test_rows_by_position_or_with_more_columns(tmp_path: Path) -> None:
    lines = "".join(f"u{i % 3},i{i % 7},{30 - i},Film {i % 7}\n" for i in range(30))
    given = tmp_path / "own.csv"
    given.write_text("user,item,pos,title\n" + lines + "u1,i1,x,Film\nu2,i2\n", encoding="utf-8")
    found = same_in_shards(own_source("own"), given, tmp_path, OwnData(order="pos", max_id=2, max_bad=1))
    assert "error" not in found
    refused = same_in_shards(own_source("own"), given, tmp_path, OwnData(order="pos", max_bad=0.01))
    assert "rows cannot be used" in refused["error"]
    refused = same_in_shards(
        own_source("own"),
        given,
        tmp_path,
        OwnData.model_validate({"order": "pos", "since": "2000-01-01", "max_bad": 1}),
    )
    assert "need times" in refused["error"]


@pytest.mark.parametrize(
    ("name", "given", "options"),
    [
        ("ml-1m", "ml-1m-reconstructed/ml-1m.zip", {"min_user": 50, "min_item": 50, "max_id": 900}),
        ("ml-100k", "ml-100k", {"since": "1997-12-01", "until": "1998-03-01"}),
        ("collm-ml-1m", "collm-ml-1m", {}),
    ],
)
def test_published_data(
    name: str, given: str, options: dict[str, Any], shared: Path, builtins: Plugins, tmp_path: Path
) -> None:
    source = builtins.get("sources", name)
    found = same_in_shards(source, shared / given, tmp_path, OwnData.model_validate(options), (5,))
    assert "interactions.parquet" in found


def test_reviews_of_amazon(builtins: Plugins, tmp_path: Path) -> None:
    rows = [
        f'{{"reviewerID": "A{i % 9}", "asin": "B{i % 5}", "overall": {1 + i % 5}.0, "unixReviewTime": {10 * i}}}'
        for i in range(60)
    ]
    given = tmp_path / "reviews_Beauty_5.json"
    given.write_text("\n".join([*rows, "{broken", '{"asin": "B1", "overall": 5.0}']) + "\n", encoding="utf-8")
    own = OwnData(min_user=7, max_bad=1)
    assert "error" not in same_in_shards(builtins.get("sources", "amazon"), given, tmp_path, own)


def test_a_folder_that_a_machine_does_not_see(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "elsewhere", OwnData(), threads=1)
    with pytest.raises(StorageError, match=r"sees no .*elsewhere") as caught:
        check(shard)
    assert "SRL_DATA" in caught.value.hint
