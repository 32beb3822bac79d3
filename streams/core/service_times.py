"""Which campaign versions serve and run at an instant, for all of them at once."""

from bisect import bisect_right
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from streams.core.calendar import MINUTE_MS
from streams.core.campaigns import Campaign
from streams.core.masks import Toggles
from streams.core.receipt import EpochMs
from streams.core.runs import DAY_MINUTES, MILLISECOND, WEEK_DAYS, Runs, local

WEEK_MINUTES = WEEK_DAYS * DAY_MINUTES
EPOCH_WEEK_MINUTE = 3 * DAY_MINUTES  # 1 January 1970 was a Thursday; weeks begin on Monday.
QUARTER_MS = 15 * MINUTE_MS
QUARTERS_MOST = 40_000  # A year of them is remembered.


class ServiceTimes:
    """Which campaign versions serve and run at an instant."""

    def __init__(self, campaigns: Sequence[Campaign], zone: ZoneInfo) -> None:
        self._zone = zone
        services = service_intervals(campaigns)
        self._service_edges, self._service = _spans(services)
        self._edges, self._runs = _spans([(c.runs.from_at, c.runs.until_at) for c in campaigns])
        weekly = [_week_spans(campaign.runs) for campaign in campaigns]
        self._week_edges = sorted({edge for spans in weekly for span in spans for edge in span})
        place = {edge: at for at, edge in enumerate(self._week_edges)}
        toggles = Toggles(len(self._week_edges) + 1, len(campaigns))
        for row, spans in enumerate(weekly):
            if not spans:
                toggles.on(row, 0, len(self._week_edges) + 1)
            for start, end in spans:
                toggles.on(row, place[start] + 1, place[end] + 1)
        self._week = toggles.masks()
        self._offsets: dict[int, int] = {}

    def serving(self, at: EpochMs) -> int:
        """Give the versions that serve *at*."""
        return self._service[bisect_right(self._service_edges, at)]

    def running(self, at: EpochMs) -> int:
        """Give the versions that serve and run *at*."""
        mask = self.serving(at) & self._runs[bisect_right(self._edges, at)]
        if not self._week_edges or not mask:
            return mask
        minute = (at + self._offset(at)) // MINUTE_MS + EPOCH_WEEK_MINUTE
        return mask & self._week[bisect_right(self._week_edges, minute % WEEK_MINUTES)]

    def _offset(self, at: EpochMs) -> int:
        """Give the zone's offset in milliseconds; it is remembered by quarters of an hour."""
        quarter = at // QUARTER_MS
        offset = self._offsets.get(quarter)
        if offset is None:
            start = quarter * QUARTER_MS
            offset, end = self._offset_at(start), self._offset_at(start + QUARTER_MS - 1)
            if offset != end:
                # Zones change on any second; before 1972 some were off by odd seconds as well.
                return self._offset_at(at)
            if len(self._offsets) >= QUARTERS_MOST:
                self._offsets.clear()
            self._offsets[quarter] = offset
        return offset

    def _offset_at(self, at: EpochMs) -> int:
        shift = local(at, self._zone).utcoffset()
        assert shift is not None
        return shift // MILLISECOND


def service_intervals(campaigns: Sequence[Campaign]) -> list[tuple[EpochMs | None, EpochMs | None]]:
    """
    Find for each version when it serves: from its start until any later version's start.

    (0, 0) is never: a later version that is valid always leaves no time to earlier ones.
    """
    starts: dict[str, list[tuple[int, EpochMs | None]]] = {}
    for campaign in campaigns:
        starts.setdefault(campaign.campaign, []).append((campaign.version, campaign.valid_from))
    found: list[tuple[EpochMs | None, EpochMs | None]] = []
    for campaign in campaigns:
        later = [at for v, at in starts[campaign.campaign] if v > campaign.version]
        if None in later:
            found.append((0, 0))
        else:
            found.append(
                (campaign.valid_from, min((at for at in later if at is not None), default=None))
            )
    return found


def _spans(spans: Sequence[tuple[int | None, int | None]]) -> tuple[list[int], list[int]]:
    """Compile half-open spans, None without end, into edges and a mask between each two."""
    edges = sorted({edge for span in spans for edge in span if edge is not None})
    place = {edge: at for at, edge in enumerate(edges)}
    toggles = Toggles(len(edges) + 1, len(spans))
    for row, (start, end) in enumerate(spans):
        first = 0 if start is None else place[start] + 1
        last = len(edges) + 1 if end is None else place[end] + 1
        if first < last:
            toggles.on(row, first, last)
    return edges, toggles.masks()


def _week_spans(runs: Runs) -> list[tuple[int, int]]:
    """Write weekdays and hours as half-open minutes of the week; empty is without limit."""
    if runs.hours is None and not runs.weekdays:
        return []
    start, end = runs.hours or (0, DAY_MINUTES)
    length = end - start if start < end else end - start + DAY_MINUTES
    found = []
    for day in runs.weekdays or range(WEEK_DAYS):
        begin = day * DAY_MINUTES + start
        stop = begin + length
        found.append((begin, min(stop, WEEK_MINUTES)))
        if stop > WEEK_MINUTES:
            found.append((0, stop - WEEK_MINUTES))
    return _merged(found)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
