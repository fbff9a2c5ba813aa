# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="arg-type, assignment, call-overload, index"
"""How long an order takes to the venue and its answer back: constant, recorded, or drawn from a seed."""

import array

import cython

from shared.kernels.hashing import draw

CONSTANT = cython.declare(cython.longlong, 0)
RECORDED = cython.declare(cython.longlong, 1)
SAMPLED = cython.declare(cython.longlong, 2)
WORD = cython.declare(cython.longlong, 65536)
PPM = cython.declare(cython.longlong, 1_000_000)


@cython.final
@cython.cclass
class Latency:
    """`entry` and `response` in ns at a time of ours; constant until `set_recorded` or `set_sampled`."""

    def __init__(self, in_ns: int = 0, out_ns: int = 0) -> None:
        if in_ns < 0 or out_ns < 0:
            raise ValueError(f"latency {in_ns} ns in, {out_ns} ns out: must not be negative")
        self.kind = CONSTANT
        self.in_ns = self.least_in_ns = in_ns
        self.out_ns = self.least_out_ns = out_ns
        self._times = self._ins = self._outs = array.array("q", [0])
        self._at = self._std_ns = self._min_ns = self._spike_ppm = 0
        self._spike_factor = 1
        self._seed = self._count = 0

    def set_recorded(self, times_ns: object, ins_ns: object, outs_ns: object) -> None:
        """Use measured latencies (int64 arrays): those of the last record at or before the time.

        Before the first record it holds as well.

        Raises:
            ValueError: no records, uneven columns, times that run backwards, or a negative latency.
        """
        if not len(times_ns) or not len(times_ns) == len(ins_ns) == len(outs_ns):
            raise ValueError(
                f"recorded latencies: {len(times_ns)} times, {len(ins_ns)} in, {len(outs_ns)} out: "
                "the columns must be of one length and not empty"
            )
        for at in range(len(times_ns)):
            if ins_ns[at] < 0 or outs_ns[at] < 0 or (at and times_ns[at] < times_ns[at - 1]):
                raise ValueError(
                    f"recorded latencies, row {at}: {ins_ns[at]} in, {outs_ns[at]} out at {times_ns[at]} "
                    "ns: none may be negative, and times must not run backwards"
                )
        self._times, self._ins, self._outs = times_ns, ins_ns, outs_ns
        self._at = 0
        self.least_in_ns, self.least_out_ns = min(ins_ns), min(outs_ns)
        self.kind = RECORDED

    def set_sampled(
        self,
        seed: int,
        mean_ns: int,
        std_ns: int,
        min_ns: int,
        spike_ppm: int,
        spike_factor: int,
        out_ns: int,
    ) -> None:
        """Draw entries by the law of the paper venue (BR-17), one draw an order or cancel, in their order.

        A normal draw (sum of twelve 16-bit words of splitmix64), at least `min_ns`, times `spike_factor` in
        `spike_ppm` of the cases; responses take `out_ns`. The live broker keys its draws by client order id:
        who must repeat those gives `submit` and `cancel` the latency.

        Raises:
            ValueError: a value is negative or the factor below 1.
        """
        if min(seed, mean_ns, std_ns, min_ns, spike_ppm, out_ns) < 0 or spike_factor < 1:
            raise ValueError(
                "sampled latency: no value may be negative, and the factor of spikes is at least 1"
            )
        self._seed, self._count = seed, 0
        self.in_ns, self._std_ns, self._min_ns = mean_ns, std_ns, min_ns
        self._spike_ppm, self._spike_factor = spike_ppm, spike_factor
        self.out_ns = self.least_out_ns = out_ns
        self.least_in_ns = min_ns
        self.kind = SAMPLED

    def entry(self, now_ns: cython.longlong) -> cython.longlong:
        """Return how long an order or cancel sent now takes to the venue."""
        word: cython.ulonglong
        index: cython.longlong
        value: cython.longlong
        deviation: cython.longlong = -6 * WORD
        if self.kind == CONSTANT:
            return self.in_ns
        if self.kind == RECORDED:
            self._seek(now_ns)
            return self._ins[self._at]
        for index in range(3):
            word = draw(self._seed, 4 * self._count + index)
            deviation += (word & 0xFFFF) + ((word >> 16) & 0xFFFF) + ((word >> 32) & 0xFFFF) + (word >> 48)
        word = draw(self._seed, 4 * self._count + 3) >> 32
        self._count += 1
        value = self.in_ns + self._std_ns * deviation // WORD
        value = max(value, self._min_ns)
        index = word * PPM >> 32
        return value * self._spike_factor if index < self._spike_ppm else value

    def response(self, now_ns: cython.longlong) -> cython.longlong:
        """Return how long an answer given now takes to us."""
        if self.kind != RECORDED:
            return self.out_ns
        self._seek(now_ns)
        return self._outs[self._at]

    def _seek(self, now_ns: cython.longlong) -> cython.int:
        """Move to the last record at or before a time; times may go back by the latencies themselves."""
        last: cython.longlong = len(self._times) - 1
        while self._at < last and self._times[self._at + 1] <= now_ns:
            self._at += 1
        while self._at > 0 and self._times[self._at] > now_ns:
            self._at -= 1
        return 0
