"""List the phrases that walls show to their visitors, in many languages.

Those that say that a page is withheld stand on walls only. Those that ask for the check stand on many pages ("I'm not a
robot"), so they do not show that a page is withheld.
"""

import re
from collections.abc import Callable
from functools import lru_cache

# What a page may withhold, without what a form may give away: a telephone number, a coupon.
_PAGE = (
    r"(?:pages?|site|website|content|article|document|shop|forum|catalogue|catalog|information|paste|thread"
    r"|list|entry|entries|records?|register|topics?|items?|products?|prices?|data|text|lyrics|story|section|archive)"
)

# Regular expressions by a word that each of their matches contains. Searching for the plain word first is a hundred
# times as fast.
_WITHHOLDING = {
    # English
    "unusual": r"unusual (?:traffic|activity|number of requests|behaviou?r)",
    "suspicious": r"suspicious (?:traffic|behaviou?r|requests)",
    "access": r"access (?:to (?:this|the|our) \w+ )?(?:has been |is |was )?(?:temporarily )?"
    r"(?:denied|blocked|restricted)|access to (?:this|the) (?:page|site|website) is limited",
    "been": r"(?:ip(?: address)?|requests?|access|network) (?:has|have) been (?:temporarily )?"
    r"(?:blocked|denied|restricted|flagged)",
    "browser": r"checking your (?:browser|connection)",
    "enable js": r"enable js and disable",
    "too ": r"too (?:many|frequent) (?:requests|visits|queries|pages|searches)|requests too (?:quickly|often)",
    "pardon": r"pardon our interruption",
    "rate": r"rate limit",
    "": r"(?:to|can) (?:see|view|access|visit|enter|open|reach|read|browse|display|load|unlock|get to|continue to)"
    rf" (?:(?:this|the|our|your|that|its) )?(?:\w+ )?{_PAGE}\b|to read on\b"
    r"|(?:taken|brought|forwarded|sent|returned) (?:back |on )?to the (?:requested )?page",
    "before you": rf"before you (?:can )?(?:see|view|read) (?:this|the) {_PAGE}",
    "show": rf"(?:before|will|'ll|can|then) (?:then )?(?:show|be shown|see) (?:you )?(?:(?:the|this|an?"
    rf"|its) )?{_PAGE}\b"
    rf"|before (?:an?|the|this) {_PAGE} is shown|(?:is|are) only shown to (?:people|humans)",
    "a lot of": r"a lot of (?:our )?(?:pages|requests|traffic)",
    "asked": rf"{_PAGE} (?:that )?you (?:have )?(?:asked|requested|wanted|were looking|are looking|tried)"
    rf"|requested {_PAGE}",
    "protect": rf"{_PAGE} is (?:being )?protected|protects? (?:this|the|our) {_PAGE} (?:from|against)",
    # German, Dutch
    "ungew": r"ungewöhnlich\w* (?:\w+ )?(?:datenverkehr|zugriffe|aktivität|anfragen|viele)",
    "zugriff": r"zugriff\w* (?:auf \w+ \w+ )?(?:wurden? |ist )?(?:vorübergehend )?(?:verweigert|gesperrt|blockiert)",
    "zu viele": r"zu viele (?:anfragen|zugriffe|seitenaufrufe|aufrufe)",
    "um ": r"um (?:die|diese[ns]?|zur|den|das) (?:\w+ )?(?:seite|artikel|inhalt|angebot|ergebnisse?|website)\b",
    "bevor": r"bevor (?:wir|sie|die|der|das) [^.]{0,40}(?:anzeigen|zeigen|sehen|lesen|angezeigt)",
    "angefordert": r"angeforderten? (?:seite|inhalt)",
    "verkeer": r"ongebruikelijk verkeer",
    "toegang": r"toegang (?:geweigerd|geblokkeerd|beperkt)",
    "te veel": r"te veel (?:verzoeken|aanvragen)",
    "om ": r"om (?:deze|de|het) (?:pagina|site|website|artikel|inhoud) te (?:zien|bekijken|openen|lezen|bezoeken)"
    r"|för att (?:se|visa|läsa|öppna) (?:sidan|innehållet|artikeln)",
    # Swedish, Danish, Norwegian, Finnish
    "ovanlig": r"ovanlig (?:trafik|aktivitet)",
    "åtkomst": r"åtkomst (?:nekad|blockerad)",
    "förfrågningar": r"för många förfrågningar",
    "usædvanlig": r"usædvanlig (?:trafik|aktivitet)",
    "adgang": r"adgang (?:nægtet|blokeret)",
    "uvanlig": r"uvanlig (?:trafikk|aktivitet)",
    "tilgang": r"tilgang (?:nektet|blokkert)",
    "for mange": r"for mange (?:forespørgsler|forespørsler)",
    "for at": r"for at (?:se|vise|læse) (?:siden|indholdet|artiklen)",
    "for å": r"for å (?:se|vise|lese) (?:siden|innholdet|artikkelen)",
    "epätavalli": r"epätavallis\w* (?:liiken\w+|määrä)",
    "pääsy": r"pääsy (?:evätty|estetty)",
    "liian": r"liian monta pyyntöä",
    "nähdäksesi": r"nähdäksesi (?:sivun|sisällön)",
    # French
    "trafic": r"trafic (?:inhabituel|exceptionnel|anormal|neobi[șs]nuit)",
    "accès": r"accès (?:\w+ ){0,4}(?:refusé|bloqué|restreint|interdit|limité)",
    "trop de": r"trop de (?:requêtes|demandes|visites)",
    "pour ": r"pour (?:voir|afficher|consulter|accéder à|accéder au|lire)"
    r" (?:cette|la|cet|ce|le|les|l'|ces)?\s?(?:page|site|article|contenu|document|résultats?|liste|texte|fiche)",
    "demandé": r"(?:page|article|contenu|document) (?:que vous avez )?demandée?",
    # Spanish, Portuguese, Italian, Romanian
    "inusual": r"(?:tr[áa]fico|actividad) inusual",
    "acceso": r"acceso (?:\w+ ){0,4}(?:denegado|bloqueado|restringido|limitado)",
    "demasiadas": r"demasiadas (?:solicitudes|peticiones|consultas)",
    "para ": r"para (?:ver|acceder a|visitar|leer|mostrar|abrir|aceder a|acessar|visualizar|ler|exibir)"
    r" (?:est[aeo]s?|las?|el|los|as?|os?|à|ao)\s?(?:página|sitio|artículo|contenido|web|site|artigo|conteúdo"
    r"|documento|edicto|lista|resultados|texto|letra)",
    "solicitada": r"página solicitada",
    "tráfego": r"tráfego (?:incomum|anormal|invulgar)",
    "acesso": r"acesso (?:\w+ ){0,4}(?:negado|bloqueado|restrito|limitado)",
    "muit": r"(?:muitos pedidos|muitas (?:solicitações|requisições))",
    "traffico": r"traffico (?:insolito|anomalo)",
    "accesso": r"accesso (?:\w+ ){0,4}(?:negato|bloccato|limitato)",
    "troppe": r"troppe richieste",
    "per ": r"per (?:vedere|visualizzare|accedere a|leggere|aprire) (?:questa|la|questo|il|l'|alla|al|gli|le|i)\s?"
    r"(?:pagina|sito|articolo|contenuto|documento|risultati|elenco|testo|atti)",
    "richiesta": r"pagina richiesta",
    "acces": r"acces(?:ul)? (?:\w+ ){0,3}(?:interzis|restric[țt]ionat|blocat)",
    "prea multe": r"prea multe (?:cereri|solicit[ăa]ri)",
    "pentru a": r"pentru a (?:vedea|accesa|vizualiza) (?:aceast[ăa] )?(?:pagin|con[țt]inut)",
    # Slavic languages
    "обычн": r"необычн\w{2,3} (?:\w+ )?(?:трафик|активност|запрос)",
    "подозр": r"подозрительн\w{2,3} (?:\w+ )?(?:трафик|активност|запрос)",
    "доступ": r"доступ (?:к \w{1,20} (?:\w+ )?)?(?:временно )?(?:запрещ[её]н|ограничен|заблокирован|заборонено"
    r"|обмежено)",
    "слишком": r"слишком (?:много|часты\w) запрос",
    "чтобы": r"чтобы (?:увидеть|открыть|просмотреть|посмотреть|прочитать|перейти к|попасть на|получить доступ)"
    r" ?(?:к |эту |на )?(?:\w+ )?(?:страниц|сайт|стать|содержим|материал|список|каталог)",
    "трафік": r"незвичн\w+ трафік",
    "забагато": r"забагато запитів",
    "щоб": r"щоб (?:побачити|переглянути|відкрити) (?:цю )?(?:сторінк|статт|сайт)",
    "nietypow": r"nietypow\w+ (?:ruch|aktywno)",
    "dostęp": r"dostęp (?:\w+ ){0,3}(?:zabroniony|zablokowany|ograniczony)",
    "zbyt": r"zbyt (?:wiele|dużo) (?:żądań|zapytań)",
    "aby": r"aby (?:zobaczyć|wyświetlić|otworzyć|przeczytać|przejść do) (?:tę |tej |żądan\w+ )?(?:stron|artykuł|treś)"
    r"|aby(?:ste)? (?:zobrazili|viděli|mohli zobrazit) (?:tuto )?(?:stránku|obsah)",
    "neobvykl": r"neobvykl\w+ (?:provoz|aktivit|prevádzk)",
    "přístup": r"přístup (?:\w+ ){0,3}(?:odepřen|zablokován|omezen)",
    "prístup": r"prístup (?:\w+ ){0,3}(?:zamietnutý|zablokovaný|odmietnutý)",
    "příliš": r"příliš mnoho (?:požadavků|dotazů)",
    "promet": r"neuobičajen promet",
    "pro zobrazení": r"pro zobrazení (?:t\w+ )?(?:stránky|obsahu|článku|výsledků|zakázky|seznamu)",
    "pristup": r"pristup (?:\w+ ){0,3}(?:odbijen|blokiran|zabranjen|ograničen)",
    "previše": r"previše zahtjeva",
    "vidjeli": r"da biste (?:vidjeli|otvorili) (?:stranicu|sadržaj|članak|popis|cjenik)",
    # Estonian, Hungarian, Greek, Turkish, Indonesian, Vietnamese, Thai
    "liiklus": r"ebatavaline liiklus",
    "szokatlan": r"szokatlan (?:forgal|tevékenység)",
    "hozzáférés": r"hozzáférés (?:\w+ ){0,2}(?:megtagadva|korlátozva|letiltva)",
    "túl sok": r"túl sok kérés",
    "oldal meg": r"oldal megtekintéséhez",
    "κίνηση": r"ασυνήθιστη κίνηση",
    "πρόσβαση": r"(?:η )?πρόσβαση (?:\w+ ){0,3}(?:απορρίφθηκε|περιορίστηκε|αποκλείστηκε)|πρόσβαση στη σελίδα",
    "δείτε": r"για να δείτε (?:τη|την|το|αυτή τη) (?:σελίδα|περιεχόμενο|άρθρο)",
    "αιτήματα": r"πολλά αιτήματα",
    "ola\u011fan": r"ola\u011fan ?d[\u0131i]\u015f[\u0131i] (?:trafik|etkinlik)",
    "erişim": r"eri\u015fim(?:iniz)? (?:\w+ ){0,2}(?:engellendi|reddedildi|k\u0131s\u0131tland\u0131)",
    "\u00e7ok fazla": r"\u00e7ok fazla istek",
    "sayfay\u0131": r"sayfay\u0131 (?:g\u00f6r|a\u00e7)\w+ i\u00e7in",
    "lalu lintas": r"lalu lintas (?:yang )?tidak (?:biasa|wajar)",
    "akses": r"akses (?:\w+ ){0,3}(?:ditolak|diblokir|dibatasi)",
    "terlalu": r"terlalu banyak permintaan",
    "untuk ": r"untuk (?:melihat|membuka|mengakses) (?:halaman|konten|situs)",
    "bất thường": r"lưu lượng(?: truy cập)? bất thường",
    "truy cập": r"truy cập (?:\w+ ){0,3}(?:bị từ chối|bị chặn|bị hạn chế)",
    "quá nhiều": r"quá nhiều yêu cầu",
    "để xem": r"để xem (?:trang|nội dung)",
    "การเข้าถึง": r"การเข้าถึง(?:ถูก)?(?:ปฏิเสธ|จำกัด|ระงับ)",
    "ผิดปกติ": r"(?:การรับส่งข้อมูล|การใช้งาน|ทราฟฟิก)(?:ที่)?ผิดปกติ",
    "เพื่อ": r"เพื่อ(?:ดู|เข้าชม|เปิด)(?:หน้า|เนื้อหา|เว็บ)",
    # Chinese, Japanese, Korean
    "异常": "异常(?:流量|访问|请求)",
    "異常": "異常(?:流量|なアクセス|存取)",
    "访问": "访问(?:被拒绝|过于频繁|受限)|访问(?:该|此|本)?(?:页面|网站)|(?:继续|才能)访问",
    "过于频繁": "过于频繁",
    "请求过多": "请求过多",
    "查看": "(?:后|才能|以)查看(?:页面|内容|网页)",
    "トラフィック": "通常と異なるトラフィック",
    "アクセス": "アクセスが(?:拒否|制限|集中)|不審なアクセス",
    "ページを": "ページを(?:表示|閲覧|見る|ご覧)",
    "リクエスト": "リクエストが多すぎ",
    "비정상": "비정상적인 (?:트래픽|접근|요청)",
    "접근": "접근이 (?:거부|차단|제한)",
    "요청이": "요청이 너무 많",
    "페이지를": "페이지를 (?:보려면|보시려면|열려면)",
    # Arabic, Persian, Hebrew
    "مرور": "حركة مرور غير (?:عادية|معتادة)",
    "الوصول": "(?:رُ?فض|تم رفض|تم حظر|تم تقييد) الوصول",
    "لعرض": "لعرض (?:هذه )?الصفحة",
    "طلبات": "طلبات كثيرة",
    "دسترسی": "دسترسی (?:\\w+ ){0,3}(?:محدود|مسدود|رد)",
    "גישה": "(?:ה?גישה) (?:נדחתה|נחסמה|הוגבלה)",
    "תעבורה": "תעבורה חריגה",
    "כדי ל": "כדי (?:לצפות|לראות) ב?(?:דף|עמוד|תוכן)",
}
_CHECK = {
    # English
    "automated": r"automated (?:requests|queries|traffic|access|tools)",
    "bot": r"not a (?:ro)?bot\b|are you a (?:ro)?bot\b|\b(?:ro)?bots? (?:check|detection|protection|verification)"
    r"|no (?:ro)?bots\b",
    "human": r"(?:you are|you're|are you) (?:a )?(?:real |indeed )?human|human (?:verification|check)"
    r"|(?:check|verify|confirm|prove|checking) (?:that )?(?:\w+ )?(?:is |a )*human|human visitor",
    "prove": r"\bprove (?:that )?you",
    "verif": r"\bverif(?:y|ying) (?:that )?(?:you(?:'re| are) (?:a |not |real|indeed)|you as a human|you're"
    r" not|humanity)",
    "verification": r"^verification(?: required| needed)?$",
    "security": r"security (?:check|challenge|verification)",
    "you": r"(?:confirm|make sure|check|ensure) (?:that |if |whether )?(?:you're|you are) (?:a (?:human|person"
    r"|real)|human|real|not)\b",
    "real person": r"real person",
    "captcha": r"(?:complete|solve|enter|pass|fill (?:in|out)) (?:the|this|a) (?:re)?captcha"
    r"|\bcaptcha (?:required|challenge|check|verification)|^(?:re)?captcha$",
    "challenge": r"(?:complete|solve|pass) (?:the|this|a) (?:security )?challenge",
    # German, Dutch, Swedish, Danish, Norwegian, Finnish
    "roboter": r"kein roboter",
    "sicherheits": r"sicherheits(?:überprüfung|abfrage|prüfung|check)",
    "mensch": r"(?:sind sie|dass sie|bist du|ob sie) (?:ein|kein) (?:mensch|programm)",
    "geen": r"geen robot",
    "menselijk": r"menselijke (?:controle|verificatie|bezoeker)|bent u een mens",
    "inte en": r"inte (?:är )?en robot|är du (?:en )?människa",
    "säkerhetskontroll": r"säkerhetskontroll",
    "ikke en": r"ikke (?:er )?en robot",
    "sikkerhed": r"sikkerheds(?:kontrol|tjek)",
    "sikkerhets": r"sikkerhets(?:sjekk|kontroll)",
    "ei ole": r"te ei ole robot",
    "robotti": r"et (?:ole|sinä ole) robotti|en ole robotti",
    "turvatarkistus": r"turvatarkistus",
    # French
    "pas un": r"pas un robot",
    "humain": r"(?:êtes|es) (?:bien )?(?:un )?humain",
    "vérification": r"vérification de sécurité|^vérification$",
    "contrôle": r"contrôle de sécurité",
    # Spanish, Portuguese, Italian, Romanian
    "un robot": r"no (?:eres|soy|es usted|es) un robot|non (?:sei|sono|è) un robot|não (?:é|sou|és) um robot",
    "humano": r"(?:eres|es usted|é|és|que é) (?:um |un )?(?:ser )?humano",
    "seguridad": r"(?:comprobación|verificación|control) de seguridad",
    "robô": r"não (?:é|sou) um robô",
    "segurança": r"verificação de segurança",
    "umano": r"(?:sei|essere|è) un (?:essere )?umano",
    "sicurezza": r"(?:controllo|verifica) di sicurezza",
    "sunte": r"nu sunte[țt]i (?:un )?robot",
    "securitate": r"verificare de securitate",
    # Slavic languages
    "робот": r"(?:вы|ви|что вы|це|я) не робот",
    "проверка": r"проверка безопасности|^проверка(?: браузера)?$",
    "перевірка": r"перевірка безпеки|^перевірка$",
    "подтвердите": r"подтвердите, что вы (?:не робот|человек)",
    "jesteś": r"nie jesteś robotem|czy jesteś (?:człowiekiem|robotem)",
    "bezpiecze": r"(?:kontrola|weryfikacja) bezpiecze[ńn]stwa",
    "nejste": r"nejste robot",
    "nie ste": r"nie ste robot",
    "nie som": r"nie som robot",
    "bezpečnost": r"bezpečnostn[íá] kontrola",
    "niste": r"niste robot",
    "sigurnosn": r"sigurnosna provjera",
    # Hungarian, Greek, Turkish, Indonesian, Vietnamese, Thai
    "ön ember": "ön ember",
    "nem vagy": r"nem vagy(?:ok)? robot|nem robot",
    "biztonsági": r"biztonsági ellenőrzés",
    "ρομπότ": r"δεν (?:είστε|είμαι|είσαι) ρομπότ",
    "ασφαλείας": r"έλεγχος ασφαλείας",
    "robot olm": r"robot olmad[\u0131i]\u011f[\u0131i]n[\u0131i]z",
    "güvenlik": r"g\u00fcvenlik (?:kontrol\u00fc|do\u011frulamas\u0131)",
    "bukan": r"bukan robot",
    "keamanan": r"(?:pemeriksaan|verifikasi) keamanan",
    "không": r"không phải (?:là )?(?:người máy|robot)",
    "bảo mật": r"(?:kiểm tra|xác minh) (?:bảo mật|an ninh)",
    "โรบอต": r"ไม่ใช่(?:โรบอต|หุ่นยนต์)",
    "หุ่นยนต์": r"ไม่ใช่หุ่นยนต์",
    # Chinese, Japanese, Korean
    "人机": "人机(?:身份)?验证",
    "人機": "人機驗證",
    "安全验证": "安全验证",
    "安全驗證": "安全驗證",
    "不是": "不是(?:机器人|機器人)",
    "真人": "真人",
    "ロボット": "ロボットで(?:は)?(?:ありません|ない)|ロボットではない",
    "セキュリティ": "セキュリティ(?:チェック|確認)",
    "로봇": "로봇이 아닙니다|로봇이 아님",
    "보안": "보안 (?:확인|검사)",
    # Arabic, Persian, Hebrew
    "روبوت": "(?:لست|لستَ|أنك لست) (?:برنامج )?روبوت",
    "التحقق": "التحقق من (?:الأمان|أنك)",
    "ربات": "ربات نیستید",
    "רובוט": "(?:אינך|לא|אינני|אני לא) רובוט",
    "אבטחה": "בדיקת אבטחה",
}
_FIREWALLS = re.compile(
    r"sucuri website firewall|cidram|incapsula incident|imunify360|bitninja|perimeterx|distil networks|shieldon"
)
_ABOUT_CHECK = re.compile(
    r"\bone (?:more|last) (?:step|thing|check)|\b(?:just a|one) moment\b|robot|\bro?bots?\b|captcha"
    r"|\bhuman\b(?! \w+ (?:will|can))|\bcheck(?:ing)?\b|\bverif|\b(?:tick|mark) |\bbox\b|\bcontinue\b"
    r"|try again"
    r"|\bkästchen|\bprüf|\bmensch|\bvakje|\bcontroleer|\bcochez|\bvérif|\bcontinuer|\bcasilla|\bcontinuar|\bcaixa"
    r"|\bcasella|\brutan\b|\bfelt|провер|флажок|галочк|поле|перевір|позначте|\bpole\b|\bzaznacz|\bzaškrtn|\bkutu"
    r"|\bkotak|\bcentang|\bjelölje|\bellenőrz|\bruutu|\bpolje|\bprovjer|\bcăsuț|\bô\b|ρομπότ|πλαίσιο"
    r"|机器人|機器人|验证|驗證|勾选|真人|ロボット|認証|チェック|인증|로봇|체크|확인|หุ่นยนต์|ช่อง"
    r"|روبوت|تحقق|مربع|ربات|רובוט|אימות|סמנו"
)


def _finder(phrases: dict[str, str]) -> Callable[[str], str | None]:
    compiled = [(word, re.compile(phrase)) for word, phrase in phrases.items()]

    # A page may have twenty widgets under the same headings.
    @lru_cache(200)
    def find(text: str) -> str | None:
        lower = text.lower()
        matches = (phrase.search(lower) for word, phrase in compiled if word in lower)
        return next((match[0] for match in matches if match), None)

    return find


find_withholding = _finder(_WITHHOLDING)
"""Return a phrase of a text, in lower case, that says that a page is withheld, or None."""
find_check = _finder(_CHECK)
"""Return a phrase of a text, in lower case, that asks its reader to pass a check, or None."""


def find_firewall(text: str) -> str | None:
    """Return the name of a firewall that a page shows, in lower case, or None."""
    found = _FIREWALLS.search(text.lower())
    return None if found is None else found[0]


def is_about_check(sentence: str) -> bool:
    """Tell whether a sentence speaks of the check, or of what is withheld."""
    return bool(find_check(sentence) or find_withholding(sentence) or _ABOUT_CHECK.search(sentence.lower()))
