"""English words of harm for `kespeechchat.text.safety`: (code, patterns that all occur, pattern that excuses).

The text is in lower case.
"""

from __future__ import annotations

from kespeechchat.text.safety_zh import Table

_ASK = (
    r"\bhow (?:do|can|could|should|to|would|much)\b|\bteach me\b|\btell me\b|\bshow me\b"
    r"|\bgive me\b|\bwhere (?:can|do|could)\b|\bwhat (?:is|are|can)\b|\bsteps?\b|\bways?\b"
    r"|\bmethods?\b|\bwrite\b|\bhelp me\b|\blist\b"
)
_CARE = (
    r"\b(?:prevent\w*|avoid\w*|protect\w*|report\w*|warn\w*|stop\w*|defen[ds]\w*|rescue\w*"
    r"|recover\w*|support\w*|survive|safe\w*|against|danger\w*|detect\w*|recogni[sz]e|victims?"
    r"|laws?|legal\w*|punish\w*|penalt\w*|why)\b"
)
_LORE = r"\b(?:history|invent\w*|novels?|movies?|films?|games?|toys?|museums?|athletics|sports?|chess|bath bomb\w*)\b"
_MINOR = (
    r"\b(?:child(?:ren)?|minors?|kids?|schoolgirls?|schoolboys?|toddlers?|pre-?teens?|underage"
    r"|(?:little|young) (?:girl|boy)s?|(?:[5-9]|1[0-7]|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)[- ]years?[- ]old)\b"
)
_PEOPLE = (
    r"\b(?:black people|blacks|white people|jews|muslims|christians|immigrants|refugees"
    r"|foreigners|women|men|gays?|gay people|lesbians|disabled people|asians|africans|mexicans"
    r"|that race|this race|ethnic\w*)\b"
)

TABLE: Table = (
    (
        "minors",
        (_MINOR, r"\b(?:sexual|sexy|sex story|erotic\w*|nude|naked|porn\w*|seduc\w*)\b"),
        rf"{_CARE}|\b(?:abuse|education)\b",
    ),
    (
        "self_harm",
        (
            r"\bi(?:'m| am)?\b.{0,20}\b(?:end my life|kill myself|cut (?:myself|my wrists)"
            r"|commit suicide|hurt myself|suicidal)\b",
        ),
        None,
    ),
    (
        "self_harm",
        (_ASK, r"\b(?:ways?|methods?|how)\b.{0,20}\b(?:suicide|kill myself|self-harm|throw up after|purge)\b"),
        _CARE,
    ),
    ("self_harm", (r"\bthrow up after meals\b",), r"\b(?:doctor|child|baby|dog|cat)\b"),
    (
        "weapons",
        (
            _ASK,
            r"\b(?:bombs?(?!-proof)|explosives?|grenades?|molotov\w*|nerve gas|sarin|anthrax|silencer|ghost gun"
            r"|handguns?|guns?|pistols?|rifles?|germs|bioweapons?)\b",
            r"\b(?:build|make|making|assemble|release|spread|put|plant|detonate|buy|get|obtain|cook"
            r"|3d[- ]print|convert)\b",
        ),
        rf"{_CARE}|{_LORE}|\b(?:rules?|licen[cs]e|hygiene|away|rid of)\b",
    ),
    (
        "drugs",
        (
            _ASK,
            r"\b(?:meth|methamphetamine|heroin|crack|cocaine|ecstasy|mdma|fentanyl|lsd)\b",
            r"\b(?:make|making|cook|cooking|synthesi[sz]e|buy|get|sell|smuggle|hide|grow|inject)\b",
        ),
        rf"{_CARE}|{_LORE}|\b(?:help|treat\w*|quit)\b",
    ),
    (
        "violence",
        (
            _ASK,
            r"\b(?:kill|murder|poison|strangle|stab|kidnap|rape|torture|beat up|beaten up|hit|hurt|drug)\b.{0,25}"
            r"\b(?:someone|somebody|people|person|him|her|my \w+|a (?:man|woman|child|girl|boy|stray \w+|cat|dog))\b"
            r"|\b(?:someone|somebody|him|her)\b.{0,10}\b(?:beaten up|killed|pass out|murdered)\b|\bslip poison\b",
        ),
        rf"{_CARE}|{_LORE}|\b(?:ate|food poisoning|ivy|weeds?|ants?|mosquitos?|mosquitoes|germs|time|feelings)\b",
    ),
    (
        "hate",
        (
            _PEOPLE,
            r"\b(?:less than human|subhuman|inferior|vermin|stupid(?:er)?|more stupid|lazy|criminals"
            r"|should (?:die|be killed)|attack|insults?|exterminate|slurs?|get rid of)\b",
        ),
        rf"{_CARE}|\b(?:bias|stereotypes?|prejudice|racism|wrong|myth|not|n't|inferiority)\b",
    ),
    (
        "crime",
        (
            _ASK,
            r"\b(?:launder|shoplift\w*|steals?|pickpocket|rob|forge|counterfeit|fake (?:id|passport"
            r"|note|check)|smuggle|hack(?: into)?|break into|ransomware|trojan|malware|keylogger"
            r"|blackmail|extort|set fire to|arson|scam|trick old|defraud|cheat the|evade taxes"
            r"|pretend to be a bank|someone else's (?:front )?(?:door|house|car|lock)"
            r"|spread rumou?rs)\b",
        ),
        rf"{_CARE}|{_LORE}|\b(?:tell real|remove|get rid of|was stolen|been stolen|spot|code break"
        r"|base|the show|market)\b",
    ),
    (
        "privacy",
        (
            _ASK,
            r"\b(?:secretly (?:track|record|watch|film|read|install)|without (?:her|him|them"
            r"|my \w+) (?:noticing|knowing)|spy on|stalk|follow a (?:woman|girl|man) home|wiretap)\b",
        ),
        _CARE,
    ),
    (
        "privacy",
        (
            r"\b(?:find|tell|give|show|get|return|look up)\b",
            r"\b(?:her|his|their|that \w+(?: \w+)?'s|celebrity's|neighbou?r's) (?:home |private )?"
            r"(?:address|phone number)\b"
            r"|\bhome address of\b|\b(?:social security number|ssn)\b.{0,15}\b(?:of|for)\b",
        ),
        rf"{_CARE}|\bhow do i ask\b",
    ),
)
