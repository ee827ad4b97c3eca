"""Trials of a session and what the board made of its commands, counted; each message once."""

from collections import Counter
from collections.abc import Iterable

from online.messages import MANUAL_RULE, PulseReceipt, Trial


class TrialCounts:
    """`by_block`: outcomes by (block, rule), none by hand; `by_hand`: pulses; `commands`: outcomes of receipts."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.by_block: dict[tuple[str, str], Counter[str]] = {}
        self.by_hand = 0
        self.commands: Counter[str] = Counter()
        self._receipts: set[PulseReceipt] = set()

    def add(self, trial: Trial) -> None:
        """Take the newest trial."""
        self.trials.append(trial)
        self._count(trial)

    def add_receipt(self, receipt: PulseReceipt) -> None:
        """Take a receipt."""
        self._receipts.add(receipt)
        self.commands[receipt.outcome] += 1

    def add_earlier(self, trials: list[Trial]) -> list[Trial]:
        """Take trials from before; returns those that were not known."""
        known = set(self.trials)
        fresh = [trial for trial in trials if trial not in known]
        self.trials[:0] = fresh
        for trial in fresh:
            self._count(trial)
        return fresh

    def unknown(self, receipts: Iterable[PulseReceipt]) -> list[PulseReceipt]:
        """Those that were not taken."""
        return [receipt for receipt in receipts if receipt not in self._receipts]

    def _count(self, trial: Trial) -> None:
        if trial.rule == MANUAL_RULE:
            self.by_hand += trial.outcome == "pulse"
        else:
            self.by_block.setdefault((trial.block, trial.rule), Counter())[trial.outcome] += 1

    def blocks(self) -> list[str]:
        """Names of the blocks that had a trial, in order of the alphabet."""
        return sorted({block for block, _ in self.by_block})

    def total(self, outcome: str) -> int:
        """Trials with an outcome, of all rules in all blocks."""
        return sum(counts[outcome] for counts in self.by_block.values())

    def in_block(self, block: str, outcome: str) -> int:
        """Trials with an outcome, of all rules in one block."""
        return sum(counts[outcome] for (name, _), counts in self.by_block.items() if name == block)
