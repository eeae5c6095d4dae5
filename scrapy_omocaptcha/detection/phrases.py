"""List the phrases by which a page says that it checks its visitor, or that it withholds another page.

A wall in another language is found by its status, its address or its form. Words for going on ("to proceed", "before
you") are left out: orders and polls say them as well.
"""

from itertools import product

from scrapy_omocaptcha.detection.lexicon import Lexicon

# A paragraph each: English, German, Dutch, French, Spanish, Portuguese, Italian, Polish, Russian, Turkish; East Asia.
# fmt: off
CHECK = Lexicon((
    "robot", "robots", "bot", "bots", "human", "humans", "captcha", "recaptcha", "security check", "security challenge",
    "verification", "verify you", "verify your browser", "verifying you", "prove you", "browser check",
    "checking your browser", "real person", "one more step", "just a moment", "attention required", "automated",
    "antibot", "are you a person", "firewall", "one moment", "quick check", "access check", "humanity", "prove your",
    "roboter", "mensch", "menschlich", "sicherheitsprüfung", "sicherheitsabfrage", "sicherheitsüberprüfung",
    "sicherheitskontrolle", "überprüfung", "verifizierung", "zugriffsprüfung", "mens", "controleren",
    "beveiligingscontrole", "humain", "humaine", "vérification", "humano", "humana", "verificación", "comprobación",
    "robô", "robôs", "verificação", "umano", "umana", "verifica", "robotem", "robotami", "człowiekiem", "człowiek",
    "weryfikacja", "člověk", "робот", "роботом", "человек", "человеком", "проверка", "подтвердите", "капча", "insan",
    "güvenlik kontrolü", "doğrulama", "người máy", "机器人", "機器人", "真人", "人机", "人類", "验证", "驗證",
    "安全检查", "ロボット", "人間", "セキュリティ", "認証", "로봇", "사람", "보안",
))
"""What a title or a heading says that is about the check."""

_SEE = ("access", "open", "read", "see", "view", "visit", "enter", "reach", "display")
_PAGE = ("this page", "the page", "this site", "the site", "our site", "this website", "the website", "this article",
         "the article", "this document", "the document")
