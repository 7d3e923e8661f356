"""What `--status` says of a ledger."""

from retrain_story import arrival, ready

from pipeline.retrain import status


def test_nothing_yet(story):
    assert status.lines(story.state, now=0.0) == ["no span has been seen yet"]


def test_what_waits_what_is_parked_and_the_last_runs(story):
    story.see([*ready(s1="a", s2="b", s3="c"), arrival(4, why="no _SUCCESS")])
    story.train(pushed_version=5)
    story.fail("rows.jsonl:3: bad " * 20, permanent=True)
    found = status.lines(story.state, now=story.now)
    text = "\n".join(found)
    assert found[0] == "4 spans: 1 pending, 1 waiting, 1 parked, 1 pushed"
    for part in ("span 3        next", "no _SUCCESS", "tokenline retrain --retry 2", "last runs"):
        assert part in text
    assert max(map(len, found)) <= 80
    rows = status.as_rows(story.state)
    assert [one["span"] for one in rows["queue"]] == [3, 4]
    assert [run["state"] for run in rows["runs"]] == ["failed", "pushed"]
