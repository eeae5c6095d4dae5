"""What walls say to their visitors, in the languages that they are served in.

Phrases that a contact form may say as well ("I'm not a robot" beside the widget) are here too: they count for
something, never for enough.
"""

from __future__ import annotations

import re

_PHRASES = (
    # English
    r"unusual (?:traffic|activity|number of requests|behaviou?r)",
    r"suspicious (?:activity|traffic|behaviou?r|requests)",
    r"automated (?:requests|queries|traffic|access|tools)",
    r"(?:are |you're |you are )?not a (?:ro)?bot\b",
    r"are you (?:a )?(?:human|robot)\b",
    r"(?:you are|you're) (?:a )?(?:real |indeed )?(?:human|person)",
    r"prove (?:that )?you",
    r"verify(?:ing)? (?:that )?(?:you|your)\b",
    r"security (?:check|challenge|verification)",
    r"human verification",
    r"robot check",
    r"bot (?:check|detection|protection|verification)",
    r"access (?:to this (?:page|site|website) )?(?:has been |is |was )?(?:temporarily )?(?:denied|blocked|restricted)",
    r"(?:ip(?: address)?|request|you|access) (?:has|have) been (?:temporarily )?"
    r"(?:blocked|denied|banned|restricted|flagged)",
    r"attention required",
    r"(?:one|just one) (?:more|last) (?:step|thing|check)",
    r"(?:confirm|make sure|check|ensure) (?:that |if |whether )?(?:you're|you are|it's you|it's really you)\b",
    r"checking your browser",
    r"too many requests",
    r"pardon our interruption",
    r"(?:complete|solve|enter|pass|fill (?:in|out)) (?:the|this|a) (?:(?:re)?captcha|security|challenge)",
    r"captcha (?:required|challenge|check|verification)",
    # German, Dutch
    r"ungewöhnliche[nr]? (?:datenverkehr|zugriffe|aktivität|anfragen)",
    r"kein roboter",
    r"sicherheits(?:überprüfung|abfrage|prüfung)",
    r"zugriff (?:wurde )?(?:verweigert|gesperrt|blockiert)",
    r"sind sie ein mensch",
    r"dass sie (?:ein mensch|kein)",
    r"geen robot",
    r"ongebruikelijk verkeer",
    # French
    r"trafic (?:inhabituel|exceptionnel|anormal)",
    r"pas un robot",
    r"accès (?:refusé|bloqué|restreint|interdit)",
    r"(?:êtes|es) (?:bien )?(?:un )?humain",
    r"vérification de sécurité",
    # Spanish, Portuguese, Italian, Romanian
    r"tr[áa]fico (?:inusual|extraño)",
    r"no (?:eres|soy|es usted|es) un (?:robot|bot)",
    r"acceso (?:denegado|bloqueado|restringido)",
    r"(?:eres|es usted) (?:un )?humano",
    r"(?:comprobación|verificación) de seguridad",
    r"tráfego (?:incomum|anormal)",
    r"não (?:é|sou) um (?:robô|robot)",
    r"acesso (?:negado|bloqueado)",
    r"verificação de segurança",
    r"traffico (?:insolito|anomalo)",
    r"non (?:sei|sono) un robot",
    r"accesso (?:negato|bloccato)",
    r"nu sunte[țt]i (?:un )?robot",
    # Slavic languages
    r"вы не робот",
    r"не робот",
    r"(?:необычн|подозрительн)\w{2,3} (?:трафик|активност|запрос)",
    r"доступ (?:к \w{1,20} )?(?:запрещ[её]н|ограничен|заблокирован)",
    r"подтвердите, что вы",
    r"ви не робот",
    r"nie jesteś robotem",
    r"dostęp (?:zabroniony|zablokowany)",
    r"nejste robot",
    r"nie ste robot",
    # Turkish, Indonesian, Vietnamese
    r"robot olmad[\u0131i]\u011f[\u0131i]n[\u0131i]z",
    r"ola\u011fan ?d[\u0131i]\u015f[\u0131i] trafik",
    r"bukan robot",
    r"lalu lintas (?:yang )?tidak (?:biasa|wajar)",
    r"không phải (?:là )?(?:người máy|robot)",
    # Chinese, Japanese, Korean
    "人机(?:验证|身份验证)|人機驗證|安全验证|安全驗證|异常(?:流量|访问)|異常流量|不是机器人|不是機器人|访问(?:被拒绝|过于频繁)",
    "ロボットではありません|ロボットでない|通常と異なるトラフィック|アクセスが(?:拒否|制限)",
    "로봇이 아닙니다|비정상적인 (?:트래픽|접근)|접근이 (?:거부|차단)",
    # Arabic, Persian, Hebrew
    "لست روبوت|حركة مرور غير (?:عادية|معتادة)|ربات نیستید|אינך רובוט|לא רובוט",
)
WALL = re.compile("|".join(_PHRASES), re.IGNORECASE)
"""Finds a phrase of a wall."""
