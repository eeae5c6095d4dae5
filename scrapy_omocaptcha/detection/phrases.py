"""List the words that walls show to their visitors, in some thirty languages.

Those that say that a page is withheld stand near each other on walls only. Those that ask for the check stand on many
pages ("I'm not a robot"), so they do not show that a page is withheld.
"""

import re
from functools import lru_cache

# Words for what a page may withhold, without what a form may give away: a telephone number, a coupon.
_PAGE = (
    r"(?:pages?|site|website|content|article|document|shop|forum|catalogue|catalog|information|paste|thread|list|entry"
    r"|entries|records?|register|topics?|items?|products?|prices?|data|text|lyrics|story|section|archive)"
)

# Stems, in the order of their languages: English, other Germanic ones, Finnish, Romance ones, Slavic ones, Hungarian,
# Greek, Turkish, those of Asia, Arabic, Persian, Hebrew. Those of one are as good as none in a text of another.
_REQUESTS = (
    r"tr[aá]f+[ieék]|\brequests?\b|behaviou?r|\baccess\b|\bvi[sz]it|\bip\b|conn?e[cxs]|network\b|browsing|verkehr"
    r"|zugriff|zugang|anfrage|abfrage|abruf|aufruf|\bbesuch\b|verbindung|verhalten|seiten\b|verkeer|toegang|verzoek"
    r"|aanvragen|bezoek|verbinding|åtkomst|adgang|tilgang|förfrågning|foresp[øo]|begäran|anmodning|besök|besøg|besøk"
    r"|liiken|pyyn|pääsy|yhteys|liiklus|päring|juurdepääs|comp?ortam[ei]|comportement|requêtes?|accès|navigation|rythme"
    r"|demandes|pages|\ba[ck]t+i[vwy]|\bat+ivi[td]|petici|solicitudes|consultas|naveg|pedidos?\b|solicitaç|requisiç"
    r"|acessos?|ligaç|número|richiest[ae]|interrogazion|consultazion|cerer|solicit[ăa]ri|acces|трафик|запрос|обращени"
    r"|доступ|соединени|подключени|посещени|визит|поведени|трафік|активн|запит|з['’]єднан|відвідуван|\bruch|aktywno"
    r"|zapyta|żąda|dostęp|połączeni|odwiedzin|provoz|prevádzk|požadav|požiadav|dotaz|přístup|prístup|spojení|promet"
    r"|zahtjev|zahtev|pristup|dostop|forgal|tevékenység|kérés|hozzáférés|látogatás|lekérdez|kapcsolat|κίνηση|πρόσβαση"
    r"|αίτημα|αιτήματα|σύνδεση|δραστηριότητα|etkinlik|erişim|istek|isteğ|sorgu|işlem|hareket|bağlant|kullanım|ziyaret"
    r"|lalu lintas|permintaan|akses|koneksi|kunjungan|lưu lượng|truy cập|yêu cầu|kết nối|hoạt động|การเข้าถึง|การรับส่งข้อมูล"
    r"|การใช้งาน|ทราฟฟิก|คำขอ|การเชื่อมต่อ|流量|访问|訪問|请求|請求|存取|网络环境|網路環境|操作|活动|行为|连接|查询|查詢"
    r"|要求|程序|程式|アクセス|トラフィック|リクエスト|通信|트래픽|접근|접속|요청|활동|액세스|حركة|نشاط|طلب|وصول|اتصال"
    r"|زيارت|درخواست|دسترسی|ترافیک|תעבורה|גישה|בקשה|בקשות|פעילות|חיבור"
)
"""Words for what a visitor has sent."""
_ODD = (
    r"unusual|\b(?:limit|restrict)ing|\bexceed|überschr|overschr|överskr|overskr|\bdépass|\b(?:supera|excedi)d"
    r"|\bsuperat|depășit|превы[сш]|перевищ|przekrocz|překroč|prekorač|túllép|υπέρβ|aşıl|melampaui|vượt quá|超过|超過"
    r"|超出|초과|تجاوز|\bs[uo]sp(?:e[ncits]|ic)|abnormal|excessive|\bheavy|\bbulk|volume|too (?:many|frequent|quick"
    r"|fast|often|rapid)|faster than|short time|\b(?:blocked|denied|restricted|flagged|paused|held|suspended|stopped"
    r"|intercepted|throttled|interrupted|limited|refused)\b|ungewöhnlich|verdächtig|auffällig|maschinell|massenhaft"
    r"|zu (?:viele|schnell|häufig)|sehr viele|kurzer zeit|verweigert|gesperrt|(?<!un)blo(?:c+at|qu[eé]|ck(?:ed|era"
    r"|iert)|k+er|kir)|zablok|blokiran|eingeschränkt|begrenzt|angehalten|gestoppt|unterbrochen|abgelehnt|ongebruikelijk"
    r"|ongewoon|verdacht|te (?:veel|snel|vaak)|korte tijd|snelle|geweigerd|beperkt|tegengehouden|gestopt|onderbroken"
    r"|gepauzeerd|ovanlig|us[æa]dvanlig|uvanlig|misst[äa]nk|mistenk|mistænk|för många|for mange|kort tid|nekad|nægtet"
    r"|nektet|spärra|begr[äæe]nse?|stoppa|stopp?et|pausa|pauset|afvist|avvist|epätavallis|epäilyttäv|automaattis"
    r"|liian mo|lyhyessä ajassa|evätty|estetty|rajoitettu|keskeytetty|ebatavali|automaatse|liiga palju|piiratud"
    r"|keelatud|peatatud|inhabituel|exceptionnel|an[oóò]r?mal|\btrop (?:de|vite|rapid|fréquen)|peu de temps|refusé"
    r"|restreint|interdit|limité|interr(?:ump|ot|omp|up)|retenu|stoppé|inusual|(?:no|não) parece|non sembra"
    r"|ne (?:res)?semble|extrañ|automátic|fuera de lo|demasiad|poco tiempo|restringid|limitad|detenid|retenid|incomum"
    r"|invulgar|fora do (?:normal|comum)|\bmuit[oa]s|pouco tempo|negad|restrit|retid|recusad|insolit|massiv|inconsuet"
    r"|tropp[eio]|poco tempo|breve tempo|negat|limitat|fermat|rifiutat|trattenut|neobi[șs]nuit|automat(?!ed\b|ic\b"
    r"|ion\b)|prea multe|interzis|restric[țt]ionat|timp scurt|необычн|подозрительн|нетипичн|аномальн|автомати|слишком"
    r"|короткое время|запрещ|ограничен|заблокирован|отклон|приостановл|задержан|прерван|незвичн|підозріл|забагато"
    r"|занадто|короткий час|заборонено|обмежено|заблоковано|призупинено|відхилено|nietypow|podejrzan|zbyt"
    r"|krótkim czasie|zabroniony|ograniczon|wstrzyman|zatrzyman|odrzucon|neobvykl|podezřel|podozriv|příliš|príliš"
    r"|krátk[ée]|odepřen|omezen|obmedzen|zamietnut|odmietnut|zastaven|odmítnut|neuobičajen|sumnjiv|previše|preveč"
    r"|kratkom vremenu|odbijen|zabranjen|ograničen|zaustavljen|nenavad|zavrnjen|szokatlan|gyanús|túl (?:sok|gyors"
    r"|gyakor)|rövid idő|megtagad|korlátoz|letilt|felfüggeszt|megszakít|ασυνήθιστ|ύποπτ|αυτοματοποιημέν|πολλά"
    r"|μικρό χρονικ|σύντομο χρονικ|απορρίφθηκε|περιορ[ίι]στ|αποκλε[ίι]στ|μπλοκαρ|διακόπ|ανεστάλη|olağan ?d[ıi]ş[ıi]"
    r"|şüpheli|otomatik|çok (?:fazla|sayıda|hızlı|sık)|kısa süre|engellen|reddedil|kısıtlan|durdurul|sınırlan|askıya"
    r"|tidak (?:biasa|wajar)|mencurigakan|otomatis|terlalu (?:banyak|cepat|sering)|waktu singkat|ditolak|dibatasi"
    r"|ditahan|dihentikan|ditangguhkan|dijeda|bất thường|đáng ngờ|tự động|quá (?:nhiều|nhanh)|thời gian ngắn|từ chối"
    r"|bị chặn|hạn chế|giới hạn|tạm (?:dừng|ngưng|giữ)|ผิดปกติ|น่าสงสัย|อัตโนมัติ|มากเกินไป|เวลา(?:อัน)?สั้น|ปฏิเสธ|จำกัด|ระงับ|บล็อก"
    r"|异常|異常|可疑|自动|自動|频繁|頻繁|过多|過多|短时间|短時間|拒绝|拒絕|受限|限制|拦截|攔截|暂停|暫停|阻止|異なる"
    r"|不審|不自然|機械的|大量|多数|多く|過度|過剰|制限|拒否|集中|停止|ブロック|保留|遮断|비정상|의심스러|이상|자동"
    r"|너무|과도|대량|짧은 시간|중단|차단|제한|보류|거부|غير (?:عادي|معتاد|طبيعي)|مشبوه|آلي|كثيرة|قصير|رفض|حظر|تقييد"
    r"|تعليق|إيقاف|حجب|خودکار|محدود|مسدود|متوقف|مشکوک|غیرعادی|חריגה|חשודה|אוטומטי|רבות מדי|זמן קצר|נדחתה|נחסמה|הוגבלה"
    r"|הושהתה|נעצרה|עוכבה"
)
"""Words for what is odd about requests, or has stopped them."""
_SEEING = (
    r"(?:regain|restore) access|will (?:then )?(?:be )?(?:load|open|appear|shown|released)|you (?:were looking|wanted"
    r"|requested|asked|tried|came)|\b(?:back|return) to\b|requested|\bum (?:die|diese[ns]?|zur|den|das)\b|bevor (?:wir"
    r"|sie|die|der|das)|angefordert|aufgerufen|gewünscht|angezeigt|geladen|geöffnet|freigegeben|weiter zu|zurück zu"
    r"|weitersurfen|weiterzusurfen|\bom (?:deze|de|het)\b|naar de|voordat|gevraagde|zoekt|verder (?:te )?(?:surfen"
    r"|browsen|lezen)|\bfo[r]? at\b|\bför att (?:se|visa|läsa|öppna|komma)|\bfor (?:at|å) (?:se|vise|læse|lese|åb|åp)"
    r"|innan|begärda|ønskede|visas|vises|öppnas|åbnes|åpnes|fortsätta (?:till|surfa|läsa)|fortsette til|fortsætte til"
    r"|nähdäksesi|avataksesi|lukeaksesi|avautuu|näytetään|pyydetty|jatkaaksesi|nägemiseks|avamiseks|vaatamiseks"
    r"|\bpour (?:voir|afficher|consulter|accéder|lire|continuer|ouvrir)|(?:poursuivre|continuer|reprendre) |retrouver"
    r"|(?:retourner|revenir) |avant d['’]|demandée?\b|s['’](?:affich|ouvr)|sera (?:affich|ouv)|\bpara (?:ver|acceder"
    r"|visitar|leer|mostrar|abrir|continuar|consultar)|solicitad|se (?:abrir|mostrar|cargar)|(?:seguir|continuar"
    r"|volver) |antes de (?:mostrar|abrir)|\bpara (?:ver|aceder|acessar|visualizar|ler|exibir|abrir|continuar"
    r"|consultar)|antes de (?:mostr|abr|exib)|(?:continuar|voltar|seguir) |será (?:exibid|mostrad|abert)|que pediu"
    r"|\bper (?:vedere|visualizzare|accedere|leggere|aprire|consultare|continuare|proseguire)|richiesta|(?:continuare"
    r"|proseguire|tornare) |prima di (?:mostr|apr|visualizz)|verrà (?:mostr|apert|visualizz)|pentru a (?:vedea|accesa"
    r"|vizualiza|deschide|continua|citi)|solicitat|[îi]nainte de|va fi (?:afi|deschis)|чтобы (?:увидеть|открыть"
    r"|просмотреть|посмотреть|прочитать|перейти|попасть|получить|продолжить)|запрошенн|откроется|загрузится"
    r"|будет (?:показан|открыт)|(?:продолжить|вернуться) |прежде чем|перейти (?:к|на)|щоб (?:побачити|переглянути"
    r"|відкрити|прочитати|продовжити|перейти)|запитан|відкриється|(?:продовжити|повернутися) |\b(?:aby"
    r"|żeby) (?:zobaczyć|wyświetlić|otworzyć|przeczytać|przejść|kontynuować)|żądan|zanim|(?:wrócić|przejść) "
    r"|(?:zostanie|będzie) (?:wyświetl|otwart)|kontynuować|dalszego|\baby(?:ste|ch)? (?:zobraz|viděl|mohl|videli)"
    r"|pro zobrazení|požadovan|se (?:zobraz|otevře|načte)|pokračovat|pokračovať|da biste|\bza prikaz|tražen|nastav"
    r"|želite (?:otvor|vidj)|megtekintés|megnyit|betölt|megjelen|\bkért\b|eléréséhez|folytatás|για να (?:δείτε"
    r"|διαβάσετε|ανοίξετε|συνεχίσετε|μεταβείτε)|ζητήσατε|θα (?:ανοίξει|εμφανιστεί)|πρόσβαση στη|(?:gör|aç|oku|ulaş|eriş"
    r"|görüntüle)\w* için|istediğiniz|(?:açıl|yüklen|görüntülen)ec|devam (?:et|edebil)|gezinmeye|untuk (?:melihat"
    r"|membuka|mengakses|membaca|menuju)|sebelum|yang (?:anda )?(?:diminta|minta|tuju)|melanjutkan|akan|để (?:xem|đọc"
    r"|mở|truy cập|vào)|tiếp tục|yêu cầu|sẽ (?:mở|hiển thị|tải)|เพื่อ|ร้องขอ|ไปยัง|เข้าชม|ต้องการ|จะเปิด|查看|显示|顯示|打开"
    r"|打開|继续|繼續|才能|返回|进入|進入|访问(?:该|此|本)|您(?:所)?(?:请求|要)|表示|閲覧|ご覧|見る|移動|進|続け|開き"
    r"|보려면|보시려면|열려면|계속|표시|이동|요청하신|열립|لعرض|لفتح|لمتابعة|للوصول|للانتقال|لمشاهدة|لقراءة|المطلوب"
    r"|طلبت|برای (?:دیدن|مشاهده|ورود)|درخواستی|כדי (?:לצפות|לראות|להמשיך|לקרוא)|המבוקש|שביקשת|להמשיך|לעבור|להיכנס"
)
"""Seeing what was asked for."""
_SEEN = (
    r"\bwww\.|\b(?:page|site|website|article|thread|content|list)\b|seiten?\b|artikel|inhalt|angebot|ergebnis"
    r"|\bdo[ck]ument|document|liste|surfen|inhoud|\bsite\b|browsen|lezen|sidan|siden|innehåll|indhold|innhold"
    r"|arti[kc]{1,2}el|webbplats|surfa|läsa|sivu|sisältö|sisällön|artikkeli|leh(?:t|e)|sisu|\bpage|article\b|contenu"
    r"|result[ae]t|risultat|resultado|résultat|\bliste|texte|fiche|p[aá]gina?|sitio|artículo|contenido|\bweb\b|edicto"
    r"|lista\b|texto|letra|naveg|leyendo|artigo|conteúdo|\bsito\b|elenco|testo|\batti\b|navig|scheda|con[țt]inut"
    r"|articol|site|страниц|сайт|стать|содержим|материал|список|каталог|просмотр|чтени|объявлени|сторінк|статт|вміст"
    r"|перегляд|stron|artykuł|treś|\bdane|serwis|przegląda|list[aęy]\b|ogłosze|strán|obsah|člán|výsled|zakázk|seznam"
    r"|zoznam|\bweb|prohlížení|prehliadan|sadržaj|članak|popis|cjenik|pregled|strani|oldal|tartal|cikk|böngész|σελίδα"
    r"|περιεχόμενο|άρθρο|ιστότοπο|περιήγηση|sayfa|içeri[kğ]|makale|gezin|halaman|konten|situs|penelusuran|menjelajah"
    r"|membaca|trang|nội dung|bài viết|duyệt|truy cập|หน้า|เนื้อหา|เว็บ|页面|頁面|网页|網頁|网站|網站|內容|内容|浏览|瀏覽"
    r"|访问|阅读|ページ|サイトを|サイトの|記事を|記事の|コンテンツ|페이지|사이트|콘텐츠|기사|이용|탐색|둘러|صفحة|الموقع"
    r"|المحتوى|المقال|التصفح|صفحه|سایت|محتوا|דף|עמוד|תוכן|אתר|לגלוש|מאמר"
)
"""Words for what may be seen."""
_PHRASES = (
    r"sucuri website firewall|cidram|incapsula incident|imunify360|bitninja|perimeterx|distil networks|shieldon"
    r"|vous avez été bloqué|\byou(?: have been| are) (?:temporarily )?(?:blocked|rate[- ]limited)|^(?:\d+ )?forbidden$"
    r"|enable js and disable|pardon our interruption|rate limit|need to check your request|errors (?:\w+ )?from your"
    r"|additional (?:security check|verification)|super-?human speed|check(?:ing)? your (?:browser|connection)"
    r"|security check (?:(?:is )?required|(?:to|before you) (?:access|reach|visit|view|enter|see)\b)|(?:like|from"
    r"|sent by|be|made by) (?:an? )?automated (?:quer|request|traffic|tool|software|script|activity|brows)|(?:detected"
    r"|sending|received|seeing|noticed) (?:\w+ ){0,2}automated|automation tools|(?:look|seem"
    r"|appear)s? (?:to be )?automated|(?:like|by) (?:a )?(?:scripts?|bots?)\b|faster than (?:\w+ ){0,3}(?:do|does|can"
    r"|person|people|humans?)\b|\bscripts? send|(?:think|thought|suspect) (?:that )?you(?:'re| a?re| were| (?:may"
    r"|might) be) an? (?:ro)?bot|(?:continue|keep|go on|resume) (?:browsing|surfing|exploring|reading|shopping)"
    r"|to read on\b|(?:to|can|will|before you) (?:see|view|access|visit|enter|open|reach|read|browse|display|load"
    rf"|unlock|get to|continue to) (?:(?:this|the|our|your|that|its) )?(?:\w+ )?{_PAGE}\b|(?:taken|brought|forwarded"
    r"|sent|returned) (?:back |on )?to the (?:page|[^.!?]{0,30}\byou (?:ask|want|request|were))|(?:before|will|'ll|can"
    rf"|then) (?:then )?(?:show(?:ing)?|be shown) (?:you )?(?:(?:the|this|an?|its) )?{_PAGE}\b|before (?:an?|the"
    rf"|this) {_PAGE} (?:is|loads|opens)|(?:is|are) only shown to (?:people|humans)|(?:get|take|bring|let"
    r"|send) you (?:straight |right )?(?:back|through)\b|a lot of (?:our )?(?:pages|requests|traffic)|protects? (?:this"
    rf"|the|our) {_PAGE} (?:from|against)"
)

