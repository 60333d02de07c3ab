"""A length of time in a message: "1h 30m", "5 days 22 hours 11 minutes", "6m0s", "2 Stunden", "3 小时"."""

from __future__ import annotations

import re

_SECONDS: dict[float, str] = {
    0.001: "ms msec msecs millisecond milliseconds",
    1: "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos secondi 秒 秒钟 초",
    60: "m min mins minute minutes minuten minuto minutos minuti 分 分钟 分間 분",
    3600: "h hr hrs hour hours std stunde stunden heure heures hora horas ora ore 小时 小時 個小時 个小时 時間 시간",
    86_400: "d day days tag tage tagen jour jours día días dia dias giorno giorni 天 日 日間 일",
    604_800: "w week weeks woche wochen semaine semaines semana semanas settimana settimane 周 週間 주",
    2_592_000: "month months monat monate monaten mois mes meses mês mese mesi 个月 ヶ月",
}
_UNITS = {unit: seconds for seconds, units in _SECONDS.items() for unit in units.split()}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_FLAGS = re.IGNORECASE | re.ASCII
_PART = re.compile(
    rf"(?P<count>\d{{1,9}}(?:\.\d{{1,12}})?|an?(?= )|one(?= )|eine[rm]?(?= )|une?(?= )|una?(?= )) ?"
    rf"(?P<unit>{_UNIT})(?![a-z])",
    _FLAGS,
)
_AND = re.compile(r",? ?(?:(?:and|und|et|y|e) )?", _FLAGS)
#: Parts of one duration: weeks, days, hours, minutes, seconds, milliseconds.
_PARTS = 6


def at(text: str, start: int) -> tuple[float, int] | None:
    """The seconds of the duration that begins at ``start``, and where it ends; None when there is none."""
    total, end = 0.0, start
    for index in range(_PARTS):
        gap = _AND.match(text, end) if index else None
        part = _PART.match(text, gap.end() if gap is not None else end)
        if part is None:
            return (total, end) if index else None
        count = part["count"]
        total += (float(count) if count[0].isdigit() else 1.0) * _UNITS[part["unit"].lower()]
        end = part.end()
    return total, end
