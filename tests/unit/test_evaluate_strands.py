"""The measure of strands, against its definition spelt out by brute force."""

import numpy as np
import pytest

from backend.errors import StrandFileError
from backend.evaluate.strands import THRESHOLDS, OrientedPoints, OrientedPointSearch, evaluate
from backend.formats.strands import Strands


def hair(strands: int, points: int, seed: int, *, box=0.02, wander=0.4) -> np.ndarray:
    """(N, L, 3) metres: random walks in a small box, so that every place has hair in many directions."""
    random = np.random.default_rng(seed)
    direction = random.normal(size=(strands, 1, 3)) + wander * np.cumsum(
        random.normal(size=(strands, points, 3)), axis=1
    )
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    return (random.uniform(0, box, (strands, 1, 3)) + 0.001 * np.cumsum(direction, axis=1)).astype(np.float32)


def brute_force(queries: OrientedPoints, points: OrientedPoints, distance, angle, *, signed) -> np.ndarray:
    gap = np.linalg.norm(queries.positions[:, None] - points.positions[None], axis=2)
    cosine = queries.directions @ points.directions.T
    cosine = cosine if signed else np.abs(cosine)
    return ((gap <= distance) & (cosine >= np.cos(np.radians(angle)))).any(axis=1)


@pytest.mark.parametrize("box", [0.01, 0.03, 0.2])
def test_equals_the_definition(box):
    """Dense, hair-like and sparse, both signs, all thresholds."""
    prediction, truth = hair(60, 20, 1, box=box), hair(70, 20, 2, box=box)
    scores = evaluate(Strands.from_array(prediction), Strands.from_array(truth), points=20)
    a, b = (OrientedPoints.of(Strands.from_array(side).resampled(20)) for side in (prediction, truth))
    for s, signed in enumerate((False, True)):
        for t, (distance, angle) in enumerate(THRESHOLDS):
            precise = brute_force(a, b, distance, angle, signed=signed)
            recalled = brute_force(b, a, distance, angle, signed=signed)
            np.testing.assert_array_equal(scores.prediction.hits[s, t].ravel(), precise)
            np.testing.assert_array_equal(scores.truth.hits[s, t].ravel(), recalled)
            p, r = precise.mean(), recalled.mean()
            assert scores.precision[s, t] == pytest.approx(p)
            assert scores.recall[s, t] == pytest.approx(r)
            assert scores.f_score[s, t] == pytest.approx(2 * p * r / (p + r) if p + r else 0)


def test_many_neighbours_that_run_the_wrong_way_hide_no_hit():
    """400 points at 21 degrees lie nearer than the one at 19: the nearest ones alone would miss it."""
    random = np.random.default_rng(0)

    def tilted(degrees, count):
        turn = random.uniform(0, 2 * np.pi, count)
        sine = np.sin(np.radians(degrees))
        return np.stack([sine * np.cos(turn), sine * np.sin(turn), np.full(count, np.cos(np.radians(degrees)))], axis=1)

    positions = np.vstack([random.uniform(-0.0005, 0.0005, (400, 3)), [[0.0019, 0, 0]]])
    directions = np.vstack([tilted(21, 400), tilted(19, 1)])
    query = OrientedPoints(np.zeros((1, 3)), np.array([[0.0, 0, 1]]))
    search = OrientedPointSearch(OrientedPoints(positions, directions))
    assert search.hits(query)[:, 0].tolist() == [True, True, True]
    without = OrientedPointSearch(OrientedPoints(positions[:-1], directions[:-1]))
    assert without.hits(query)[:, 0].tolist() == [False, True, True]


def test_a_sample_of_dense_hair_equals_the_definition():
    prediction, truth = hair(40, 50, 3, box=0.05), hair(600, 50, 4, box=0.03, wander=0.05)
    a, b = OrientedPoints.of(prediction), OrientedPoints.of(truth)
    asked = a.rows(np.random.default_rng(0).choice(len(a), 80, replace=False))
    found = OrientedPointSearch(b).hits(asked)
    for t, (distance, angle) in enumerate(THRESHOLDS):
        np.testing.assert_array_equal(found[t], brute_force(asked, b, distance, angle, signed=True))


