"""List the phrases that walls show to their visitors, in many languages.

Some of them stand beside ordinary forms too ("I'm not a robot"), so that a phrase is evidence and never decides alone.
"""

import re

# Regular expressions by a word that each of their matches contains. Searching for the plain word first is a hundred
# times as fast.
_PHRASES = {
    # English
    "unusual": r"unusual (?:traffic|activity|number of requests|behaviou?r)",
    "suspicious": r"suspicious (?:activity|traffic|behaviou?r|requests)",
    "automated": r"automated (?:requests|queries|traffic|access|tools)",
    "bot": r"not a (?:ro)?bot\b|are you a (?:ro)?bot\b|\b(?:ro)?bot (?:check|detection|protection|verification)",
    "human": r"(?:you are|you're|are you) (?:a )?(?:real |indeed )?human|human verification",
    "prove": r"\bprove (?:that )?you",
    "verify": r"\bverify(?:ing)? (?:that )?(?:you|your)\b",
    "security": r"security (?:check|challenge|verification)",
    "access": r"access (?:to this (?:page|site|website) )?(?:has been |is |was )?(?:temporarily )?"
    r"(?:denied|blocked|restricted)",
    "been": r"(?:ip(?: address)?|request|you|access) (?:has|have) been (?:temporarily )?"
    r"(?:blocked|denied|banned|restricted|flagged)",
    "attention": r"attention required",
    "one ": r"\bone (?:more|last) (?:step|thing|check)",
    "you": r"(?:confirm|make sure|check|ensure) (?:that |if |whether )?(?:you're|you are|it's (?:really )?you)\b",
    "browser": r"checking your browser",
    "moment": r"\bjust a moment\b",
    "enable js": r"enable js and disable",
    "too many": r"too many requests",
    "pardon": r"pardon our interruption",
    "captcha": r"(?:complete|solve|enter|pass|fill (?:in|out)) (?:the|this|a) (?:re)?captcha"
    r"|\bcaptcha (?:required|challenge|check|verification)",
    "challenge": r"(?:complete|solve|pass) (?:the|this|a) (?:security )?challenge",
    # German, Dutch
    "ungew": r"ungewöhnliche[nr]? (?:datenverkehr|zugriffe|aktivität|anfragen)",
    "roboter": r"kein roboter",
    "sicherheits": r"sicherheits(?:überprüfung|abfrage|prüfung)",
    "zugriff": r"zugriff (?:wurde )?(?:verweigert|gesperrt|blockiert)",
    "mensch": r"(?:sind sie|dass sie) (?:ein|kein) (?:mensch|programm)",
    "geen": r"geen robot",
    "verkeer": r"ongebruikelijk verkeer",
    # French
    "trafic": r"trafic (?:inhabituel|exceptionnel|anormal)",
    "pas un": r"pas un robot",
    "accès": r"accès (?:refusé|bloqué|restreint|interdit)",
    "humain": r"(?:êtes|es) (?:bien )?(?:un )?humain",
    "vérification": r"vérification de sécurité",
    # Spanish, Portuguese, Italian, Romanian
    "inusual": r"tr[áa]fico inusual",
    "un robot": r"no (?:eres|soy|es usted|es) un robot|non (?:sei|sono) un robot|não (?:é|sou) um robot",
    "acceso": r"acceso (?:denegado|bloqueado|restringido)",
    "humano": r"(?:eres|es usted) (?:un )?humano",
    "seguridad": r"(?:comprobación|verificación) de seguridad",
    "tráfego": r"tráfego (?:incomum|anormal)",
    "robô": r"não (?:é|sou) um robô",
    "acesso": r"acesso (?:negado|bloqueado)",
    "segurança": r"verificação de segurança",
    "traffico": r"traffico (?:insolito|anomalo)",
    "accesso": r"accesso (?:negato|bloccato)",
    "sunte": r"nu sunte[țt]i (?:un )?robot",
    # Slavic languages
    "робот": r"(?:вы|ви|что вы|це) не робот",
    "обычн": r"необычн\w{2,3} (?:трафик|активност|запрос)",
    "подозр": r"подозрительн\w{2,3} (?:трафик|активност|запрос)",
    "доступ": r"доступ (?:к \w{1,20} )?(?:запрещ[её]н|ограничен|заблокирован)",
    "подтвердите": r"подтвердите, что вы",
    "jesteś": r"nie jesteś robotem",
    "dostęp": r"dostęp (?:zabroniony|zablokowany)",
    "nejste": r"nejste robot",
    "nie ste": r"nie ste robot",
    # Turkish, Indonesian, Vietnamese
    "robot olm": r"robot olmad[\u0131i]\u011f[\u0131i]n[\u0131i]z",
    "trafik": r"ola\u011fan ?d[\u0131i]\u015f[\u0131i] trafik",
    "bukan": r"bukan robot",
    "lalu lintas": r"lalu lintas (?:yang )?tidak (?:biasa|wajar)",
    "không": r"không phải (?:là )?(?:người máy|robot)",
    # Chinese, Japanese, Korean
    "人机": "人机(?:身份)?验证",
    "人機": "人機驗證",
    "安全验证": "安全验证",
    "安全驗證": "安全驗證",
    "异常": "异常(?:流量|访问)",
    "異常": "異常流量",
    "不是": "不是(?:机器人|機器人)",
    "访问": "访问(?:被拒绝|过于频繁)",
    "ロボット": "ロボットで(?:は)?(?:ありません|ない)",
    "トラフィック": "通常と異なるトラフィック",
    "アクセス": "アクセスが(?:拒否|制限)",
    "로봇": "로봇이 아닙니다",
    "비정상": "비정상적인 (?:트래픽|접근)",
    "접근": "접근이 (?:거부|차단)",
    # Arabic, Persian, Hebrew
    "روبوت": "لست روبوت",
    "مرور": "حركة مرور غير (?:عادية|معتادة)",
    "ربات": "ربات نیستید",
    "רובוט": "(?:אינך|לא) רובוט",
}
_COMPILED = [(word, re.compile(phrase)) for word, phrase in _PHRASES.items()]


def find_wall_phrase(text: str) -> str | None:
    """Return a phrase of a wall that occurs in ``text``, in lower case, or None if there is none."""
    lower = text.lower()
    matches = (phrase.search(lower) for word, phrase in _COMPILED if word in lower)
    return next((match[0] for match in matches if match), None)
