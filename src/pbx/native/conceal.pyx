# cython: language_level=3
"""Packet loss concealment: the last pitch periods go on, fade, and melt into what comes next (G.711 Appendix I).

The appendix delays everything by 3.75 ms to blend the beginning of a loss; here the repeated period is blended with
its own predecessor instead, so that nothing is delayed.
"""

from libc.math cimport sqrtf
from libc.stdint cimport int16_t, uint8_t
from libc.string cimport memcpy, memmove, memset


cdef void conceal_reset(Conceal *state, int rate_hz) noexcept nogil:
    memset(state, 0, sizeof(Conceal))
    state.rate_hz = rate_hz


cdef float _likeness(const int16_t *end, int lag, int span, int step) noexcept nogil:
    """Correlate the last *span* samples with those *lag* before them, normalised by the energy of the latter."""
    cdef float product = 0.0, energy = 1.0
    cdef int i = -span
    while i < 0:
        product += <float>end[i] * end[i - lag]
        energy += <float>end[i - lag] * end[i - lag]
        i += step
    return product / sqrtf(energy)


cdef int find_period(const int16_t *end, int rate_hz, float *likeness) noexcept nogil:
    """Find the pitch period that ends at *end*, 5 to 15 ms: coarsely at 4 kHz, then sample by sample.

    *likeness*, where given, receives the correlation from −1 to 1.
    """
    cdef int shortest = rate_hz // 200, longest = rate_hz * 3 // 200, span = rate_hz // 50
    cdef int step = rate_hz // 4000, lag, best = longest, centre, i
    cdef float value, top = -1e30, energy = 1.0
    lag = shortest
    while lag <= longest:
        value = _likeness(end, lag, span, step)
        if value > top:
            top, best = value, lag
        lag += step
    centre, top = best, -1e30
    for lag in range(max(shortest, centre - step + 1), min(longest, centre + step - 1) + 1):
        value = _likeness(end, lag, span, 1)
        if value > top:
            top, best = value, lag
    if likeness != NULL:
        for i in range(-span, 0):
            energy += <float>end[i] * end[i]
        likeness[0] = top / sqrtf(energy)
    return best


cdef int16_t _next(Conceal *state) noexcept nogil:
    """Take the next sample of the repeated stretch, its end blended into what lies before its beginning."""
    cdef int length = state.periods * state.period
    cdef int quarter = state.period // 4
    cdef int begin = PAST - length
    cdef int rest = length - state.place
    cdef float value = state.source[begin + state.place]
    cdef float weight
    if rest <= quarter:
        weight = <float>(quarter - rest + 1) / (quarter + 1)
        value = value * (1.0 - weight) + weight * state.source[begin - rest]
    state.place += 1
    if state.place >= length:
        state.place = 0
    return <int16_t>value


cdef void _remember(Conceal *state, const int16_t *samples, int count) noexcept nogil:
    if count >= PAST:
        memcpy(state.past, samples + count - PAST, PAST * sizeof(int16_t))
        return
    memmove(state.past, state.past + count, (PAST - count) * sizeof(int16_t))
    memcpy(state.past + PAST - count, samples, count * sizeof(int16_t))


cdef void conceal_lost(Conceal *state, int16_t *samples, int count) noexcept nogil:
    """Invent *count* samples."""
    cdef int ten_ms = state.rate_hz // 100, i, before, blend = 0
    cdef float gain, old, weight
    cdef Conceal *s = state
    cdef int kept_periods = 1, kept_place = 0
    if s.lost == 0:
        memcpy(s.source, s.past, sizeof(s.past))
        s.period = find_period(s.source + PAST, s.rate_hz, NULL)
        s.periods, s.place = 1, 0
    for i in range(count):
        if (s.lost == ten_ms or s.lost == 2 * ten_ms) and s.periods < 3:
            # Longer losses repeat more periods, lest they sound like a buzzer.
            kept_periods, kept_place = s.periods, s.place
            s.periods += 1
            s.place = s.place % s.period
            blend = s.period // 4
        before = s.lost
        samples[i] = _next(s)
        if blend > 0:
            weight = <float>blend / (s.period // 4 + 1)
            old = s.source[PAST - kept_periods * s.period + kept_place]
            samples[i] = <int16_t>(samples[i] * (1.0 - weight) + old * weight)
            kept_place = (kept_place + 1) % (kept_periods * s.period)
            blend -= 1
        # Full for 10 ms, then 20 % less every 10 ms: silent after 60.
        gain = 1.0 if before < ten_ms else 1.0 - <float>(before - ten_ms) / (5 * ten_ms)
        samples[i] = <int16_t>(samples[i] * gain) if gain > 0 else 0
        s.lost += 1
    _remember(s, samples, count)


cdef void conceal_good(Conceal *state, int16_t *samples, int count) noexcept nogil:
    """Take in *count* good samples; after a loss their beginning is blended with what was invented."""
    cdef int ten_ms = state.rate_hz // 100, overlap, i
    cdef int16_t invented[480]
    cdef float weight
    if state.lost:
        # A quarter of a period, and 4 ms more for every 10 ms lost beyond the first, at most 10 ms.
        overlap = state.period // 4 + (state.lost - 1) // ten_ms * (state.rate_hz // 250)
        overlap = min(overlap, ten_ms, count)
        _blend_in(state, invented, overlap)
        for i in range(overlap):
            weight = <float>(i + 1) / (overlap + 1)
            samples[i] = <int16_t>(samples[i] * weight + invented[i] * (1.0 - weight))
        state.lost = 0
    _remember(state, samples, count)


cdef void _blend_in(Conceal *state, int16_t *samples, int count) noexcept nogil:
    """Invent without remembering: only to blend."""
    cdef int ten_ms = state.rate_hz // 100, i
    cdef float gain
    for i in range(count):
        gain = 1.0 if state.lost < ten_ms else 1.0 - <float>(state.lost - ten_ms) / (5 * ten_ms)
        samples[i] = <int16_t>(_next(state) * gain) if gain > 0 else 0
        state.lost += 1


def conceal(const int16_t[::1] samples, lost: list[bool], int rate_hz=8000) -> bytes:
    """Play a stream of 20 ms frames of which those marked *lost* never came."""
    cdef Conceal state
    cdef int frame = rate_hz // 50, at
    out = bytearray(2 * frame * len(lost))
    cdef uint8_t[::1] view = out
    cdef int16_t *made = <int16_t *>&view[0]
    conceal_reset(&state, rate_hz)
    for at in range(len(lost)):
        if lost[at]:
            conceal_lost(&state, made + at * frame, frame)
        else:
            memcpy(made + at * frame, &samples[at * frame], 2 * frame)
            conceal_good(&state, made + at * frame, frame)
    return bytes(out)