def test_hair_against_itself_turned_round_and_moved():
    strands = Strands.from_array(hair(50, 100, 5))
    same = evaluate(strands, strands)
    assert same.f_score.min() == 1.0
    assert same.prediction.error_levels().max() == 0
    turned = Strands.from_array(strands.points.reshape(-1, 100, 3)[:, ::-1])
    assert evaluate(strands, turned).f_score[0].min() > 0.99  # undirected: only the dropped tips differ
    line = np.linspace(0, 0.1, 100)[:, None] * [0, 0, 1.0]
    one, other = (Strands.from_array(side[None].astype(np.float32)) for side in (line, line + [0.0025, 0, 0]))
    np.testing.assert_array_equal(evaluate(one, other).f_score, [[0, 1, 1]] * 2)
    back = Strands.from_array(line[None, ::-1].astype(np.float32))
    assert evaluate(one, back).f_score[1].max() == 0 and evaluate(one, back).f_score[0].min() == 1


def test_counts_are_made_equal_by_arc_length():
    """A side sampled ten times as densely along its strands weighs no more."""
    fine = hair(80, 200, 6)
    coarse = fine[:, ::10]
    both = evaluate(Strands.from_array(fine), Strands.from_array(coarse), points=50)
    assert both.prediction.hits.shape == both.truth.hits.shape == (2, 3, 80, 49)


def test_too_many_points_are_sampled_but_all_are_compared_with():
    prediction, truth = Strands.from_array(hair(30, 20, 7)), Strands.from_array(hair(300, 20, 8))
    whole = evaluate(prediction, truth, points=20)
    some = evaluate(prediction, truth, points=20, maximum_points=1000, seed=4)
    assert len(some.truth.strands) == 50
    np.testing.assert_array_equal(some.prediction.hits, whole.prediction.hits)
    np.testing.assert_array_equal(some.truth.hits, whole.truth.hits[:, :, some.truth.strands])
    assert evaluate(prediction, truth, points=20, maximum_points=1000, seed=4).csv() == some.csv()


def test_empty_side_is_one_sentence():
    with pytest.raises(StrandFileError, match="truth has no strands"):
        evaluate(Strands.from_array(hair(2, 5, 0)), Strands(np.zeros((0, 3)), np.zeros(0)))


def test_table_and_csv_say_what_was_measured():
    strands = Strands.from_array(hair(10, 30, 9))
    scores = evaluate(strands, strands, points=30)
    assert scores.csv().splitlines()[:2] == [
        "sign,millimetres,degrees,precision,recall,f_score",
        "undirected,2,20,100.0000,100.0000,100.0000",
    ]
    assert len(scores.as_dict()["rows"]) == 6 and scores.as_dict()["sampling"]["points_per_strand"] == 30
    assert "undirected" in scores.table() and "by arc length" in scores.table()


def test_the_job_leaves_scores_and_errors(tmp_path):
    from backend.contract import EvaluateStrands
    from backend.formats.strand_files import write_strands
    from backend.jobs.evaluate_strands import run
    from backend.protocol import SilentReporter

    strands = Strands.from_array(hair(12, 30, 10, wander=0.0))
    write_strands(tmp_path / "prediction.hair", strands)
    write_strands(tmp_path / "truth.data", strands)
    request = EvaluateStrands(tmp_path / "prediction.hair", tmp_path / "truth.data", points=30)
    result = run(request, SilentReporter(tmp_path))
    assert [row["f_score"] for row in result["rows"]] == [100.0] * 6
    assert (tmp_path / result["csv"]).read_text().count("\n") == 7
    with np.load(tmp_path / result["errors"], allow_pickle=False) as errors:
        assert errors["prediction_levels"].shape == errors["truth_levels"].shape == (12, 29)
        assert errors["truth_strands"].tolist() == list(range(12)) and not errors["prediction_levels"].any()
