"""List the words of buttons, addresses and fields: those that walls have, and those of forms that do something.

What a wall may say is listed at some length. What a form may do has more words than anybody can list, so that list is
short, and what is in neither leaves doubt.
"""

import re
from collections.abc import Container, Iterable
from functools import lru_cache

_DEEDS = {
    "English": r"\b(?:un|up|down)?vot(?:e|es|ed|ing)\b|\b(?:over|am|are) (?:18|21)\b|\bmail will be\b"
    r"|\b(?:paid|free) trial|\b(?:un)?subscri|\b(?:place|confirm|my|your) order\b|\border (?:now|it|your|this)\b"
    r"|\bpay(?:ing|ment)?\b|\bcheck ?out\b|\bpurchas|\bbuy\b|\bdelet|\bdelist|\bremov(?:e|al)|\bclaim|\bredeem"
    r"|\brsvp\b|\bdonat|\bappeal|\battend(?!tion)|\breport (?:this|an?|the|it|abuse|error|spam)\b|\b(?:un)?follow\b"
    r"|\b(?:sign|log) ?(?:out|off|up)\b|\bregister (?:now|for|your|with)\b|\bregistration\b|\breset\b"
    r"|\bsend (?:a |my |the |your |this )?\w|\bbooking\b|\b(?:book|post|download) (?:now|your|this|the|it|an?|file)\b"
    r"|\breserv(?:e|ing|ation)|\bcancel|\b(?:de)?activat|\bapply\b|\breveal|\bjoin\b|\bpublish|\bgoes live\b"
    r"|\bwin an?\b|\bask for\b|\brequest(?:ing)? (?:an? |my |your |for |to )?(?:access|unblock|review|removal)"
    r"|\b(?:access|unblock)[ _-]request\b(?! (?:denied|blocked))|\bpetition|\btransfer\b|\brenew|\bextend\b|\bupgrade"
    r"|\binvit|\benro|\bwithdraw|\bopt ?(?:in|out)\b|\bclose (?:my|your|the) account|\bcheck[ -]?in\b"
    r"|\b(?:18|21)\b.{0,40}\b(?:age|years?|old(?:er)?|over)\b|\bof (?:legal )?age\b|\baccept (?:all|the|terms|cookies)",
    "alone": r"^(?:order|book|report|download|post|share|contact|like|register|notify|nominate|sign)$",
    "German, Dutch": r"\bvolljährig|\babstimm|\bstimme\b|\bkaufen\b|\bbezahl|\blösch|\bkündig|\babmeld|\babonn|\bspend"
    r"|\bbuch(?:en|ung)|\breservier|\bstornier|\bbeantrag|\beinlös|\bbeschwer|\bfreischalt(?:ung|en (?:an|be))"
    r"|\bentsperrung|\bstem(?:men|t)?\b|\buitschrijv|\bbestel|\bbetal|\bverwijder|\bopzeg|\baanmeld|\bafmeld|\bdoneer"
    r"|\baanvragen",
    "French": r"\bvoter?\b|\bcommand(?:e|er|ez)\b|\bpayer|\bpaiement|\bachet|\bsupprim|\bdésinscri|\bdésabonn"
    r"|\binscri(?:re|ption|vez)|\bsignaler|\bdonner\b|\bréserv|\btélécharg|\bannul|\bréinitialis|\bdemander\b|\bréclam",
    "Spanish, Portuguese, Italian, Romanian": r"\bvot[ao]r?\b|\bcompra|\bpag(?:ar|o|amento)\b|\belimin|\bborrar"
    r"|\bdar(?:se)? de baja|\bsuscri|\bdesuscri|\bdenunci|\bdonar\b|\breserva|\bdescarg"
    r"|\bsolicitar (?:acceso|desbloqueo)|\binscri|\bcanje|\bexclui|\bdoar\b|\bencomend|\bbaixar\b|\bresgat|\bordinare"
    r"|\bacquist|\biscri|\bdisiscri|\bsegnal|\bprenot|\bscaric|\bșterge|\bdezabon",
    "Slavic": r"голос(?:ова|уй)|\bзаказ|\bоформ|\bоплат|\bкуп(?:ить|и)|\bудал|\bотпис|\bподпис|\bпожертв|\bзаброни"
    r"|\bпожалов|\bобжал|\bвидал|\bзамов|\bвідпис|\bgłos(?:uj|owan)|\bzagłos|\bzamów|\bzamkni|\bzapłać|\busu[ńw]"
    r"|\bwypis|\bzapisz|\bsubskry|\bpopro[śs]|\bzgłoś|\bzarezerw|\banuluj|\bhlas(?:ov|uj)|\bobjedn|\bzaplat|\bsmaz"
    r"|\bzruš|\bodhlás|\bpřihlás|\brezerv|\bglas(?:aj|ov)|\bnaruč|\bobriš|\bodjav",
    "Swedish, Danish, Finnish, Hungarian, Greek": r"\brösta|\bbeställ|\bköp\b|\bradera|\bavregistr|\bprenumer|\banmäl"
    r"|\bboka|\bbestil|\bslet\b|\btilmeld|\bäänest|\btilaa|\bpoista|\bperuu?t|\bszavaz|\brendel|\bfizet|\bt[öo]r[öo]l"
    r"|\bleiratkoz|\bfeliratkoz|ψηφ|παραγγ|πληρω|διαγρ|κράτηση",
    "Turkish, Indonesian, Vietnamese, Thai": r"\boy (?:ver|kullan)|\bsipariş|\böde|\bsatın al|\bsil(?:me|in)?\b"
    r"|\bayrıl|\babone|\bkatıl|\bsuara\b|\bpesan(?:an)?\b|\bbayar|\bhapus|\bberhenti|\bberlangganan|\blapor|\bdonasi"
    r"|bỏ phiếu|bình chọn|đặt hàng|thanh toán|xóa|hủy|đăng ký|โหวต|ลงคะแนน|สั่งซื้อ|ชำระ|ยกเลิก|สมัคร|บริจาค|จอง",
    "Chinese, Japanese, Korean": r"投票|訂購|订购|下单|購買|购买|支付|付款|删除|刪除|退订|退訂|订阅|訂閱|领取|領取"
    r"|报名|報名|举报|舉報|关注|關注|捐|预订|預訂|下载|下載|注销|注文|購入|支払|削除|登録|退会|申し込|応募|参加|通報"
    r"|フォロー|寄付|予約|ダウンロード|주문|결제|구매|삭제|구독|투표|신청|참석|신고|팔로우|기부|예약|탈퇴",
    "Arabic, Persian, Hebrew": r"صوّ?ت|تصويت|اشتر|ادفع|الدفع|حذف|إلغاء|تبرع|حجز|تنزيل|رأی|سفارش|پرداخت|لغو|הצבע|הזמנ"
    r"|תשלום|מחק|מחיק|ביטול|הרשמ|תרומ",
}
# The whole word says more than its stem.
_DEED = re.compile(rf"(?:{'|'.join(_DEEDS.values())})\w*")
_DEED_NAME = re.compile(
    r"accept(?:ed)?|agreed?|consent|tos|terms|age|adult|enabled?|fee|amount|price|total|choice|option|candidate|rating"
    r"|quantity|qty|product|cart|items|recipient|coupon|gdpr|marketing|plan|seat|answer|poll|ballot|currency"
)
"""What names of hidden fields say besides."""
VERB_FIELDS = frozenset("action act do op cmd command task intent event method mode type step operation".split())
"""Hidden fields whose values say what the form does."""

