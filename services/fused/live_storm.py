"""Faults that last, brought upon a run at their times; those of single requests are in the network."""

from functools import partial
from typing import TYPE_CHECKING

from services.fused.live_mesh import BROKER
from services.fused.live_plan import Window
from shared.messages import control
from shared.messages.system import SourceBack, SourceSilent
from shared.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from services.fused.live import LiveRun

SILENT_AFTER_NS = NS_PER_S
"""The bus calls a service silent after this long."""
FROZEN = ("strategy", "risk", BROKER)
STEPS_MAX = 40
OPERATOR = "operator"
RESUME_AFTER_NS = 3 * NS_PER_S


class Storm:
    """Schedules the windows of a plan on a run."""

    def __init__(self, run: "LiveRun", origin_ns: int) -> None:
        self._run = run
        self._actions = {
            "cut": self._cut,
            "half_open": self._half_open,
            "maintenance": self._maintenance,
            "ban": self._ban,
            "skew": self._skew,
            "manual": self._manual,
            "crash": self._crash,
            "power": self._power,
            "freeze": self._freeze,
            "restart": self._restart,
            "kill": self._kill,
            "cancel_all": self._cancel_all,
            "disk": self._disk,
        }
        for window in run.plan.windows:
            action = self._actions.get(window.what)
            if action is not None:
                begin_ns, end_ns = origin_ns + window.begin_ns, origin_ns + window.end_ns
                moved = window._replace(begin_ns=begin_ns, end_ns=end_ns)
                run.timeline.at(begin_ns, partial(action, moved))

    # ---- network and venue

    def _cut(self, window: Window) -> None:
        if self._run.network is not None:
            self._run.network.cut(window.venue, "connection reset")

    def _half_open(self, window: Window) -> None:
        if self._run.network is not None:
            self._run.network.deafen(window.venue, window.end_ns)

    def _maintenance(self, window: Window) -> None:
        self._cut(window)

    def _ban(self, window: Window) -> None:
        self._run.venues.ban(window.venue, (window.end_ns - window.begin_ns) // NS_PER_MS)

    def _skew(self, window: Window) -> None:
        self._run.venues.skew(window)

    def _manual(self, window: Window) -> None:
        self._run.venues.trade_by_hand(window.venue, window.amount)
        self._run.timeline.after(RESUME_AFTER_NS, self._resume)

    def _resume(self) -> None:
        """Let the person who traded by hand say that trading may go on."""
        if not self._run.is_over:
            self._run.say(OPERATOR, control.ResumeRequested("", OPERATOR, "it was me"))

    # ---- processes

    def _crash(self, window: Window) -> None:
        """Let the broker die some steps from now, and come back."""
        run = self._run
        if run.life is None or run.life.is_dead or run.is_off:
            return
        run.life.crash_in = window.amount % STEPS_MAX
        life = run.life
        latest_ns = max(window.end_ns - 200 * NS_PER_MS, run.timeline.now_ns)
        run.timeline.at(latest_ns, life.die)
        run.timeline.at(latest_ns + 200 * NS_PER_MS, partial(self._revive, life.number))

    def _revive(self, number: int) -> None:
        run = self._run
        if not run.is_off and run.life is not None and run.life.number == number and run.life.is_dead:
            run.boot_broker(partial(run.mesh.restart, BROKER))

    def _power(self, window: Window) -> None:
        run = self._run
        if run.is_off:
            return
        run.power_off()
        run.timeline.at(max(window.end_ns, run.timeline.now_ns + NS_PER_S), run.power_on)

    def _freeze(self, window: Window) -> None:
        run, service = self._run, FROZEN[window.amount % len(FROZEN)]
        if run.is_off or service not in run.mesh.hosts:
            return
        run.mesh.freeze(service)
        life = run.life if service == BROKER else None
        if life is not None:
            life.freeze()
        silent = {"is_said": False}

        def call_silent() -> None:
            if service in run.mesh.hosts and not run.is_off:
                silent["is_said"] = True
                run.say("bus", SourceSilent(service, SILENT_AFTER_NS // NS_PER_MS))

        def end() -> None:
            if life is not None:
                life.thaw()
            run.mesh.thaw(service)
            if silent["is_said"] and not run.is_off:
                run.say("bus", SourceBack(service))

        if window.end_ns > run.timeline.now_ns + SILENT_AFTER_NS:
            run.timeline.after(SILENT_AFTER_NS, call_silent)
        run.timeline.at(window.end_ns, end)

    def _restart(self, window: Window) -> None:
        """Let strategy or risk die and come back."""
        run, service = self._run, FROZEN[window.amount % 2]
        if run.is_off or service not in run.mesh.hosts:
            return
        run.mesh.crash(service)

        def back() -> None:
            if not run.is_off and service not in run.mesh.hosts:
                run.mesh.restart(service)

        run.timeline.at(max(window.end_ns, run.timeline.now_ns + 200 * NS_PER_MS), back)

    def _disk(self, window: Window) -> None:
        mesh = self._run.mesh
        mesh.disk_stall_ns = 20 * NS_PER_MS + window.amount * NS_PER_MS // 2_000

        def end() -> None:
            mesh.disk_stall_ns = 0

        self._run.timeline.at(window.end_ns, end)

    # ---- people

    def _kill(self, window: Window) -> None:
        run = self._run
        run.say(OPERATOR, control.KillRequested("operator", "campaign"))
        run.timeline.at(window.end_ns, self._clear)

    def _clear(self) -> None:
        """Ask for the clear until it is done: it is refused until the account is reconciled."""
        run = self._run
        if run.witness.is_killed:
            run.say(OPERATOR, control.KillClearRequested("operator", "campaign"))
            run.timeline.after(NS_PER_S, self._clear)

    def _cancel_all(self, window: Window) -> None:
        symbols = ("", *self._run.venues.symbols)
        symbol = symbols[window.amount % len(symbols)]
        self._run.say(OPERATOR, control.CancelAllRequested(symbol, "operator", "campaign"))