_CHECK = re.compile(
    # Robots, humans, and checks of security, in the same order
    r"robot|\b(?:ro)?bots?\b|\bscrap(?:er|ing)|\bcrawlers?\b|ρομπότ|робот|người máy|โรบอต|หุ่นยนต์|机器人|機器人|ロボット"
    r"|로봇|روبوت|ربات|רובוט|captcha|капч|\bhuman(?:ity)?\b(?! \w+ (?:will|can))|(?:real|are a) person|mensch|\bmens\b"
    r"|menselijk|menneske|människa|ihminen|inimene|humain|\bhuman[oa]\b|\bumano|\buman\b|человек|людин|człowiek|člověk"
    r"|človek|čovjek|\bember\b|άνθρωπ|insan\b|insan olduğ|manusia|con người|người thật|มนุษย์|真人|人类|人類|人机|人機"
    r"|人間|사람|إنسان|بشر|انسان|אנושי|בן אדם|automated (?:requests|queries|traffic|access|tools)|\bprove (?:that )?you"
    r"|\bverif(?:y|ying) (?:that )?(?:you|humanity)|^verification(?: required| needed)?$|(?:complete|solve|pass) (?:the"
    r"|this|a) (?:security )?(?:challenge|check|test)|security (?:check|challenge|verification|validation)|(?:check"
    r"|verify)ing (?:your |the )?browser|sicherheits|browser (?:wird|wordt)|beveiligings|säkerhetskontroll"
    r"|sikkerhe[dt]s|turvatarkistus|de sécurité|^vérification$|de seguridad|de segurança|di sicurezza|de securitate"
    r"|безопасност|безпек|провер(?:ка|ку|яем)|перевірк|bezpiecze[ńn]stwa|bezpečnost|sigurnos|biztonsági|ασφαλεία"
    r"|güvenlik|keamanan|bảo mật|an ninh|ปลอดภัย|安全|セキュリティ|보안|الأمان|אבטחה"
)
_ABOUT_CHECK = re.compile(
    r"\b(?:ray|incident|inciden[zc]i?a|r[eé]f[eé]ren[czt]\w*|ip|vpn|javascript|firewall|nginx|security|waf|sec|box|ô)\b"
    r"|\bperson[ea]?\b|\bpessoa|\bihmi[ns]|\bprove\b|\bsolve\b|automat|автомат|\bprogram|\bby itself\b|try again"
    r"|\bone (?:more|last) (?:step|thing|check)|\b(?:just a|one) moment\b|\bcheck(?:ing)?\b|\bverif|\bvalidat|\bvérif"
    r"|\b(?:tick|mark) |\boveren|\bpruef|\bprüf|\bkontrol|\bcontrol|\bellenőrz|\bprovjer|провер|перевір|\bcontinu"
    r"|\bkästchen|\bkryds\b|\bvakje|\bcochez|\bcasilla|\bcaixa|\bcasella|\brutan\b|\bfelt|флажок|галочк|поле|позначте"
    r"|\bpole\b|\bzaznacz|\bzaškrtn|\bkutu|\bkotak|\bcentang|\bjelölje|\bruutu|\bpolje|\bcăsuț|πλαίσιο|验证|驗證|勾选"
    r"|認証|チェック|인증|체크|확인|ช่อง|تحقق|مربع|אימות|סמנו|\b[cx]srf|\bnonce\b|\btimestamp\b"
)


def _near(some: str, others: str, gap: int) -> str:
    """Return a pattern for two words of a sentence that are near to each other."""
    between = rf"[^.!?。]{{0,{gap}}}?"
    return rf"(?:(?:{some}){between}(?:{others})|(?:{others}){between}(?:{some}))\w{{0,9}}"


_WITHHOLDS = re.compile(f"{_PHRASES}|{_near(_REQUESTS, _ODD, 25)}|{_near(_SEEING, _SEEN, 15)}")


def find_withholding(text: str) -> str | None:
    """Return a phrase of a text, in lower case, that says that a page is withheld, or None."""
    return _find(_WITHHOLDS, text)


def find_check(text: str) -> str | None:
    """Return a phrase of a text, in lower case, that asks its reader to pass a check, or None."""
    return _find(_CHECK, text)


def is_about_check(text: str) -> bool:
    """Tell whether a text speaks of the check, or of what is withheld."""
    return any(_find(phrases, text) for phrases in (_ABOUT_CHECK, _CHECK, _WITHHOLDS))


# A page may have twenty widgets under the same headings.
@lru_cache(500)
def _find(phrases: re.Pattern[str], text: str) -> str | None:
    found = phrases.search(text.lower())
    return None if found is None else found[0]