LANGUAGES = frozenset(
    """
    en de nl fr es pt it ro sv da no nb nn fi pl cs sk ru uk hr sr bs sl bg et hu el tr id ms vi th zh ja ko ar fa he iw
    """.split()
)
"""Languages in which what goes on is listed, by their codes in HTML."""
_GOING_ON = frozenset(
    """
    continue proceed go next verify verification check enter access view show see open visit load reload refresh retry
    try again start begin ready not robot bot human real person yes pass solve complete ok okay reading read keep weiter
    fortfahren fortsetzen prüfen überprüfen bestätigen öffnen anzeigen roboter mensch los verifizieren verder doorgaan
    ga controleren verifiëren bevestigen openen bekijken mens volgende toon tonen fortsätt gå vidare verifiera
    kontrollera bekräfta visa människa fortsæt videre bekræft vis menneske bekreft fortsett jatka vahvista tarkista
    näytä ihminen continuer poursuivre vérifier valider accéder afficher voir humain suivant entrer continuar seguir
    adelante verificar comprobar acceder ver siguiente entrar mostrar prosseguir avançar confirmar acessar aceder abrir
    um robô humano exibir ir continua prosegui verifica conferma avanti accedi vedi mostra apri umano vai visualizza
    continuă verifică confirmă înainte afișează продолжить далее проверить подтвердить перейти открыть показать войти
    робот человек продовжити далі перевірити підтвердити відкрити kontynuuj dalej sprawdź zweryfikuj potwierdź przejdź
    pokaż otwórz robotem człowiekiem pokračovat pokračuj dál dále ověřit potvrdit zobrazit otevřít pokračovať ďalej
    overiť potvrdiť zobraziť nastavi dalje provjeri potvrdi otvori prikaži folytatás tovább ellenőrzés megerősítés
    megnyitás συνέχεια συνέχισε επαλήθευση έλεγχος επόμενο προβολή άνθρωπος ρομπότ devam ileri doğrula onayla git göster
    aç lanjutkan lanjut verifikasi periksa konfirmasi buka lihat tiếp tục xác minh kiểm tra nhận xem máy متابعة استمرار
    تابع تحقق التحقق التالي عرض فتح روبوت ادامه تأیید بررسی המשך אימות אמת רובוט הצג 계속 계속하기 확인 확인하기 다음
    인증 보기 열기 lire leggi mutasd lessen jätka näita kinnita page let seite pagina sidan siden sivulle sivu página
    страницу странице сторінку stronę strony stránku stranicu oldal σελίδας sayfaya sayfayı halaman trang الصفحة صفحه
    לדף 페이지 lehte сторінки
    """.split()
)
"""Words of buttons that go on: "Continue", "I'm human"."""
_BESIDES = frozenset(
    """
    on done i im m am a an no the this that my me it to and please site website content here now through captcha
    recaptcha challenge security back s are you your browser of full до zur zum ich bin kein ein inhalt naar de het ik
    ben geen een jag är inte en till jeg er ikke et olen ole la le je suis pas ne un au à contenu l el sitio soy al o
    não sou para alla sito non sono nu sunt я не к на сайт do na nie jestem nejsem som nisam az nem vagyok είμαι δεν
    değilim saya bukan ke tôi không phải là người أنا لست إلى من نیستم אני לא results list entry data article artikel
    ergebnis ergebnisse daten liste resultaten articles résultats données document datos resultados lista artículo
    artigo letra dados risultati dati articolo wyniki dane artykuł výsledky článek seznam данные статью результаты
    список in
    """.split()
)
"""Words that may stand beside these: "to the page"."""
_GOING_ON_WITHOUT_SPACES = re.compile(
    "(?:继续|繼續|下一步|验证|驗證|确认|確認|提交|进入|進入|访问|查看|打开|返回|我不是机器人|我不是機器人|我是|人类|人類|真人|页面|网站|通过|通過|检查"
    "|開始|开始|続ける|続行|次へ|進む|認証|する|して|表示|開く|ページを?|へ|私は|ロボットではありません|ではない|送信|検証|チェック"
    "|ต่อไป|ดำเนินการ|ต่อ|ยืนยัน|ตรวจสอบ|ถัดไป|ดู|หน้า|เว็บ|เปิด|ฉัน|ไม่ใช่|หุ่นยนต์|โรบอต)+"
)
_GOING_ON_ALONE = frozenset(
    """
    submit unblock unlock entsperren freischalten procedi odblokuj send confirm senden absenden verzenden skicka envoyer
    confirmer enviar invia conferma отправить надіслати wyślij odeslat odoslať pošalji küldés αποστολή gönder kirim gửi
    إرسال تأكيد ارسال שלח אישור 제출 보내기 trimite lähetä
    """.split()
)
"""What goes on only where it is all that a button says: "Send", but not "Send my vote"."""
_ADDRESS = frozenset(
    """
    verify verification validate check checker checkbot captcha recaptcha grecaptcha challenge bot robot human humans
    gate gateway wall unlock unblock continue pass access security secure submit process index default sorry auth
    antibot guard protect protection waf firewall shield solve solved answer redirect return enter entry visitor browser
    api ajax php asp aspx html htm jsp cgi bin do well known token response callback v1 v2 session validation page site
    is not are you go confirm checkpoint interstitial hold proof prove rate limit limiter ddos captchacheck
    verifycaptcha captchaverify checkcaptcha
    """.split()
)
"""Words in addresses that the forms of walls are sent to."""
FOR_ONCE = frozenset(
    """
    csrf xsrf csrfmiddlewaretoken authenticity nonce ts time timestamp viewstate eventvalidation next return returnurl
    url uri redirect back goto continue referer referrer
    """.split()
)
"""Words in names of fields whose values differ from page to page."""
_FIELDS = FOR_ONCE | frozenset(
    """
    csrfmiddleware token utf8 key returnto ret path redir ref from to target dest destination origin orig original page
    location href request requested id uuid rid sid sess session state hash sig signature mac hmac salt ip ua lang
    locale language form build captcha recaptcha response challenge verify check checked human robot bot query search
    viewstategenerator eventtarget eventargument viewstateencrypted previouspage lastfocus cid tid data payload ray cf
    chl pass md vc step stage wall gate security code host site domain method hp honeypot action submit go do op button
    version param params args get guest powrot retour volver voltar ritorno terug zurueck tillbaka tilbage
    """.split()
)
"""Words in names of hidden fields of walls."""
_LETTERS = re.compile(r"(?:[^\W_]|[\u0e31-\u0e4e])+")
_CAMEL = re.compile(r"([a-z])([A-Z])")
_NUMBER = re.compile(r"\d+|[0-9a-f]{6,}|.")


