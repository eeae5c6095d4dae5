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

_LANGUAGES = {
    "English": r"traffic|activity|\brequests?\b|behaviou?r|\baccess\b|\bvisits?\b|\bip\b|connection|network\b"
    r"|browsing / unusual|suspicious|abnormal|excessive|\bheavy|\bbulk|volume|too (?:many|frequent|quick|fast|often|rapid)|faster than|\bscripts? send|(?:like|by) (?:a )?(?:scripts?|bots?)\b"
    r"|short time|\b(?:blocked|denied|restricted|flagged|paused|held|suspended|stopped|intercepted|throttled"
    r"|interrupted|limited|refused)\b / (?:regain|restore) access|will (?:then )?(?:be )?(?:load|open|appear|shown"
    r"|released)|you (?:were looking|wanted|requested|asked|tried|came)|\b(?:back|return) to\b|requested / \b(?:page"
    r"|site|website|article|thread|content|list)\b",
    "German": r"verkehr|zugriff|zugang|aktivität|anfrage|abfrage|abruf|aufruf|\bbesuch\b|verbindung|verhalten|\bip\b"
    r"|seiten\b / ungewöhnlich|verdächtig|auffällig|automatisiert|maschinell|massenhaft|zu (?:viele|schnell|häufig)"
    r"|sehr viele|kurzer zeit|verweigert|gesperrt|blockiert|eingeschränkt|begrenzt|angehalten|gestoppt|unterbrochen"
    r"|abgelehnt / \bum (?:die|diese[ns]?|zur|den|das)\b|bevor (?:wir|sie|die|der|das)|angefordert|aufgerufen"
    r"|gewünscht|angezeigt|geladen|geöffnet|freigegeben|weiter zu|zurück zu|weitersurfen|weiterzusurfen / seiten?\b"
    r"|artikel|inhalt|angebot|ergebnis|website|dokument|liste|surfen",
    "Dutch": r"verkeer|activiteit|toegang|verzoek|aanvragen|bezoek|verbinding|\bip\b / ongebruikelijk|ongewoon"
    r"|verdacht|geautomatiseerd|te (?:veel|snel|vaak)|korte tijd|snelle|geweigerd|geblokkeerd|beperkt|tegengehouden"
    r"|gestopt|onderbroken|gepauzeerd / \bom (?:deze|de|het)\b|naar de|voordat|gevraagde|zoekt"
    r"|verder (?:te )?(?:surfen|browsen|lezen) / pagina|website|artikel|inhoud|\bsite\b|surfen|browsen|lezen",
    "Swedish, Danish, Norwegian": r"tra[fk]+ik|aktivitet|åtkomst|adgang|tilgang|förfrågning|foresp[øo]|begäran"
    r"|anmodning|besök|besøg|besøk|\bip\b / ovanlig|us[æa]dvanlig|uvanlig|misst[äa]nk|mistenk|mistænk|automatisera"
    r"|automatiske|för många|for mange|kort tid|nekad|nægtet|nektet|blok+er|blockera|spärra|begr[äæe]nse?|stoppa"
    r"|stopp?et|pausa|pauset|afvist|avvist / \bfo[r]? at\b|\bför att (?:se|visa|läsa|öppna|komma)|\bfor (?:at"
    r"|å) (?:se|vise|læse|lese|åb|åp)|innan|begärda|ønskede|visas|vises|öppnas|åbnes|åpnes|fortsätta (?:till|surfa"
    r"|läsa)|fortsette til|fortsætte til / sidan|siden|innehåll|indhold|innhold|arti[kc]{1,2}el|webbplats|surfa|läsa",
    "Finnish, Estonian": r"liiken|pyyn|pääsy|yhteys|liiklus|päring|juurdepääs / epätavallis|epäilyttäv|automaattis"
    r"|liian mo|lyhyessä ajassa|evätty|estetty|rajoitettu|keskeytetty|ebatavali|automaatse|liiga palju|piiratud"
    r"|keelatud|peatatud / nähdäksesi|avataksesi|lukeaksesi|avautuu|näytetään|pyydetty|jatkaaksesi|nägemiseks"
    r"|avamiseks|vaatamiseks / sivu|sisältö|sisällön|artikkeli|leh(?:t|e)|sisu",
    "French": r"trafic|activité|comportement|requêtes?|visites?|connexion|accès|navigation|rythme|demandes|\bip\b"
    r"|pages / inhabituel|exceptionnel|anorma|suspect|automati|\btrop (?:de|vite|rapid|fréquen)|peu de temps|refusé"
    r"|bloqué|restreint|interdit|limité|suspendu|interromp|retenu|stoppé / \bpour (?:voir|afficher|consulter|accéder"
    r"|lire|continuer|ouvrir)|(?:poursuivre|continuer|reprendre) |retrouver|(?:retourner|revenir) |avant d['’]"
    r"|demandée?\b|s['’](?:affich|ouvr)|sera (?:affich|ouv) / \bpage|\bsite\b|article\b|contenu|document|résultat"
    r"|naviga|\bliste|texte|fiche",
    "Spanish": r"tr[áa]fico|actividad|comportamiento|petici|solicitudes|consultas|visitas?|acceso|conexi|naveg"
    r"|\bip\b / inusual|sospechos|extrañ|an[óo]mal|anormal|automátic|automatizad|fuera de lo|demasiad|poco tiempo"
    r"|denegad|bloquead|restringid|limitad|detenid|pausad|suspendid|interrumpid|retenid / \bpara (?:ver|acceder"
    r"|visitar|leer|mostrar|abrir|continuar|consultar)|solicitad|se (?:abrir|mostrar|cargar)|(?:seguir|continuar"
    r"|volver) |antes de (?:mostrar|abrir) / página|sitio|artículo|contenido|\bweb\b|documento|edicto|lista\b"
    r"|resultado|texto|letra|naveg|leyendo",
    "Portuguese": r"tr[áa]fego|atividade|comportamento|pedidos?\b|solicitaç|requisiç|acessos?|ligaç|conex|visita"
    r"|número|\bip\b / incomum|invulgar|anormal|suspeit|automatizad|fora do (?:normal|comum)|\bmuit[oa]s|demasiad"
    r"|pouco tempo|negad|bloquead|restrit|limitad|suspens|pausad|interrompid|retid|recusad / \bpara (?:ver|aceder"
    r"|acessar|visualizar|ler|exibir|abrir|continuar|consultar)|antes de (?:mostr|abr|exib)|solicitad|(?:continuar"
    r"|voltar|seguir) |será (?:exibid|mostrad|abert)|que pediu / página|\bsite\b|artigo|conteúdo|documento|lista\b"
    r"|resultado|texto|letra|naveg",
    "Italian": r"traffico|attività|comportamento|richiest[ae]|interrogazion|consultazion|accesso|accessi|connessione|visita|\bip\b / insolit|massiv"
    r"|anomal|sospett|inconsuet|automati|tropp[eio]|poco tempo|breve tempo|negat|bloccat|limitat|sospes|interrott"
    r"|fermat|rifiutat|trattenut / \bper (?:vedere|visualizzare|accedere|leggere|aprire|consultare|continuare"
    r"|proseguire)|richiesta|(?:continuare|proseguire|tornare) |prima di (?:mostr|apr|visualizz)|verrà (?:mostr|apert"
    r"|visualizz) / pagina|\bsito\b|articolo|contenuto|document|risultat|elenco|testo|\batti\b|navig|scheda",
    "Romanian": r"trafic|activit|cerer|solicit[ăa]ri|acces|conexiun / neobi[șs]nuit|suspect|automat|prea multe"
    r"|interzis|restric[țt]ionat|blocat|limitat|suspend|[îi]ntrerupt|timp scurt / pentru a (?:vedea|accesa|vizualiza"
    r"|deschide|continua|citi)|solicitat|[îi]nainte de|va fi (?:afi|deschis) / pagin|con[țt]inut|articol|site"
    r"|document|naviga",
    "Russian": r"трафик|активност|запрос|обращени|доступ|соединени|подключени|посещени|визит|\bip\b|поведени / "
    r"необычн|подозрительн|нетипичн|аномальн|автомати|слишком|короткое время|запрещ|ограничен|заблокирован|отклон"
    r"|приостановл|задержан|прерван / чтобы (?:увидеть|открыть|просмотреть|посмотреть|прочитать|перейти|попасть"
    r"|получить|продолжить)|запрошенн|откроется|загрузится|будет (?:показан|открыт)|(?:продолжить|вернуться) "
    r"|прежде чем|перейти (?:к|на) / страниц|сайт|стать|содержим|материал|список|каталог|просмотр|чтени|объявлени",
    "Ukrainian": r"трафік|активн|запит|доступ|з['’]єднан|відвідуван|\bip\b / незвичн|підозріл|автоматичн|забагато"
    r"|занадто|короткий час|заборонено|обмежено|заблоковано|призупинено|відхилено / щоб (?:побачити|переглянути"
    r"|відкрити|прочитати|продовжити|перейти)|запитан|відкриється|(?:продовжити|повернутися)  / сторінк|статт|сайт"
    r"|вміст|перегляд|каталог",
    "Polish": r"\bruch|aktywno|zapyta|żąda|dostęp|połączeni|wizyt|odwiedzin|\bip\b / nietypow|podejrzan|automatyczn"
    r"|zbyt|krótkim czasie|zabroniony|zablokowan|ograniczon|wstrzyman|zatrzyman|odrzucon / \b(?:aby|żeby) (?:zobaczyć"
    r"|wyświetlić|otworzyć|przeczytać|przejść|kontynuować)|żądan|zanim|(?:wrócić|przejść) |(?:zostanie"
    r"|będzie) (?:wyświetl|otwart)|kontynuować|dalszego / stron|artykuł|treś|\bdane|serwis|przegląda|list[aęy]\b"
    r"|ogłosze",
    "Czech, Slovak": r"provoz|prevádzk|aktivit|požadav|požiadav|dotaz|přístup|prístup|spojení|\bip\b / neobvykl"
    r"|podezřel|podozriv|automatick|příliš|príliš|krátk[ée]|odepřen|zablokov|omezen|obmedzen|zamietnut|odmietnut"
    r"|pozastaven|zastaven|odmítnut / \baby(?:ste|ch)? (?:zobraz|viděl|mohl|videli)|pro zobrazení|požadovan"
    r"|se (?:zobraz|otevře|načte)|pokračovat|pokračovať / strán|obsah|člán|výsled|zakázk|seznam|zoznam|\bweb"
    r"|prohlížení|prehliadan",
    "Croatian, Serbian, Slovene": r"promet|aktivnost|zahtjev|zahtev|pristup|dostop / neuobičajen|sumnjiv|automat"
    r"|previše|preveč|kratkom vremenu|odbijen|blokiran|zabranjen|ograničen|zaustavljen|nenavad|zavrnjen / da biste"
    r"|\bza prikaz|tražen|nastav|želite (?:otvor|vidj) / stranic|sadržaj|članak|popis|cjenik|pregled|strani",
    "Hungarian": r"forgal|tevékenység|kérés|hozzáférés|látogatás|lekérdez|kapcsolat / szokatlan|gyanús|automatizált"
    r"|túl (?:sok|gyors|gyakor)|rövid idő|megtagad|korlátoz|letilt|felfüggeszt|blokkol|megszakít / megtekintés"
    r"|megnyit|betölt|megjelen|\bkért\b|eléréséhez|folytatás / oldal|tartal|cikk|böngész",
    "Greek": r"κίνηση|πρόσβαση|αίτημα|αιτήματα|σύνδεση|δραστηριότητα / ασυνήθιστ|ύποπτ|αυτοματοποιημέν|πολλά"
    r"|μικρό χρονικ|σύντομο χρονικ|απορρίφθηκε|περιορ[ίι]στ|αποκλε[ίι]στ|μπλοκαρ|διακόπ|ανεστάλη / για να (?:δείτε"
    r"|διαβάσετε|ανοίξετε|συνεχίσετε|μεταβείτε)|ζητήσατε|θα (?:ανοίξει|εμφανιστεί)|πρόσβαση στη / σελίδα|περιεχόμενο"
    r"|άρθρο|ιστότοπο|περιήγηση",
    "Turkish": r"trafik|etkinlik|erişim|istek|isteğ|sorgu|işlem|hareket|bağlant|kullanım|ziyaret / olağan ?d[ıi]ş[ıi]"
    r"|şüpheli|otomatik|çok (?:fazla|sayıda|hızlı|sık)|kısa süre|engellen|reddedil|kısıtlan|durdurul|sınırlan"
    r"|askıya / (?:gör|aç|oku|ulaş|eriş|görüntüle)\w* için|istediğiniz|(?:açıl|yüklen|görüntülen)ec|devam (?:et"
    r"|edebil)|gezinmeye / sayfa|içeri[kğ]|makale|site|gezin|devam",
    "Indonesian, Malay": r"lalu lintas|permintaan|akses|aktivitas|koneksi|kunjungan|trafik / tidak (?:biasa|wajar)"
    r"|mencurigakan|otomatis|terlalu (?:banyak|cepat|sering)|waktu singkat|ditolak|diblokir|dibatasi|ditahan"
    r"|dihentikan|ditangguhkan|dijeda / untuk (?:melihat|membuka|mengakses|membaca|menuju)|sebelum"
    r"|yang (?:anda )?(?:diminta|minta|tuju)|melanjutkan|akan / halaman|konten|situs|artikel|penelusuran|menjelajah"
    r"|membaca",
    "Vietnamese": r"lưu lượng|truy cập|yêu cầu|kết nối|hoạt động / bất thường|đáng ngờ|tự động|quá (?:nhiều|nhanh)"
    r"|thời gian ngắn|từ chối|bị chặn|hạn chế|giới hạn|tạm (?:dừng|ngưng|giữ) / để (?:xem|đọc|mở|truy cập|vào)"
    r"|tiếp tục|yêu cầu|sẽ (?:mở|hiển thị|tải) / trang|nội dung|bài viết|duyệt|truy cập",
    "Thai": r"การเข้าถึง|การรับส่งข้อมูล|การใช้งาน|ทราฟฟิก|คำขอ|การเชื่อมต่อ / ผิดปกติ|น่าสงสัย|อัตโนมัติ|มากเกินไป"
    r"|เวลา(?:อัน)?สั้น|ปฏิเสธ|จำกัด|ระงับ|บล็อก / เพื่อ|ร้องขอ|ไปยัง|เข้าชม|ต้องการ|จะเปิด / หน้า|เนื้อหา|เว็บ",
    "Chinese": r"流量|访问|訪問|请求|請求|存取|网络环境|網路環境|操作|活动|行为|连接|查询|查詢|要求|程序|程式 / 异常|異常|可疑|自动|自動|频繁|頻繁|过多|過多|短时间|短時間|拒绝|拒絕|受限"
    r"|限制|拦截|攔截|暂停|暫停|阻止 / 查看|显示|顯示|打开|打開|继续|繼續|才能|返回|进入|進入|访问(?:该|此|本)|您(?:所)?(?:请求|要) / 页面|頁面|网页|網頁|网站|網站|內容|内容|浏览"
    r"|瀏覽|访问|阅读",
    "Japanese": r"アクセス|トラフィック|リクエスト|通信|操作 / 異なる|不審|異常|不自然|機械的|自動|大量|多数|多く|過度|過剰|短時間|制限|拒否|集中|停止|ブロック|保留|遮断 / 表示|閲覧|ご覧"
    r"|見る|移動|進|続け|開き / ページ|サイトを|サイトの|記事を|記事の|コンテンツ",
    "Korean": r"트래픽|접근|접속|요청|활동|액세스 / 비정상|의심스러|이상|자동|너무|과도|대량|짧은 시간|중단|차단|제한|보류|거부 / 보려면|보시려면|열려면|계속|표시|이동|요청하신|열립 / "
    r"페이지|사이트|콘텐츠|기사|이용|탐색|둘러",
    "Arabic, Persian": r"حركة|نشاط|طلب|الوصول|وصول|اتصال|زيارت|درخواست|دسترسی|ترافیک / غير (?:عادي|معتاد|طبيعي)|مشبوه"
    r"|آلي|كثيرة|قصير|رفض|حظر|تقييد|تعليق|إيقاف|حجب|خودکار|محدود|مسدود|متوقف|مشکوک|غیرعادی / لعرض|لفتح|لمتابعة|للوصول"
    r"|للانتقال|لمشاهدة|لقراءة|المطلوب|طلبت|برای (?:دیدن|مشاهده|ورود)|درخواستی / الصفحة|صفحة|الموقع|المحتوى|المقال"
    r"|التصفح|صفحه|سایت|محتوا",
    "Hebrew": r"תעבורה|גישה|בקשה|בקשות|פעילות|חיבור / חריגה|חשודה|אוטומטי|רבות מדי|זמן קצר|נדחתה|נחסמה|הוגבלה|הושהתה"
    r"|נעצרה|עוכבה / כדי (?:לצפות|לראות|להמשיך|לקרוא)|המבוקש|שביקשת|להמשיך|לעבור|להיכנס / דף|עמוד|תוכן|אתר|לגלוש|מאמר",
}
"""Words of requests / of what is odd or stops them / of seeing a page / of what is seen."""
_PHRASES = (
    r"(?:unusual|suspicious) (?:\w+ )?(?:traffic|activity|requests|behaviou?r)|unusual number of requests"
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
    r"|(?:taken|brought|forwarded|sent|returned) (?:back |on )?to the (?:(?:requested )?page|[^.!?]{0,30}\byou (?:ask|want|request|were))"
    rf"|before you (?:see|view|read) (?:this|the) {_PAGE}"
    rf"|(?:before|will|'ll|can|then) (?:then )?(?:show|be shown) (?:you )?(?:(?:the|this|an?|its) )?{_PAGE}\b"
    rf"|before (?:an?|the|this) {_PAGE} is (?:shown|displayed)|(?:is|are) only shown to (?:people|humans)"
    r"|a lot of (?:our )?(?:pages|requests|traffic)"
    rf"|{_PAGE} (?:(?:that )?you (?:have )?asked|is (?:being )?protected)"
    rf"|protects? (?:this|the|our) {_PAGE} (?:from|against)"
    r"|weiter ?(?:zu)?surfen|vous avez été bloqué|to read on\b"
)
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
    r"\b(?:ray|incident|inciden[zc]i?a|r[eé]f[eé]ren[czt]\w*|ip|vpn|javascript|firewall|nginx|security|waf|sec)\b|"
    r"\bprove\b|\bperson[ea]?\b|\bsolve\b|automat|автомат|капч|\bpessoa|\bprogram|\bkryds\b|\bihmi[ns]|\bby itself\b"
    r"|\boveren|\bpruef|\bkontrol|\bcontrole|\bone (?:more|last) (?:step|thing|check)|\b(?:just a|one) moment\b|robot"
    r"|captcha|try again|\bhuman\b(?! \w+ (?:will|can))|\bcheck(?:ing)?\b|\bverif|\b(?:tick|mark) |\bbox\b|\bcontinue\b"
    r"|\bkästchen|\bprüf|\bmensch|\bvakje|\bcontroleer|\bcochez|\bvérif|\bcontinuer|\bcasilla|\bcontinuar|\bcaixa"
    r"|\bcasella|\brutan\b|\bfelt|провер|флажок|галочк|поле|перевір|позначте|\bpole\b|\bzaznacz|\bzaškrtn|\bkutu"
    r"|\bkotak|\bcentang|\bjelölje|\bellenőrz|\bruutu|\bpolje|\bprovjer|\bcăsuț|\bô\b|ρομπότ|πλαίσιο"
    r"|机器人|機器人|验证|驗證|勾选|ロボット|認証|チェック|인증|로봇|체크|확인|หุ่นยนต์|ช่อง"
    r"|روبوت|تحقق|مربع|ربات|רובוט|אימות|סמנו"
)


def _near(some: str, others: str, gap: int) -> str:
    """Return a pattern for two words of a sentence that are near to each other."""
    between = rf"[^.!?。]{{0,{gap}}}?"
    return f"(?:{some}){between}(?:{others})|(?:{others}){between}(?:{some})"


_WITHHOLDS = re.compile(
    "|".join(
        (
            _PHRASES,
            *(
                f"{_near(a, b, 25)}|{_near(c, d, 15)}"
                for a, b, c, d in (words.split(" / ") for words in _LANGUAGES.values())
            ),
        )
    )
)
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
