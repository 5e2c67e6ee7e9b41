"""Which classes a way of choosing takes, by hand."""

from benchmarks.class_choice import FEW, SCORES, choices, ranked

CLASSES = 40
GROUPS = {"related": list(range(20)), "far": list(range(20, 40))}


def test_ranks_are_means_over_the_places_and_the_highest_score_is_first():
    order = ranked([[5.0, 1.0, 3.0, 0.0], [50.0, 2.0, 1.0, 0.0]]).argsort(kind="stable")
    assert order[0] == 0
    assert order[-1] == 3


def test_best_worst_and_groups():
    rising = [list(map(float, range(CLASSES)))]
    found = {score: rising for score in SCORES} | {"influence": [[-v for v in rising[0]]]}
    chosen = choices(found, GROUPS, seed=0)
    assert chosen[f"{FEW} best by the epoch ahead"] == list(
        range(CLASSES - 1, CLASSES - 1 - FEW, -1)
    )
    assert chosen[f"{FEW} worst by the epoch ahead"] == list(range(FEW - 1, -1, -1))
    assert chosen[f"{FEW} best by influence"] == list(range(FEW))
    assert set(chosen[f"{FEW} letters"]) <= set(GROUPS["related"])
    assert set(chosen[f"{FEW} signs and textures"]) <= set(GROUPS["far"])
    assert chosen["20 letters"] == GROUPS["related"]
    assert chosen[f"{CLASSES}, all"] == list(range(CLASSES))
    for way, classes in chosen.items():
        assert len(classes) == len(set(classes)) == int(way.split()[0].strip(","))
    assert chosen[f"{FEW} random"] != choices(found, GROUPS, seed=1)[f"{FEW} random"]