# A page may have twenty widgets under the same headings.
@lru_cache(1000)
def find_deed(text: str) -> str | None:
    """Return a word by which a page says that it does something (``"vote"``), in lower case, or None."""
    found = _DEED.search(text.lower())
    return None if found is None else found[0]


def find_deed_of_button(label: str) -> str | None:
    """Return a word by which a button says that it does something, or None."""
    sends = next((word for word in split_name(label) if word in _GOING_ON_ALONE), None)
    return find_deed(label) or (None if only_goes_on(label) else sends)


def find_deed_of_field(name: str) -> str | None:
    """Return a word by which the name of a hidden field says that the form does something, or None."""
    return next((word for word in split_name(name) if _DEED_NAME.fullmatch(word) or find_deed(word)), None)


def goes_on(label: str) -> bool:
    """Tell whether a button says that it goes on, whatever else."""
    words = _LETTERS.findall(label.lower())
    return any(word in _GOING_ON or word in _GOING_ON_ALONE or _GOING_ON_WITHOUT_SPACES.match(word) for word in words)


def only_goes_on(label: str, own: Container[str] = ()) -> bool:
    """Tell whether a button says no more than that it goes on, but for words of the page's ``own`` address."""
    lower = label.lower()
    words = _LETTERS.findall(lower)
    return " ".join(words) in _GOING_ON_ALONE or (
        goes_on(label)
        and all(
            word in _GOING_ON or word in _BESIDES or word in own or _GOING_ON_WITHOUT_SPACES.fullmatch(word)
            for word in words
        )
    )


def unknown_address_word(words: Iterable[str]) -> str | None:
    """Return the first of the words of a form's address that addresses of walls do not have, or None."""
    return next((word for word in words if word not in _ADDRESS and not _NUMBER.fullmatch(word)), None)


def is_unknown_field(name: str) -> bool:
    """Tell whether a hidden field has a name that forms of walls do not have."""
    return not all(word in _FIELDS or _NUMBER.fullmatch(word) for word in split_name(name))


def split_name(name: str) -> list[str]:
    """Return the words of a name in an address or a form, in lower case: "next" and "page" for ``nextPage``."""
    return _LETTERS.findall(_CAMEL.sub(r"\1 \2", name).lower())
