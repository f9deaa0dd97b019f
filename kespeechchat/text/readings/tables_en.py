"""What English writes short, as plain data: units, currencies, months, abbreviations, names of monarchs."""

from __future__ import annotations

# symbol: (one, many). Symbols are case-sensitive; those that are words or letters too are in DOUBTFUL_UNITS.
UNITS: dict[str, tuple[str, str]] = {
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "nm": ("nanometer", "nanometers"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "kg": ("kilogram", "kilograms"),
    "kgs": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "mcg": ("microgram", "micrograms"),
    "µg": ("microgram", "micrograms"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "dl": ("deciliter", "deciliters"),
    "dL": ("deciliter", "deciliters"),
    "cl": ("centiliter", "centiliters"),
    "gal": ("gallon", "gallons"),
    "tsp": ("teaspoon", "teaspoons"),
    "tbsp": ("tablespoon", "tablespoons"),
    "Tbsp": ("tablespoon", "tablespoons"),
    "pt": ("pint", "pints"),
    "qt": ("quart", "quarts"),
    "ha": ("hectare", "hectares"),
    "m2": ("square meter", "square meters"),
    "m²": ("square meter", "square meters"),
    "km2": ("square kilometer", "square kilometers"),
    "km²": ("square kilometer", "square kilometers"),
    "cm2": ("square centimeter", "square centimeters"),
    "cm²": ("square centimeter", "square centimeters"),
    "m3": ("cubic meter", "cubic meters"),
    "m³": ("cubic meter", "cubic meters"),
    "cm3": ("cubic centimeter", "cubic centimeters"),
    "cm³": ("cubic centimeter", "cubic centimeters"),
    "sq ft": ("square foot", "square feet"),
    "sq. ft.": ("square foot", "square feet"),
    "sq m": ("square meter", "square meters"),
    "ft²": ("square foot", "square feet"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "yr": ("year", "years"),
    "yrs": ("year", "years"),
    "wk": ("week", "weeks"),
    "wks": ("week", "weeks"),
    "km/hr": ("kilometer per hour", "kilometers per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "kmph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "km/s": ("kilometer per second", "kilometers per second"),
    "mpg": ("mile per gallon", "miles per gallon"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"),
    "fps": ("frame per second", "frames per second"),
    "mg/dL": ("milligram per deciliter", "milligrams per deciliter"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "GW": ("gigawatt", "gigawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "V": ("volt", "volts"),
    "kV": ("kilovolt", "kilovolts"),
    "mAh": ("milliampere hour", "milliampere hours"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "KB": ("kilobyte", "kilobytes"),
    "kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "cal": ("calorie", "calories"),
    "kcal": ("kilocalorie", "kilocalories"),
    "kJ": ("kilojoule", "kilojoules"),
    "N": ("newton", "newtons"),
    "Pa": ("pascal", "pascals"),
    "kPa": ("kilopascal", "kilopascals"),
    "psi": ("pound per square inch", "pounds per square inch"),
    "dB": ("decibel", "decibels"),
    "px": ("pixel", "pixels"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "° C": ("degree Celsius", "degrees Celsius"),
    "℃": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "° F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "℉": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
}
# Letters that are units of one thing and names of another: read as units only where the sentence speaks of the thing.
DOUBTFUL_UNITS: dict[str, tuple[str, str, str]] = {
    "C": (
        "degree Celsius",
        "degrees Celsius",
        r"\btemp\b|temperature|heat|warm|cold|boil|freez|melt|oven|weather|degree",
    ),
    "F": (
        "degree Fahrenheit",
        "degrees Fahrenheit",
        r"\btemp\b|temperature|heat|warm|cold|oven|bake|roast|weather|degree|cook",
    ),
    "in": ("inch", "inches", r"tall|wide|long|deep|thick|height|width|length|screen|diagonal"),
    "K": ("kelvin", "kelvins", r"temperature|absolute zero"),
    "A": ("ampere", "amperes", r"current|fuse|circuit"),
    "t": ("ton", "tons", r"weigh|cargo|truck|load"),
}

# sign or code: (one, many, one of the small ones, many of the small ones)
CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("US dollar", "US dollars", "cent", "cents"),
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "GBP": ("British pound", "British pounds", "penny", "pence"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "INR": ("Indian rupee", "Indian rupees", "paisa", "paise"),
    "JPY": ("yen", "yen", "", ""),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "RMB": ("yuan", "yuan", "fen", "fen"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
}
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "mm": "million", "bn": "billion",
    "b": "billion", "B": "billion", "tn": "trillion", "T": "trillion", "thousand": "thousand", "million": "million",
    "billion": "billion", "trillion": "trillion", "hundred": "hundred",
}  # fmt: skip

MONTHS = {
    "January": 1, "Jan": 1, "February": 2, "Feb": 2, "March": 3, "Mar": 3, "April": 4, "Apr": 4, "May": 5, "June": 6,
    "Jun": 6, "July": 7, "Jul": 7, "August": 8, "Aug": 8, "September": 9, "Sept": 9, "Sep": 9, "October": 10, "Oct": 10,
    "November": 11, "Nov": 11, "December": 12, "Dec": 12,
}  # fmt: skip
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

# read wherever it stands, its point included
ABBREVIATIONS = {
    "Mr": "Mister", "Mrs": "Missus", "Prof": "Professor", "Jr": "Junior", "Sr": "Senior", "Capt": "Captain",
    "Gov": "Governor", "Sgt": "Sergeant", "Lt": "Lieutenant", "Dept": "Department", "Inc": "Incorporated",
    "Corp": "Corporation", "Ltd": "Limited", "approx": "approximately", "vs": "versus", "e.g": "for example",
    "i.e": "that is", "U.S": "US", "U.S.A": "USA", "U.K": "UK", "U.N": "UN", "D.C": "DC", "Ave": "Avenue",
    "Blvd": "Boulevard", "Mt": "Mount",
}  # fmt: skip
# read only before a number
NUMBERED = {
    "No": "number", "no": "number", "Nos": "numbers", "Vol": "volume", "vol": "volume", "Fig": "figure",
    "fig": "figure", "Ch": "chapter", "ch": "chapter", "p": "page", "pp": "pages", "Sec": "section", "Art": "article",
    "Apt": "apartment", "Ext": "extension", "ext": "extension", "Eq": "equation", "ver": "version", "Ver": "version",
}  # fmt: skip

STREETS = {
    "Street": "Street", "St": "Street", "Avenue": "Avenue", "Ave": "Avenue", "Road": "Road", "Rd": "Road",
    "Drive": "Drive", "Dr": "Drive", "Lane": "Lane", "Ln": "Lane", "Boulevard": "Boulevard", "Blvd": "Boulevard",
    "Court": "Court", "Ct": "Court", "Place": "Place", "Pl": "Place", "Way": "Way", "Square": "Square",
    "Terrace": "Terrace", "Parkway": "Parkway", "Pkwy": "Parkway", "Highway": "Highway", "Hwy": "Highway",
}  # fmt: skip

ROMAN = {
    "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10, "XI": 11, "XII": 12,
    "XIII": 13, "XIV": 14, "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21, "XXII": 22,
    "XXIII": 23,
}  # fmt: skip
REIGNED = (
    "Henry|Elizabeth|Louis|George|Charles|Edward|James|William|Richard|Philip|Napoleon|Benedict|Pius|Catherine|Peter|"
    "Nicholas|Alexander|Frederick|Wilhelm|Ramses|Ramesses|Leopold|Ferdinand|Francis|John Paul|Paul|Leo|Gregory|Otto|"
    "Ptolemy|Darius|Mehmed|Ivan|Gustav|Christian|Cleopatra|Thutmose|Umberto|Victor Emmanuel"
)
NUMBERED_THINGS = (
    "World War|Chapter|Part|Volume|Act|Scene|Book|Phase|Type|Section|Article|Super Bowl|Stage|Grade|Class|Level|Title|"
    "Appendix|Table|Figure|Episode|Division|Mark|Final Fantasy|Rocky|Star Wars|Category|Unit|Lesson"
)
