"""A world of span folders, runners and crashes around the ledger, and what must hold in it all the time.

The machine knows what has really been trained: an outcome lies on disk before the ledger hears of it, and
outlives whoever made it. Everything goes through documents, as it does on disk.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from retrain_story import arrival

from pipeline.retrain import documents, observing, outcomes, planning
from pipeline.retrain.states import TRAINED, State

BACKOFF = 30.0
# What the arguments of rules may be, for hypothesis and for `walk`.
CHOICES = {
    "span": (1, 1, 1, 2, 3, 4),
    "content": ("x", "y", "z"),
    "ready": (True, True, True, False),
    "seconds": (1.0, 29.0, 60.0, 5000.0, -400.0, -1e5),
    "pushed": (True, False),
    "permanent": (False, False, True),
    "meanwhile": ("nothing", "nothing", "nothing", "other", "dies before", "dies after"),
    "late": ("retrain", "retrain", "ignore", "error"),
    "window": (1, 2, 3, None),
    "refused": (0, 1, 3, None),
    "readable": ("", "x", "xyz"),
    "together": (False, True),
    "retries": (0, 1, 2),
    "ends_well": (True, False),
    "again": (True, False),
}
CONFIGURED = ("late", "window", "refused", "readable", "together", "retries", "ends_well")
DRAWN = {name: st.sampled_from(values) for name, values in CHOICES.items()}
# How often a walk takes a rule, if not once.
WEIGHTS = {
    "first_files_come_again": 2,
    "look": 6,
    "start_next": 8,
    "child_ends": 6,
    "tell": 6,
    "fail": 4,
    "is_told_late": 4,
}


class MemoryLedger:
    """As `ledger.Ledger`, in memory."""

    def __init__(self):
        self._state, self._token = State(), 0

    def load(self):
        return self._state, str(self._token)

    def save(self, state, token):
        if token != str(self._token):
            return False
        text = documents.as_text(state)
        self._state, self._token = documents.from_text(text, "memory"), self._token + 1
        return True


@dataclass
class World:
    """What there is outside of the ledger.

    Attributes:
      folders: span -> (content, whether it is ready).
      claims: run key -> the plan; what was claimed last, by whomever.
      alive: key of the run whose claimer lives, or None.
      outcomes: run key -> whether it was pushed; each is made once.
      seen: span -> content that the ledger has been shown last, when it was ready.
    """

    folders: dict[int, tuple[str, bool]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    alive: str | None = None
    outcomes: dict[str, bool] = field(default_factory=dict)
    seen: dict[int, str] = field(default_factory=dict)


class LedgerMachine(RuleBasedStateMachine):
    """`functions` may be a mutant of the real ones."""

    functions: Any = {**vars(observing), **vars(planning), **vars(outcomes)}

    def __init__(self):
        super().__init__()
        self.world, self.ledger, self.now = World(), MemoryLedger(), 1e6
        self.before = State()

    def call(self, name, *arguments, **named):
        return self.functions[name](*arguments, **named)

    @initialize(
        late=DRAWN["late"],
        window=DRAWN["window"],
        refused=DRAWN["refused"],
        readable=DRAWN["readable"],
        together=DRAWN["together"],
        retries=DRAWN["retries"],
        ends_well=DRAWN["ends_well"],
    )
    def configure(self, late, window, refused, readable, together, retries, ends_well):
        """`readable`: the contents that can be read though late files lie beside them."""
        self.late, self.retries, self.together, self.ends_well = late, retries, together, ends_well
        self.planned = {"window": window, "refused": refused, "together": together, "code": "c"}
        self.planned |= {"config_digest": "d", "readable": lambda one: one.content in readable}

    # The world outside.

    @rule(span=DRAWN["span"], content=DRAWN["content"], ready=DRAWN["ready"])
    def files_come(self, span, content, ready):
        self.world.folders[span] = (content, ready)

    @rule(span=DRAWN["span"])
    def first_files_come_again(self, span):
        first = next((one for one in self.state().spans if one.span == span), None)
        if first and first.content:
            self.world.folders[span] = (first.content, True)

    @rule(span=DRAWN["span"])
    def folder_goes(self, span):
        self.world.folders.pop(span, None)

    @rule(seconds=DRAWN["seconds"])
    def clock_moves(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.world.alive)
    @rule()
    def runner_dies(self):
        self.world.alive = None

    @precondition(lambda self: self.world.alive and self.world.alive not in self.world.outcomes)
    @rule(pushed=DRAWN["pushed"])
    def child_ends(self, pushed):
        """The model is there, and pushed or not; the ledger does not know yet."""
        self.world.outcomes[self.world.alive] = pushed

    # What runners do. Each loads, changes and saves; `meanwhile` says what happens before the save.

    @rule(meanwhile=DRAWN["meanwhile"])
    def look(self, meanwhile):
        self.save(self.looked, meanwhile)

    @rule(meanwhile=DRAWN["meanwhile"])
    def start_next(self, meanwhile):
        state = self.state()
        plan = self.plan(state)
        if plan is None:
            return
        self.check_plan(state, plan)
        if plan.done:
            self.save(lambda _: self.call("adopt", state, plan, now=self.now), meanwhile, state)
            return
        saved = self.save(
            lambda _: self.call("claim", state, plan, pid=7, now=self.now), meanwhile, state
        )
        if saved:
            assert plan.key not in self.world.outcomes, "what was trained is trained again"
            self.world.claims[plan.key] = plan
            self.world.alive = None if meanwhile == "dies after" else plan.key

    @precondition(lambda self: self.world.alive in self.world.outcomes)
    @rule(meanwhile=DRAWN["meanwhile"])
    def tell(self, meanwhile):
        key = self.world.alive
        self.save(lambda state: self.finish(state, key), meanwhile)
        if meanwhile != "nothing":
            self.save(lambda state: self.finish(state, key))
        self.world.alive = None

    @precondition(lambda self: self.world.alive and self.world.alive not in self.world.outcomes)
    @rule(permanent=DRAWN["permanent"], meanwhile=DRAWN["meanwhile"])
    def fail(self, permanent, meanwhile):
        key, settings = self.world.alive, {"retries": self.retries, "backoff_seconds": BACKOFF}
        settings |= {"permanent": permanent, "now": self.now}
        if self.save(lambda state: self.call("failed", state, key, "bad", **settings), meanwhile):
            for one in self.state().spans:
                if one.state == "parked" and one.run_key == key and not permanent:
                    assert one.attempts > self.retries, "parked too early"
        self.world.alive = None

    @precondition(lambda self: self.world.alive and self.world.alive not in self.world.outcomes)
    @rule(meanwhile=DRAWN["meanwhile"])
    def interrupt(self, meanwhile):
        key = self.world.alive
        self.save(lambda state: self.call("release", state, key, now=self.now), meanwhile)
        self.world.alive = None

    @precondition(lambda self: not self.world.alive)
    @rule(meanwhile=DRAWN["meanwhile"])
    def find_the_dead(self, meanwhile):
        self.save(self.recovered, meanwhile)

    @precondition(lambda self: not self.world.alive)
    @rule(content=DRAWN["content"], again=DRAWN["again"])
    def is_told_late(self, content, again):
        """The claim is given back, its files change, and only then its outcome is found."""
        run = self.state().claimed()
        if run is None or run.key not in self.world.outcomes:
            return
        self.save(lambda state: self.call("recover", state, retries=self.retries, now=self.now))
        span = run.new[0][0]
        first = next(one.content for one in self.state().spans if one.span == span)
        self.world.folders[span] = (first if again else content, True)
        self.save(self.looked)
        self.save(lambda state: self.finish(state, run.key))

    @rule(span=DRAWN["span"], meanwhile=DRAWN["meanwhile"])
    def user_retries(self, span, meanwhile):
        def retried(state):
            newest = state.newest().get(span)
            if newest and newest.state in ("parked", "ignored", "pending") and not newest.gone:
                return self.call("retry", state, span, now=self.now)
            return state

        self.save(retried, meanwhile)

    # What holds at any time.

    @invariant()
    def one_record_of_each(self):
        state = self.state()
        identities = [one.identity for one in state.spans]
        assert identities == sorted(set(identities)), "a version twice, or out of order"
        keys = [run.key for run in state.runs]
        assert len(keys) == len(set(keys)), "a run twice"
        claimed = [run.key for run in state.runs if run.state == "claimed"]
        assert len(claimed) <= 1, "two runs at once"
        held = {one.run_key for one in state.spans if one.state == "claimed"}
        assert held == set(claimed), "a claim without its run, or a run without its claims"

    @invariant()
    def versions_follow_each_other(self):
        versions: dict[int, list[Any]] = {}
        for one in self.state().spans:
            versions.setdefault(one.span, []).append(one)
        for own in versions.values():
            assert [one.version for one in own] == [*range(1, len(own) + 1)], "a version is lost"
            assert all(one.state in TRAINED for one in own[:-1]), (
                "an untrained version is passed over"
            )
            for one, after in itertools.pairwise(own):
                assert one.content != after.content, "new content is what was there"

    @invariant()
    def new_in_exactly_one_run(self):
        state = self.state()
        for one in state.spans:
            if one.state in TRAINED:
                assert self.world.outcomes[one.run_key] == (one.state == "pushed")
                of = self.world.claims[one.run_key].spans
                assert (*one.identity, one.content) in of, "trained as another version"
                assert one.identity in self.world.claims[one.run_key].new, "no run of its own"
        done = [run for run in state.runs if run.state in TRAINED]
        new = [identity for run in done for identity in self.world.claims[run.key].new]
        assert len(new) == len(set(new)), "a span version is new in two runs"
        trained = {one.identity for one in state.spans if one.state in TRAINED}
        assert set(new) <= trained, "what was trained is not known"

    @invariant()
    def what_was_trained_stays(self):
        state = self.state()
        now = {one.identity: one for one in state.spans}
        for one in self.before.spans:
            if one.state in TRAINED:
                there = now[one.identity]
                same = (there.state, there.content, there.run_key)
                assert same == (one.state, one.content, one.run_key), "the past has changed"
        self.before = state

    @invariant()
    def nothing_is_forgotten(self):
        newest = self.state().newest()
        assert set(self.world.seen) <= set(newest), "a span is forgotten"
        for span, content in self.world.seen.items():
            one = newest[span]
            if one.state != "waiting" and one.state != "claimed" and one.signature:
                assert one.content == content, "content that was seen is forgotten"

    @invariant()
    def attempts_are_counted(self):
        for one in self.state().spans:
            if one.state == "pending":
                assert one.attempts <= max(1, self.retries), "never parked"
            if one.state in ("parked", "refused", "ignored", "waiting"):
                assert one.reason, "no reason"

    def teardown(self):
        """Quiet: the dead are found, files are complete, and runs all end, or all fail.

        Then nothing is left to do.
        """
        if not hasattr(self, "planned"):
            return
        self.world.alive = None
        self.world.folders = {span: (text, True) for span, (text, _) in self.world.folders.items()}
        for _ in range(100):
            self.save(self.recovered)
            self.save(self.looked)
            self.now = self.call("wake_at", self.state(), self.now) or self.now
            self.start_next("nothing")
            if self.world.alive and not self.ends_well:
                self.fail(permanent=False, meanwhile="nothing")
            elif self.world.alive:
                self.world.outcomes[self.world.alive] = True
                self.tell("nothing")
            elif self.plan(self.state()) is None:
                break
        newest = self.state().newest()
        for span, (content, _) in self.world.folders.items():
            assert newest[span].state in ("pushed", "refused", "parked", "ignored"), "not done"
            assert newest[span].content == content, "what lies there was never taken"
        self.check()

    # Steps.

    def state(self):
        return self.ledger.load()[0]

    def plan(self, state):
        return self.call("next_plan", state, now=self.now, **self.planned)

    def looked(self, state):
        arrivals = [
            arrival(span, content, why="" if ready else "no _SUCCESS")
            for span, (content, ready) in self.world.folders.items()
        ]
        changed = self.call("observe", state, arrivals, late=self.late, now=self.now)
        again = self.call("observe", changed, arrivals, late=self.late, now=self.now + 1)
        assert again == changed, "a second look finds something"
        claimed = {one.span for one in state.spans if one.state == "claimed"}
        for span, (content, ready) in self.world.folders.items():
            if ready and span not in claimed:
                self.world.seen[span] = content
        return changed

    def finish(self, state, key):
        pushed = self.world.outcomes[key]
        return self.call("finished", state, key, pushed=pushed, now=self.now, reason="for reasons")

    def recovered(self, state):
        run = state.claimed()
        if run and run.key in self.world.outcomes:
            return self.finish(state, run.key)
        return self.call("recover", state, retries=self.retries, now=self.now)

    def save(self, change, meanwhile="nothing", loaded=None):
        """Whether the change was saved in the end; dying before the save is not."""
        state, token = self.ledger.load()
        assert loaded in (None, state)
        seen = dict(self.world.seen)
        changed = change(state)
        if meanwhile == "dies before":
            self.world.seen = seen
            return False
        if meanwhile == "other" and self.ledger.load()[0] != self.looked(state):
            self.save(self.looked)
            assert not self.ledger.save(changed, token), "somebody's save is overwritten"
            if loaded is not None:
                return False
            return self.save(change)
        return self.ledger.save(changed, token)

    def check(self):
        """All that holds at any time."""
        for each in self.invariants:
            each.function(self)

    def check_plan(self, state, plan):
        """What is to be run, against the ledger that it is planned from."""
        versions = {one.identity: one for one in state.spans}
        pending = [one.identity for one in state.spans if one.state == "pending"]
        assert list(plan.new) == pending[: len(plan.new)], "a pending span is skipped"
        assert len(plan.new) == 1 or self.together, "several at once"
        assert all(versions[one].is_due(self.now) for one in plan.new), "tried in its back-off"
        spans = [span for span, _, _ in plan.spans]
        assert spans == sorted(set(spans)), "a span is twice in the window"
        assert {(span, version) for span, version, _ in plan.spans} >= set(plan.new)
        for span, version, content in plan.spans:
            one = versions[span, version]
            assert one.content == content, "content that is not the version's"
            assert one.identity in plan.new or one.state in TRAINED, "an untrained span is replayed"
            assert not one.gone, "a span is read that is not there"
            assert state.newest()[span] == one or self.planned["readable"](one), (
                "files are read that were trained otherwise"
            )
        new = {span for span, _ in plan.new}
        most, trained = self.planned["window"], {}
        for one in state.spans:
            newest = state.newest()[one.span] == one
            there = not one.gone if newest else self.planned["readable"](one)
            if one.state in TRAINED and one.span not in new:
                trained[one.span] = (one, there)
        others = [one for one, there in trained.values() if there]
        room = len(others) if most is None else max(0, most - len(plan.new))
        wanted = {one.span for one in others[max(0, len(others) - room) :]}
        lost = [one.span for one in others if self.is_lost(state, one)]
        refused = self.planned["refused"]
        wanted |= set(lost if refused is None else lost[max(0, len(lost) - refused) :])
        assert set(spans) == wanted | new, "not the newest others, and those that were refused"
        assert self.plan(state) == plan, "not the same run for the same ledger"

    @staticmethod
    def is_lost(state, one):
        """Whether no pushed model can have learned from a version: refused, and no push came after it."""
        states = [run.state for run in state.runs]
        last_push = max((at for at, each in enumerate(states) if each == "pushed"), default=-1)
        of = [
            at for at, run in enumerate(state.runs) if one.identity in [new[:2] for new in run.new]
        ]
        return any(at > last_push and states[at] == "refused" for at in of)


def walk(machine, draw, steps):
    """A life of the machine, without what hypothesis does around it: for many of them."""
    machine.configure(**{name: draw.choice(CHOICES[name]) for name in CONFIGURED})
    rules = [one for one in machine.rules for _ in range(WEIGHTS.get(one.function.__name__, 1))]
    for _ in range(steps):
        step = draw.choice([one for one in rules if all(may(machine) for may in one.preconditions)])
        step.function(machine, **{name: draw.choice(CHOICES[name]) for name in step.arguments})
        machine.check()
    machine.teardown()
