"""Units of measure and currencies as they are written after or before a number, with their English words."""

from __future__ import annotations

from kespeechchat.text.spelling.scanner import Readings

# The singular; "{}s" is added for other numbers, or where the plural differs it follows a slash.
_NAMES: dict[str, str] = {
    "kg": "kilogram",
    "g": "gram",
    "mg": "milligram",
    "km": "kilometer",
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "mi": "mile",
    "ft": "foot/feet",
    "in": "inch/inches",
    "yd": "yard",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "mins": "minute",
    "s": "second",
    "sec": "second",
    "secs": "second",
    "ms": "millisecond",
    "W": "watt",
    "kW": "kilowatt",
    "kWh": "kilowatt hour",
    "V": "volt",
    "Hz": "hertz/hertz",
    "kHz": "kilohertz/kilohertz",
    "MHz": "megahertz/megahertz",
    "GHz": "gigahertz/gigahertz",
    "KB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte",
    "TB": "terabyte",
    "kcal": "kilocalorie",
    "cal": "calorie",
    "px": "pixel",
    "m2": "square meter",
    "km2": "square kilometer",
    "m3": "cubic meter",
    "°": "degree",
}
_RATES: dict[str, tuple[str, str]] = {  # of what, per what
    "mph": ("mi", "hour"),
    "kph": ("km", "hour"),
    "km/h": ("km", "hour"),
    "km/hr": ("km", "hour"),
    "m/s": ("m", "second"),
    "m/min": ("m", "minute"),
}
_TEMPERATURES = {"°C": ("celsius", "c", "centigrade"), "°F": ("fahrenheit", "f")}
# What stands for the unit's own letters or for a scale.
_ALSO: dict[str, Readings] = {"in": ("in",), "k": ("k", "thousand"), "K": ("k", "thousand"), "M": ("million",)}
_PERCENT = {"%": ("percent",)}
CURRENCIES: dict[str, tuple[Readings, Readings]] = {  # singular and plural; the part of a hundred is below
    "$": (("dollar",), ("dollars", "dollar")),
    "£": (("pound",), ("pounds", "pound")),
    "€": (("euro",), ("euros", "euro")),
    "¥": (("yen", "yuan"), ("yen", "yuan")),
}
PARTS: dict[str, tuple[str, str]] = {"$": ("cent", "cents"), "€": ("cent", "cents"), "£": ("penny", "pence")}
UNITS = sorted({*_NAMES, *_RATES, *_TEMPERATURES, *_ALSO, *_PERCENT}, key=len, reverse=True)


def _counted(unit: str, one: bool) -> Readings:
    singular, _, plural = _NAMES[unit].partition("/")
    return (singular,) if one else (plural or singular + "s", singular)  # "a 5 kg bag" has the singular


def unit(written: str, one: bool) -> Readings:
    """Readings of a unit after a number; `one` where that number is 1.

    >>> unit("km/h", one=False)[0]
    'kilometers per hour'
    """
    if written in _PERCENT:
        return _PERCENT[written]
    if written in _RATES:
        of, per = _RATES[written]
        article = "an" if per == "hour" else "a"
        return tuple(f"{what} {word} {per}" for what in _counted(of, one) for word in ("per", article))
    if written in _TEMPERATURES:
        return tuple(f"{d} {scale}" for d in _counted("°", one) for scale in _TEMPERATURES[written])
    return (*(_counted(written, one) if written in _NAMES else ()), *_ALSO.get(written, ()))
