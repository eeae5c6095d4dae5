"""List the phrases that walls show to their visitors, in many languages.

Those that say that a page is withheld stand on walls only. Those that ask for the check stand on many pages ("I'm not a
robot"), so they do not show that a page is withheld.
"""

import re
from functools import lru_cache

# What a page may withhold, without what a form may give away: a telephone number, a coupon.
_PAGE = (
    r"(?:pages?|site|website|content|article|document|shop|forum|catalogue|catalog|information|paste|thread"
    r"|list|entry|entries|records?|register|topics?|items?|products?|prices?|data|text|lyrics|story|section|archive)"
)

_WITHHOLDING = {
    "English": r"(?:unusual|suspicious) (?:\w+ )?(?:traffic|activity|requests|behaviou?r)|unusual number of requests"
    r"|access (?:to (?:this|the|our) \w+ )?(?:has been |is |was )?(?:temporarily )?(?:denied|blocked|restricted)"
    r"|access to (?:this|the) (?:page|site|website) is limited"
    r"|(?:ip(?: address)?|requests?|access|network|connection) (?:has|have) been (?:temporarily )?"
    r"(?:blocked|denied|restricted|flagged|limited)|\b(?:you(?: have been| are)|requests?(?: was| is)?)"
    r" (?:temporarily )?(?:blocked|rate[- ]limited)"
    r"|checking your (?:browser|connection)|enable js and disable|pardon our interruption|rate limit"
    r"|too (?:many|frequent) (?:requests|visits|queries|pages|searches|errors|hits)|requests too (?:quickly|often)"
    r"|(?:browsing|clicking|reading|moving) (?:\w+ )?too (?:fast|quickly)|super-?human speed|^(?:\d+ )?forbidden$"
    r"|errors (?:\w+ )?from your (?:connection|network|ip)|need to check your request"
    r"|additional (?:security check|verification)"
    r"|security check (?:is )?required|security check (?:to|before you) (?:access|reach|visit|view|enter|see)\b"
    r"|(?:like|from|sent by|be|made by) (?:an? )?automated (?:quer|request|traffic|tool|software|script|activity|brows)"
    r"|(?:detected|sending|received|seeing|noticed) (?:\w+ ){0,2}automated|automation tools"
    r"|(?:look|seem|appear)s? (?:to be )?automated"
    r"|(?:think|thought|suspect|looks? like) (?:that )?you(?:'re| a?re| were| (?:may|might) be) an? (?:ro)?bot"
    r"|(?:continue|keep|go on|resume) (?:browsing|surfing|exploring|reading|shopping)"
    r"|(?:to|can|will) (?:see|view|access|visit|enter|open|reach|read|browse|display|load|unlock|get to|continue to)"
    rf" (?:(?:this|the|our|your|that|its) )?(?:\w+ )?{_PAGE}\b|to read on\b"
    r"|(?:taken|brought|forwarded|sent|returned) (?:back |on )?to the (?:requested )?page"
    rf"|before you (?:see|view|read) (?:this|the) {_PAGE}"
    rf"|(?:before|will|'ll|can|then) (?:then )?(?:show|be shown) (?:you )?(?:(?:the|this|an?|its) )?{_PAGE}\b"
    rf"|before (?:an?|the|this) {_PAGE} is (?:shown|displayed)|(?:is|are) only shown to (?:people|humans)"
    r"|a lot of (?:our )?(?:pages|requests|traffic)"
    rf"|{_PAGE} (?:(?:that )?you (?:have )?asked|is (?:being )?protected)"
    rf"|protects? (?:this|the|our) {_PAGE} (?:from|against)",
    "German": r"(?:ungewöhnlich|verdächtig|auffällig)\w* (?:\w+ )?(?:daten|verkehr|zugriff|aktivität|anfragen|viele)"
    r"|automatisierte\w* (?:anfragen|zugriff|abfragen)|weiter ?(?:zu)?surfen"
    r"|sehr viele (?:such)?(?:anfragen|zugriffe|aufrufe)"
    r"|zugriff\w* (?:auf \w+ \w+ )?(?:wurden? |ist )?(?:vorübergehend )?(?:verweigert|gesperrt|blockiert)"
    r"|zu viele (?:anfragen|zugriffe|seitenaufrufe|aufrufe)|angeforderten? (?:seite|inhalt)"
    r"|um (?:die|diese[ns]?|zur|den|das) (?:\w+ )?(?:seite|artikel|inhalt|angebot|ergebnisse?|website)\b"
    r"|bevor (?:wir|sie|die|der|das) [^.]{0,40}(?:anzeigen|zeigen|sehen|lesen|angezeigt)",
    "Dutch": r"(?:ongebruikelijk|ongewoon|verdacht)\w* (?:\w+ ){0,2}(?:verkeer|activiteit)"
    r"|op de pagina die je zoekt|toegang (?:geweigerd|geblokkeerd|beperkt)|te veel (?:verzoeken|aanvragen)"
    r"|geautomatiseerde? (?:verkeer|verzoeken|toegang)|verder (?:te )?(?:surfen|browsen|lezen)"
    r"|om (?:deze|de|het) (?:pagina|site|website|artikel|inhoud) te (?:zien|bekijken|openen|lezen|bezoeken)",
    "Swedish, Danish, Norwegian, Finnish": r"ovanligt? (?:\w+ )?(?:trafik|aktivitet)|åtkomst (?:nekad|blockerad)"
    r"|för många förfrågningar|för att (?:se|visa|läsa|öppna) (?:sidan|innehållet|artikeln)"
    r"|usædvanlig (?:trafik|aktivitet)|adgang (?:nægtet|blokeret)|uvanlig (?:trafikk|aktivitet)"
    r"|tilgang (?:nektet|blokkert)|for mange (?:forespørgsler|forespørsler)"
    r"|for at (?:se|vise|læse) (?:siden|indholdet|artiklen)|for å (?:se|vise|lese) (?:siden|innholdet|artikkelen)"
    r"|automatiserade? (?:förfrågningar|trafik)|automatiske? (?:forespø\w+|trafik+)|fortsätta (?:surfa|läsa)"
    r"|automaattis\w+ (?:pyyn|liiken)|epätavallis\w* (?:liiken\w+|määrä)|pääsy (?:evätty|estetty)|liian monta pyyntöä"
    r"|nähdäksesi (?:sivun|sisällön)",
    "French": r"vous avez été bloqué|(?:trafic|activité|comportement) (?:inhabituel|exceptionnel|anormal|suspect)"
    r"|trop de (?:requêtes|demandes|visites)"
    r"|(?:requêtes|navigation|comportement) automati|(?:poursuivre|continuer) (?:(?:la|votre|ta|sa|à) )?navig"
    r"|accès (?:\w+ ){0,4}(?:refusé|bloqué|restreint|interdit|limité)"
    r"|pour (?:voir|afficher|consulter|accéder à|accéder au|lire)"
    r" (?:cette|la|cet|ce|le|les|l'|ces)?\s?(?:page|site|article|contenu|document|résultats?|liste|texte|fiche)"
    r"|(?:page|article|contenu|document) (?:que vous avez )?demandée?",
    "Spanish, Portuguese": r"(?:tr[áa]fico|actividad|comportamiento) (?:inusual|sospechos[oa]|extrañ[oa])"
    r"|demasiadas (?:solicitudes|peticiones|consultas)|(?:seguir|continuar) (?:a )?naveg|continuar la naveg"
    r"|(?:solicitudes|peticiones|consultas|tr[áa]f(?:ico|ego)|solicitações) automatizad"
    r"|acceso (?:\w+ ){0,4}(?:denegado|bloqueado|restringido|limitado)"
    r"|para (?:ver|acceder a|visitar|leer|mostrar|abrir|aceder a|acessar|visualizar|ler|exibir)"
    r" (?:est[aeo]s?|las?|el|los|as?|os?|à|ao)\s?(?:página|sitio|artículo|contenido|web|site|artigo|conteúdo"
    r"|documento|edicto|lista|resultados|texto|letra)|página solicitada|tráfego (?:incomum|anormal|invulgar)"
    r"|acesso (?:\w+ ){0,4}(?:negado|bloqueado|restrito|limitado)|muitos pedidos|número (?:invulgar|incomum)"
    r"|muitas (?:solicitações|requisições)",
    "Italian, Romanian": r"(?:traffico|attività|comportamento) (?:insolit|anomal|sospett|inconsuet)[oa]"
    r"|(?:richieste|traffico) automati|continuare (?:la|a) navig|accesso (?:\w+ ){0,4}(?:negato|bloccato|limitato)"
    r"|per (?:vedere|visualizzare|accedere a|leggere|aprire) (?:questa|la|questo|il|l'|alla|al|gli|le|i)\s?"
    r"(?:pagina|sito|articolo|contenuto|documento|risultati|elenco|testo|atti)|troppe richieste|pagina richiesta"
    r"|trafic neobi[șs]nuit|acces(?:ul)? (?:\w+ ){0,3}(?:interzis|restric[țt]ionat|blocat)"
    r"|prea multe (?:cereri|solicit[ăa]ri)|pentru a (?:vedea|accesa|vizualiza) (?:aceast[ăa] )?(?:pagin|con[țt]inut)",
    "Russian, Ukrainian": r"необычн\w{2,3} (?:\w+ )?(?:трафик|активност|запрос)"
    r"|подозрительн\w{2,3} (?:\w+ )?(?:трафик|активност|запрос)|слишком (?:много|часты\w) запрос"
    r"|доступ (?:к \w{1,20} (?:\w+ )?)?(?:временно )?(?:запрещ[её]н|ограничен|заблокирован|заборонено|обмежено)"
    r"|чтобы (?:увидеть|открыть|просмотреть|посмотреть|прочитать|перейти к|попасть на|получить доступ)"
    r" ?(?:к |эту |на )?(?:\w+ )?(?:страниц|сайт|стать|содержим|материал|список|каталог)"
    r"|(?:автоматическ\w+|автоматичн\w+) (?:запрос|запит|трафик|обращени)|похожи на автоматич"
    r"|продолжить (?:просмотр|работу с сайтом|пользоваться)|продовжити перегляд|незвичн\w+ трафік|забагато запитів"
    r"|щоб (?:побачити|переглянути|відкрити) (?:цю )?(?:сторінк|статт|сайт)",
    "Polish, Czech, Slovak, Croatian": r"nietypow\w+ (?:ruch|aktywno)|zbyt (?:wiele|dużo) (?:żądań|zapytań)"
    r"|dostęp (?:\w+ ){0,3}(?:zabroniony|zablokowany|ograniczony)"
    r"|aby (?:zobaczyć|wyświetlić|otworzyć|przeczytać|przejść do) (?:tę |tej |żądan\w+ )?(?:stron|artykuł|treś|dane)"
    r"|aby(?:ste)? (?:zobrazili|viděli|mohli zobrazit) (?:tuto )?(?:stránku|obsah)"
    r"|automatyczn\w+ (?:zapyta|żąda|ruch)|automatick\w+ (?:dotaz|požadav|provoz)|(?:kontynuować|dalszego) przegląda"
    r"|pokračovat v prohlížení|neobvykl\w+ (?:provoz|aktivit|prevádzk)"
    r"|přístup (?:\w+ ){0,3}(?:odepřen|zablokován|omezen)"
    r"|prístup (?:\w+ ){0,3}(?:zamietnutý|zablokovaný|odmietnutý)|příliš mnoho (?:požadavků|dotazů)"
    r"|pro zobrazení (?:t\w+ )?(?:stránky|obsahu|článku|výsledků|zakázky|seznamu)|neuobičajen promet"
    r"|pristup (?:\w+ ){0,3}(?:odbijen|blokiran|zabranjen|ograničen)|previše zahtjeva"
    r"|da biste (?:vidjeli|otvorili) (?:stranicu|sadržaj|članak|popis|cjenik)",
    "Estonian, Hungarian, Greek, Turkish": r"ebatavaline liiklus|szokatlan (?:forgal|tevékenység)|túl sok kérés"
    r"|hozzáférés (?:\w+ ){0,2}(?:megtagadva|korlátozva|letiltva)|oldal megtekintéséhez"
    r"|ασυνήθιστη κίνηση|(?:η )?πρόσβαση (?:\w+ ){0,3}(?:απορρίφθηκε|περιορίστηκε|αποκλείστηκε)"
    r"|πρόσβαση στη σελίδα|για να δείτε (?:τη|την|το|αυτή τη) (?:σελίδα|περιεχόμενο|άρθρο)|πολλά αιτήματα"
    r"|automatizált (?:kérés|forgalom|lekérdez)|otomatik (?:istek|sorgu|trafik|erişim)|gezinmeye devam"
    r"|olağan ?d[ıi]ş[ıi] (?:bir )?(?:trafik|etkinlik|erişim|hareket|kullanım)|şüpheli (?:trafik|etkinlik|işlem)"
    r"|erişim(?:iniz)? (?:\w+ ){0,2}(?:engellendi|reddedildi|kısıtlandı)|çok fazla istek|sayfayı (?:gör|aç)\w+ için",
    "Indonesian, Vietnamese, Thai": r"lalu lintas (?:yang )?tidak (?:biasa|wajar)|terlalu banyak permintaan"
    r"|akses (?:\w+ ){0,3}(?:ditolak|diblokir|dibatasi)|untuk (?:melihat|membuka|mengakses) (?:halaman|konten|situs)"
    r"|(?:permintaan|lalu lintas) otomatis|melanjutkan (?:penelusuran|menjelajah)|tiếp tục (?:duyệt|truy cập)"
    r"|lưu lượng(?: truy cập)? bất thường|truy cập (?:\w+ ){0,3}(?:bị từ chối|bị chặn|bị hạn chế)"
    r"|quá nhiều yêu cầu|để xem (?:trang|nội dung)|การเข้าถึง(?:ถูก)?(?:ปฏิเสธ|จำกัด|ระงับ)"
    r"|(?:การรับส่งข้อมูล|การใช้งาน|ทราฟฟิก)(?:ที่)?ผิดปกติ|เพื่อ(?:ดู|เข้าชม|เปิด)(?:หน้า|เนื้อหา|เว็บ)",
    "Chinese, Japanese, Korean": r"异常(?:流量|访问|请求)|異常(?:流量|なアクセス|存取)|访问(?:被拒绝|受限)|过于频繁"
    r"|请求过多|访问(?:该|此|本)?(?:页面|网站)|(?:继续|才能)访问|(?:后|才能|以)查看(?:页面|内容|网页)"
    r"|自动(?:化)?(?:请求|访问|查询|程序)|自動(?:化)?(?:要求|存取|查詢|アクセス|リクエスト|プログラム)"
    r"|(?:继续|繼續)(?:浏览|瀏覽)|閲覧を続け|(?:多く|大量|多数)のアクセス|자동(?:화)?(?:된)? ?(?:요청|접근|접속|트래픽)"
    r"|계속 (?:이용|탐색|둘러)"
    r"|通常と異なるトラフィック|アクセスが(?:拒否|制限|集中)|不審なアクセス|ページを(?:表示|閲覧|見る|ご覧)"
    r"|リクエストが多すぎ"
    r"|비정상적인 (?:트래픽|접근|요청)|접근이 (?:거부|차단|제한)|요청이 너무 많|페이지를 (?:보려면|보시려면|열려면)",
    "Arabic, Persian, Hebrew": r"حركة مرور غير (?:عادية|معتادة)|(?:رُ?فض|تم رفض|تم حظر|تم تقييد) الوصول"
    r"|طلبات آلية|لمتابعة التصفح|درخواست(?:\u200c| )?های خودکار|בקשות אוטומטיות|להמשיך לגלוש"
    r"|لعرض (?:هذه )?الصفحة|طلبات كثيرة|دسترسی (?:\w+ ){0,3}(?:محدود|مسدود|رد)"
    r"|(?:ה?גישה) (?:נדחתה|נחסמה|הוגבלה)|תעבורה חריגה|כדי (?:לצפות|לראות) ב?(?:דף|עמוד|תוכן)",
}
_CHECK = {
    "English": r"automated (?:requests|queries|traffic|access|tools)|not a (?:ro)?bot\b|are you a (?:ro)?bot\b"
    r"|\b(?:ro)?bots? (?:check|detection|protection|verification)|no (?:ro)?bots\b"
    r"|(?:you are|you're|are you) (?:a )?(?:real |indeed )?human|human (?:verification|check|visitor)"
    r"|(?:check|verify|confirm|prove|checking) (?:that )?(?:\w+ )?(?:is |a )*human|\bprove (?:that )?you"
    r"|\bverif(?:y|ying) (?:that )?(?:you(?:'re| are) (?:a\b|not\b|real|indeed)|you as a human|you're not|humanity)"
    r"|^verification(?: required| needed)?$|security (?:check|challenge|verification)|real person"
    r"|(?:confirm|make sure|check|ensure) (?:that |if |whether )?(?:you're|you are)"
    r" (?:a (?:human|person|real)|human|real|not)\b"
    r"|(?:complete|solve|enter|pass|fill (?:in|out)) (?:the|this|a) (?:re)?captcha|^(?:re)?captcha$"
    r"|\bcaptcha (?:required|challenge|check|verification)"
    r"|(?:complete|solve|pass) (?:the|this|a) (?:security )?challenge",
    "German, Dutch": r"kein roboter|sicherheits(?:überprüfung|abfrage|prüfung|check)"
    r"|(?:sind sie|dass sie|bist du|ob sie) (?:ein|kein) (?:mensch|programm)"
    r"|geen robot|menselijke (?:controle|verificatie|bezoeker)|bent u een mens",
    "Swedish, Danish, Norwegian, Finnish, Estonian": r"inte (?:är )?en robot|är du (?:en )?människa|säkerhetskontroll"
    r"|ikke (?:er )?en robot|sikkerheds(?:kontrol|tjek)|sikkerhets(?:sjekk|kontroll)"
    r"|e[nt] (?:sinä )?ole robotti|turvatarkistus|te ei ole robot",
    "French": r"pas un robot|(?:êtes|es) (?:bien )?(?:un )?humain|vérification de sécurité|^vérification$"
    r"|contrôle de sécurité",
    "Spanish, Portuguese": r"no (?:eres|soy|es usted|es) un robot|não (?:é|sou) um robô|verificação de segurança"
    r"|(?:eres|que es|es usted|é|és|que é) (?:um |un |una )?(?:ser |persona )?human[oa]"
    r"|(?:comprobación|verificación|control) de seguridad",
    "Italian, Romanian": r"non (?:sei|sono|è) un robot|(?:sei|essere|è) (?:un )?(?:essere )?umano"
    r"|(?:controllo|verifica) di sicurezza|nu (?:sunte[țt]i|e[șs]ti|sunt) (?:un )?robot|verificare de securitate",
    "Slavic": r"(?:вы|ви|це|я) не робот|проверка безопасности|^проверка(?: браузера)?$|подтвердите, что вы человек"
    r"|перевірка безпеки|^перевірка$|nie jesteś robotem|czy jesteś (?:człowiekiem|robotem)"
    r"|(?:kontrola|weryfikacja) bezpiecze[ńn]stwa|nejste robot|nie s(?:te|om) robot|bezpečnostn[íá] kontrola"
    r"|niste robot|sigurnosna provjera",
    "Hungarian, Greek, Turkish": r"ön ember|nem (?:vagy(?:ok)? )?robot|biztonsági ellenőrzés"
    r"|δεν (?:είστε|είμαι|είσαι) ρομπότ|έλεγχος ασφαλείας|robot olmad[ıi]ğ[ıi]n[ıi]z|güvenlik (?:kontrolü|doğrulaması)",
    "Indonesian, Vietnamese, Thai": r"bukan robot|(?:pemeriksaan|verifikasi) keamanan"
    r"|không phải (?:là )?(?:người máy|robot)|(?:kiểm tra|xác minh) (?:bảo mật|an ninh)|ไม่ใช่(?:โรบอต|หุ่นยนต์)",
    "Chinese, Japanese, Korean": r"人机(?:身份)?验证|人機驗證|安全验证|安全驗證|不是(?:机器人|機器人)|真人"
    r"|ロボットで(?:は)?(?:ありません|ない)|セキュリティ(?:チェック|確認)|로봇이 아(?:닙니다|님)|보안 (?:확인|검사)",
    "Arabic, Persian, Hebrew": r"(?:لست|لستَ|أنك لست) (?:برنامج )?روبوت|التحقق من (?:الأمان|أنك)|ربات نیستید"
    r"|(?:אינך|לא|אינני|אני לא) רובוט|בדיקת אבטחה",
}
_FIREWALLS = re.compile(
    r"sucuri website firewall|cidram|incapsula incident|imunify360|bitninja|perimeterx|distil networks|shieldon"
)
_ABOUT_CHECK = re.compile(
    r"\bprove\b|\bperson[ea]?\b|\bsolve\b|automat|автомат|капч|\bpessoa|\bprogram|\bkryds\b|\bihmi[ns]|\bby itself\b"
    r"|\boveren|\bpruef|\bkontrol|\bcontrole|\bone (?:more|last) (?:step|thing|check)|\b(?:just a|one) moment\b|robot"
    r"|captcha|try again|\bhuman\b(?! \w+ (?:will|can))|\bcheck(?:ing)?\b|\bverif|\b(?:tick|mark) |\bbox\b|\bcontinue\b"
    r"|\bkästchen|\bprüf|\bmensch|\bvakje|\bcontroleer|\bcochez|\bvérif|\bcontinuer|\bcasilla|\bcontinuar|\bcaixa"
    r"|\bcasella|\brutan\b|\bfelt|провер|флажок|галочк|поле|перевір|позначте|\bpole\b|\bzaznacz|\bzaškrtn|\bkutu"
    r"|\bkotak|\bcentang|\bjelölje|\bellenőrz|\bruutu|\bpolje|\bprovjer|\bcăsuț|\bô\b|ρομπότ|πλαίσιο"
    r"|机器人|機器人|验证|驗證|勾选|ロボット|認証|チェック|인증|로봇|체크|확인|หุ่นยนต์|ช่อง"
    r"|روبوت|تحقق|مربع|ربات|רובוט|אימות|סמנו"
)
_WITHHOLDS = re.compile("|".join(_WITHHOLDING.values()))
_CHECKS = re.compile("|".join(_CHECK.values()))


def find_withholding(text: str) -> str | None:
    """Return a phrase of a text, in lower case, that says that a page is withheld, or None."""
    return _find(_WITHHOLDS, text)


def find_check(text: str) -> str | None:
    """Return a phrase of a text, in lower case, that asks its reader to pass a check, or None."""
    return _find(_CHECKS, text)


def find_firewall(text: str) -> str | None:
    """Return the name of a firewall that a page shows, in lower case, or None."""
    return _find(_FIREWALLS, text)


def is_about_check(text: str) -> bool:
    """Tell whether a text speaks of the check, or of what is withheld."""
    return any(_find(phrases, text) for phrases in (_ABOUT_CHECK, _CHECKS, _WITHHOLDS, _FIREWALLS))


# A page may have twenty widgets under the same headings.
@lru_cache(500)
def _find(phrases: re.Pattern[str], text: str) -> str | None:
    found = phrases.search(text.lower())
    return None if found is None else found[0]