WITHHOLDING = Lexicon(map(" ".join, product(_SEE, _PAGE)), (
    "unusual traffic", "unusual activity", "unusual requests", "unusual behavior", "unusual behaviour",
    "abnormal traffic", "suspicious activity", "suspicious traffic", "suspicious behavior", "suspicious behaviour",
    "automated requests", "automated queries", "access denied", "access blocked", "access restricted", "access limited",
    "denied access", "access is denied", "access is restricted", "access was denied", "access is blocked",
    "access has been", "forbidden", "too many queries", "too many pages", "too many searches", "too quickly",
    "too fast", "many requests", "lot of requests", "number of requests", "rate limit", "rate limited",
    "request blocked", "request was blocked", "temporarily blocked", "temporarily restricted", "temporarily limited",
    "been blocked", "been limited", "been restricted", "been flagged", "been paused", "pardon our interruption",
    "you are a bot", "you were a bot", "blocking your connection", "unblock yourself", "might be a bot", "may be a bot",
    "might be a robot", "may be a robot", "like a bot", "like a robot", "traffic from your", "requests from your",
    "activity from your", "page you requested", "requested page", "page you were", "page you asked for"), (
    "ungewöhnlicher datenverkehr", "ungewöhnlichen datenverkehr", "ungewöhnliche aktivität", "ungewöhnliche zugriffe",
    "ungewöhnliche anfragen", "ungewöhnlich viele", "verdächtige aktivität", "verdächtige aktivitäten",
    "auffällige zugriffe", "automatisierte anfragen", "automatisierte zugriffe", "automatisierten zugriff",
    "viele anfragen", "zu viele zugriffe", "zu viele seitenaufrufe", "zugriff verweigert", "zugriff gesperrt",
    "zugriff blockiert", "zugriff eingeschränkt", "zugang gesperrt", "zugang verweigert", "vorübergehend gesperrt",
    "vorübergehend blockiert", "vorübergehend eingeschränkt", "um diese seite", "seite anzuzeigen", "seite zu sehen",
    "aufgerufene seite", "angeforderte seite", "gewünschte seite", "zugriff auf diese", "zugriff auf die seite"), (
    "ongebruikelijk verkeer", "ongewone activiteit", "ongewoon verkeer", "verdachte activiteit", "veel verzoeken",
    "te veel aanvragen", "toegang geweigerd", "toegang geblokkeerd", "tijdelijk geblokkeerd", "pagina te bekijken",
    "toegang tot deze", "gevraagde pagina"), (
    "trafic inhabituel", "trafic anormal", "activité inhabituelle", "activité suspecte", "activité anormale",
    "nombre inhabituel", "nombre anormal", "comportement inhabituel", "trop de requêtes", "trop de pages",
    "accès refusé", "accès bloqué", "accès interdit", "accès restreint", "accès limité", "requêtes automatisées",
    "page demandée", "temporairement bloqué", "temporairement limité", "afficher cette page", "voir cette page",
    "accéder à la page", "accéder à cette page", "accéder au site"), (
    "tráfico inusual", "actividad inusual", "actividad sospechosa", "comportamiento inusual", "número inusual",
    "demasiadas solicitudes", "demasiadas peticiones", "demasiadas consultas", "acceso denegado", "acceso bloqueado",
    "acceso restringido", "bloqueado temporalmente", "solicitudes automatizadas", "consultas automatizadas",
    "ver esta página", "acceder a esta página", "acceder al sitio", "página solicitada"), (
    "tráfego incomum", "atividade incomum", "atividade suspeita", "tráfego suspeito", "muitas requisições",
    "muitas solicitações", "muitos acessos", "muitos pedidos", "acesso negado", "acesso bloqueado", "acesso restrito",
    "temporariamente bloqueado", "número elevado", "acesso automatizado", "visualizar esta página",
    "acessar esta página", "acessar o site", "aceder a esta página", "aceder ao site"), (
    "traffico insolito", "traffico anomalo", "attività insolita", "attività sospetta", "attività anomala",
    "troppe richieste", "accesso negato", "accesso bloccato", "accesso limitato", "temporaneamente bloccato",
    "richieste automatizzate", "richieste automatiche", "pagina richiesta", "visualizzare questa pagina",
    "accedere alla pagina", "accedere al sito"), (
    "nietypowy ruch", "nietypową aktywność", "podejrzany ruch", "podejrzaną aktywność", "zbyt wiele zapytań",
    "zbyt wiele żądań", "zbyt dużo zapytań", "dostęp zablokowany", "odmowa dostępu", "brak dostępu",
    "wyświetlić stronę", "przejść do strony", "zobaczyć stronę", "neobvyklý provoz", "příliš mnoho požadavků",
    "přístup odepřen"), (
    "необычный трафик", "подозрительный трафик", "подозрительная активность", "подозрительную активность",
    "необычная активность", "много запросов", "доступ ограничен", "доступ запрещен", "доступ запрещён",
    "доступ заблокирован", "доступ временно", "автоматические запросы", "автоматических запросов", "запросы с вашего",
    "доступ к сайту", "войти на сайт", "попадете на сайт", "попадёте на сайт", "доступ к странице", "перейти на сайт",
    "перейти на страницу", "підозріла активність", "доступ обмежено", "забагато запитів"), (
    "olağandışı trafik", "olağan dışı trafik", "olağan dışı kullanım", "şüpheli etkinlik", "şüpheli trafik",
    "çok fazla istek", "erişim engellendi", "erişiminiz engellendi", "erişim reddedildi", "erişiminiz geçici",
    "异常流量", "流量异常", "访问异常", "异常访问", "异常请求", "频繁", "頻繁", "访问受限", "拒绝访问", "访问被拒",
    "继续访问", "流量異常", "アクセスが集中", "異常なトラフィック", "不審なアクセス", "アクセスが制限",
    "アクセスを制限", "アクセスが拒否", "アクセス拒否", "短時間に", "大量のアクセス", "ページを表示", "비정상적인",
    "접근이 차단", "접속이 차단", "접근이 제한", "너무 많은 요청", "과도한 요청",
))
"""What a page says that withholds another one."""

PRODUCTS = Lexicon((
    "cloudflare ray id", "performance security by cloudflare", "incapsula incident", "sucuri website firewall",
    "cidram", "imunify360", "bitninja", "perimeterx", "datadome", "distil networks", "shieldon", "crowdsec",
    "ddos guard",
))
"""Names on the pages of products that do nothing but withhold others."""
# fmt: on
