"""Spans as they lie in their folders, and runs without a line behind them."""

from pipeline.retrain import observing, outcomes, planning
from pipeline.retrain.arrivals import Arrival
from pipeline.retrain.states import State


def arrival(span, content="a", *, why=""):
    """A span folder; `content` stands for its files."""
    signature = f"signature of {content} {why}".strip()
    return Arrival(span, f"data/span-{span}", signature, "" if why else content, not why, why)


def ready(**contents):
    """Arrivals by "s<span>" = content."""
    return [arrival(int(name[1:]), content) for name, content in contents.items()]


class Story:
    """A ledger and what happens to it, a second each."""

    def __init__(self, state=None, **settings):
        self.state, self.now = state or State(), 1000.0
        self.settings = {
            "window": 1,
            "refused": 0,
            "together": False,
            "code": "c",
            "config_digest": "d",
            "readable": lambda version: False,
        } | settings
        self.late, self.retries, self.backoff_seconds = "retrain", 3, 30.0

    def see(self, arrivals):
        self.now += 1
        self.state = observing.observe(self.state, arrivals, late=self.late, now=self.now)
        return self

    def plan(self):
        return planning.next_plan(self.state, now=self.now, **self.settings)

    def claim(self):
        self.now += 1
        plan = self.plan()
        assert plan is not None
        self.state = outcomes.claim(self.state, plan, pid=7, now=self.now)
        return plan

    def train(self, *, pushed=True, **told):
        """The next run, to its end; returns its plan."""
        plan = self.claim()
        self.finish(plan.key, pushed=pushed, **told)
        return plan

    def finish(self, key, *, pushed=True, **told):
        self.now += 1
        self.state = outcomes.finished(self.state, key, pushed=pushed, now=self.now, **told)

    def fail(self, reason="no reason", *, permanent=False):
        """The next run, to its failure."""
        plan = self.claim()
        self.state = outcomes.failed(
            self.state, plan.key, reason, permanent=permanent, retries=self.retries,
            backoff_seconds=self.backoff_seconds, now=self.now,
        )  # fmt: skip
        return plan

    def states(self):
        """(span, version) -> state, short."""
        return {one.identity: one.state for one in self.state.spans}

    def newest(self, span):
        return self.state.newest()[span]
