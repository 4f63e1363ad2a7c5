"""What otelllm raises into an app: refusals, and mistakes in its own settings. Nothing else."""

__all__ = ["BadConfig", "Blocked", "BudgetExceeded", "KillSwitchOn", "RateLimited"]


class BadConfig(ValueError):  # noqa: N818  public, and named so in every error text of ours
    """A setting or policy that can't be used: names the value, its file and line where it has them, and the way out."""


class Blocked(Exception):  # noqa: N818  "Blocked" is what users catch; it is a refusal, not a fault
    """A call that a rule of the policy refused; raised before the provider was asked, or in the middle of a stream.

    `rule` and `scope` say which rule, and whom it counted; `used` and `cap` are in the rule's own unit (requests,
    tokens, US dollars), where it counts anything; `opens_in_s` is how many seconds from now such a call passes again,
    None where that can't be told, infinite where it never does.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str = "",
        scope: str = "",
        used: float | None = None,
        cap: float | None = None,
        opens_in_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.scope = scope
        self.used = used
        self.cap = cap
        self.opens_in_s = opens_in_s


class RateLimited(Blocked):
    """A limit of the policy is reached, and waiting was not asked for, or would take too long."""


class BudgetExceeded(Blocked):
    """A budget of the policy is used up, or would be by this call; or a stream has reached it."""


class KillSwitchOn(Blocked):
    """The kill switch is on for this call; ``rule`` and ``scope`` say which one."""
