"""The public conformance suite: does a model keep to the plug-in API?

    from rae_bench.testing import assert_model, list_checks

    def test_my_model() -> None:
        assert_model("path/to/my_model.py:MyModel")

or, one test per check:

    @pytest.mark.parametrize("check", list_checks(MyModel), ids=str)
    def test_conforms(check: PendingCheck) -> None:
        check.require()

A model is tried on two tiny built-in domains, with a few clips of 2.5 s each. The checks say whether it keeps to the
API, not whether it moves well. They run the model in this process, on what the benchmark would hand it: training
domains to `pretrain` and `adapt`, and to `generate` a prompt and a context without domain or budget. They see outputs
only, and cannot find out a model that looks for more: that a benchmark's model process holds no more is the
benchmark's affair (docs/concepts/protocol.md#what-a-model-process-can-and-cannot-see).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.testing.check import Check, Skipped
from rae_bench.testing.checks import CHECKS, TOLERANCE
from rae_bench.testing.rigs import CHECKS_OF_RIGS, check_rig
from rae_bench.testing.subject import Material, Subject

__all__ = [
    "CHECKS",
    "CHECKS_OF_RIGS",
    "TOLERANCE",
    "Check",
    "Material",
    "PendingCheck",
    "Skipped",
    "Subject",
    "assert_model",
    "check_model",
    "check_rig",
    "list_checks",
]


@dataclass(frozen=True)
class PendingCheck:
    """One check of one model, yet to be run; for `pytest.mark.parametrize`."""

    function: Callable[[Subject], str]
    subject: Subject

    @property
    def name(self) -> str:
        """The check's name."""
        return self.function.__name__

    def __str__(self) -> str:
        return self.name

    def run(self) -> Check:
        """Run the check. A model that raises fails it, with what it raised as the reason."""
        try:
            reason = self.function(self.subject)
        except Skipped as skipped:
            return Check(self.name, True, f"skipped: {skipped}")
        except Exception as error:  # a model is foreign code
            last = traceback.extract_tb(error.__traceback__)[-1]
            return Check(
                self.name, False, f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            )
        return Check(self.name, not reason, reason)

    def require(self) -> None:
        """Run the check. Raises `AssertionError` with the reason where it fails."""
        check = self.run()
        if not check.ok:
            raise AssertionError(f"{check.name}: {check.reason}")


def list_checks(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0
) -> list[PendingCheck]:
    """The checks of a model, to be run one by one; what they share is made once. Arguments as of `check_model`."""
    subject = Subject(model, options, updates, seed)
    return [PendingCheck(function, subject) for function in CHECKS]


def check_model(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0,
    begun: Callable[[str], None] = lambda name: None, ended: Callable[[Check], None] = lambda check: None,
) -> list[Check]:
    """Try a model on tiny built-in data.

    Args:
        model: name of an entry, `package.module:Class`, `path/to/file.py:Class`, or the class itself.
        options: keyword arguments of the model.
        updates: optimiser steps of each training; a handful is enough to see whether a model keeps to the API.
        seed: of the trainings.
        begun: is called with the name of each check before it.
        ended: is called with the result of each check after it.

    Raises:
        UserError: there is no such model, or it does not take these options. Whatever else a model raises is a failed
            check.
    """
    checks = list_checks(model, options=options, updates=updates, seed=seed)
    error = _error_in(checks[0].subject)
    if isinstance(error, UserError):
        raise error
    found = []
    for pending in checks:
        begun(pending.name)
        found.append(pending.run())
        ended(found[-1])
    return found


def _error_in(subject: Subject) -> Exception | None:
    """What a model raises when it is made. The checks report it, unless it is the caller's."""
    try:
        subject.make()
    except Exception as error:
        return error
    return None


def assert_model(
    model: str | type, *, options: Mapping[str, Any] | None = None, updates: int = 20, seed: int = 0
) -> None:
    """As `check_model`, but raises `AssertionError` with every failure. Arguments are those of `check_model`."""
    failed = [check for check in check_model(model, options=options, updates=updates, seed=seed) if not check.ok]
    if failed:
        lines = "\n".join(f"  {check.name}: {check.reason}" for check in failed)
        raise AssertionError(f"{len(failed)} of {len(CHECKS)} checks failed\n{lines}")
