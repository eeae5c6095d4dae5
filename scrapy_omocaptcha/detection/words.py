"""List the words of buttons that go on, and words of what a form may do.

The latter are more than anybody can list, so a form is left alone where only this list speaks for it.
"""

import re
from collections.abc import Container
from functools import lru_cache

_DEEDS = {
    "English": r"\b(?:un|up|down)?vot(?:e|es|ed|ing)\b|\b(?:over|am|are) (?:18|21)\b|\bmail will be\b|\b(?:paid"
    r"|free) trial|\b(?:un)?subscri|\border(?: (?:now|it|your|this)\b| ?[:#№])|\b(?:place|confirm|complete|submit|my"
    r"|your)(?: (?:the|this|an?|my|your))? order\b|\bpay(?:ing|ment)?\b|\btop up\b|\bpledge|\bgive ?away\b|\b(?:be"
    r"|is) counted\b|\bcheck ?out\b|\bpurchas|\bbuy\b|\bdelet(?!\w+ (?:\w+ ){0,2}cookies)|\bdelist|\bremov(?:e|al)"
    r"|\bclaim|\bredeem|\brsvp\b|\bdonat|\bappeal|\battend(?!tion)|\breport (?:this|an?|the|it|abuse|error|spam)\b"
    r"|\b(?:un)?follow\b|\b(?:sign|log) ?(?:out|off|up)\b|\bregister (?:now|for|your|with)\b|\bregistration\b"
    r"|\bre(?:set|send)\b|\bsend (?:a |my |the |your |this )?\w|\b(?:book|post|download) (?:now|your|this|the|it"
    r"|an?|file)\b|\breserv(?:e|ing|ation)|\bcancel|\b(?:de)?activat|\bapply\b|\breveal|\bjoin\b|\bpublish(?:e[sd]"
    r"|ing)?\b|\bbooking\b|\bgoes live\b|\bwin an?\b|(?<!never )\bask for\b|\brequest(?:ing)? (?:an? |my |your |for "
    r"|to )?(?:access|unblock|review|removal)|\b(?:access|unblock)[ _-]request\b(?! (?:denied|blocked))|\bpetition"
    r"|\btransfer\b|\brenew|\bextend\b|\bupgrade|\binvit|\benro|\bwithdraw|\bopt ?(?:in|out)\b|\bclose (?:my|your"
    r"|the) account|\bcheck-?in\b|\bcheck in(?: (?:now|online|for|to)\b|$)|\b(?:18|21)\b.{0,40}\b(?:age|years?"
    r"|old(?:er)?|over)\b|\bof (?:legal )?age\b|\baccept (?:all|the|terms|cookies)|\b(?:your|my) (?:saved )?(?:account"
    r"|e-?mail|password|phone|card|age|listing)\b",
    "alone": r"^(?:order|book|report|download|post|share|contact|like|register|notify|nominate|sign)$",
    "German, Dutch": r"\bvolljährig|\babstimm|\bstimme\b|\bkaufen\b|\bbezahl|\blösch(?!\w+ (?:\w+ ){0,2}cookies)"
    r"|\bkündig|\babmeld|\babonn|\bspend|\bbuch(?:en|ung)|\breservier|\bstornier|\bbeantrag|\beinlös|\bbeschwer"
    r"|\bfreischalt(?:ung|en (?:an|be))|\bentsperrung|\bstem(?:men|t)?\b|\buitschrijv|\bbestel|\bbetal|\bverwijder"
    r"|\bopzeg|\baanmeld|\bafmeld|\bdoneer|\baanvragen|\bopwaarder|\bafschrijv|\baufladen",
    "French": r"\brecharger|\bvoter?\b|\bcommand(?:e|er|ez)\b|\bpayer|\bpaiement|\bachet"
    r"|\bsupprim(?!\w+ (?:\w+ ){0,2}cookies)|\bdésinscri|\bdésabonn|\binscri(?:re|ption|vez)|\bsignaler|\bdonner\b"
    r"|\bréserv|\btélécharg|\bannul|\bréinitialis|\bdemander\b|\bréclam",
    "Spanish, Portuguese, Italian, Romanian": r"\brecargar|\bricaric|\bvot[ao]r?\b|\bcompra|\bpag(?:ar|o|amento)\b"
    r"|\belimin(?!\w+ (?:\w+ ){0,2}cookies)|\bborrar|\bdar(?:se)? de baja|\bsuscri|\bdesuscri|\bdenunci|\bdonar\b"
    r"|\breserva|\bdescarg(?:ar|ue)|^descarga\b|\bsolicitar (?:acceso|desbloqueo)|\binscri|\bcanje|\bexclui|\bdoar\b"
    r"|\bencomend|\bbaixar\b|\bresgat|\bordinare|\bacquist|\biscri|\bdisiscri|\bsegnal|\bprenot|\bscaric|\bșterge"
    r"|\bdezabon",
    "Slavic": r"\b(?:po)?(?:zhalob|zhalov|golosova|udalit|otpis|podpis|oplat|zakaz(?!k)|kupit)|голос(?:ова|уй)"
    r"|\bпополн|\bзаказ|\bоформ|\bоплат|\bкуп(?:ить|и)|\bудал|\bотпис|\bподпис|\bпожертв|\bзаброни|\bпожалов"
    r"|\bбудет учт|\bобжал|\bвидал|\bзамов|\bвідпис|\bgłos(?:uj|owan)|\bzagłos|\bzamów|\bzamkni|\bzapłać|\busu[ńw]"
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
_PRICE = re.compile(
    r"(?:[$€£¥₹₽₺₩฿]|\b(?:usd|eur|gbp|chf|rs)) ?\d|\d ?(?:[€£₽₺₩฿元円원]|(?:usd|eur|euros?|dollars?|pounds?|chf|zł|kč"
    r"|kr|ft|tl|руб)\b)"
)
_DEED_NAME = re.compile(
    r"accept(?:ed)?|agreed?|consent|tos|terms|age|adult|enabled?|fee|amount|price|total|choice|option|candidate|rating"
    r"|quantity|qty|message|bedrag|betrag|montant|importe|importo|kwota|tutar|summa|product|cart|items|recipients?"
    r"|coupon|gdpr|marketing|plan|seat|answer|poll|ballot|currency"
)
"""Matches further words in the names of hidden fields."""
_GOING_ON = frozenset(
    """
    take bring continue proceed carry display go next verify verification check enter access view show see open visit
    load reload refresh retry try again start begin ready not robot bot human real person yes pass solve complete ok
    okay reading read keep leyendo дальше ilerle resume weiter gehen fortfahren fortsetzen prüfen überprüfen bestätigen
    öffnen anzeigen roboter mensch los verifizieren verder doorgaan ga controleren verifiëren bevestigen openen bekijken
    mens volgende toon tonen fortsätt gå vidare verifiera kontrollera bekräfta visa människa fortsæt videre bekræft vis
    menneske bekreft fortsett jatka vahvista tarkista näytä ihminen continuer poursuivre vérifier valider accéder
    afficher voir humain suivant entrer continuar seguir adelante verificar comprobar acceder ver siguiente entrar
    mostrar consultar prosseguir avançar confirmar acessar aceder abrir liberar um robô humano exibir ir continua
    prosegui verifica conferma avanti accedi vedi mostra apri umano vai visualizza continuă verifică confirmă înainte
    afișează продолжить далее проверить подтвердить перейти открыть показать войти робот человек продовжити далі
    перевірити підтвердити відкрити kontynuuj dalej sprawdź zweryfikuj potwierdź przejdź pokaż otwórz robotem
    człowiekiem pokračovat pokračuj dál dále ověřit potvrdit zobrazit otevřít pokračovať ďalej overiť potvrdiť zobraziť
    nastavi dalje provjeri potvrdi otvori prikaži folytatás tovább ellenőrzés megerősítés megnyitás συνέχεια συνέχισε
    επαλήθευση έλεγχος επόμενο προβολή άνθρωπος ρομπότ devam ileri doğrula onayla git göster aç lanjutkan lanjut
    verifikasi periksa konfirmasi buka lihat tiếp tục xác minh kiểm tra nhận xem máy متابعة استمرار تابع تحقق التحقق
    التالي عرض فتح روبوت ادامه تأیید بررسی המשך אימות אמת רובוט הצג 계속 계속하기 확인 확인하기 다음 인증 보기 열기 lire
    leggi mutasd lessen jätka näita kinnita page let seite pagina sidan siden sivulle sivu página страницу странице
    сторінку stronę strony stránku stranicu oldal σελίδας sayfaya sayfayı halaman trang الصفحة صفحه לדף 페이지 lehte
    сторінки
    """.split()
)
"""Words of buttons that go on: "Continue", "I'm human"."""
_BESIDES = frozenset(
    """
    back reader il ja on click document documento fiche scheda done i im m am a an no the this that my me it to and
    please site website content here now through captcha recaptcha challenge security s are you your browser of full до
    zur zum ich bin kein ein inhalt naar de het ik ben geen een jag är inte en till jeg er ikke et olen ole la le je
    suis pas ne un au à contenu l el sitio soy al o não sou para alla sito non sono nu sunt я не к на сайт do na nie
    jestem nejsem som nisam az nem vagyok είμαι δεν değilim saya bukan ke tôi không phải là người أنا لست إلى من نیستم
    אני לא results list entry data article artikel ergebnis ergebnisse suchergebnisse suchergebnissen zoekresultaten
    daten liste resultaten articles résultats données datos resultados acesso lista artículo artigo letra dados
    risultati dati articolo wyniki dane artykuł výsledky článek seznam данные статью результаты список in thread search
    suche recherche búsqueda ricerca
    """.split()
)
"""Words that may stand beside one that goes on: "Continue to the page"."""
_GOING_ON_WITHOUT_SPACES = re.compile(
    "(?:继续|繼續|下一步|验证|驗證|确认|確認|提交|进入|進入|访问|查看|打开|返回|我不是机器人|我不是機器人|我是|人类|人類|真人|页面|网站|通过|通過|检查"
    "|開始|开始|続ける|続行|次へ|進む|認証|する|して|表示|開く|ページを?|へ|私は|ロボットではありません|ではない|送信|検証|チェック"
    "|ต่อไป|ดำเนินการ|ต่อ|ยืนยัน|ตรวจสอบ|ถัดไป|ดู|หน้า|เว็บ|เปิด|ฉัน|ไม่ใช่|หุ่นยนต์|โรบอต)+"
)
_GOING_ON_ALONE = frozenset(
    """
    submit unlock procedi send confirm senden absenden verzenden skicka envoyer confirmer enviar invia отправить
    надіслати wyślij odeslat odoslať pošalji küldés αποστολή gönder kirim gửi إرسال تأكيد ارسال שלח אישור 제출 보내기
    trimite lähetä
    """.split()
)
"""Words of buttons that go on only where they say nothing else: "Send", but not "Send my vote"."""
_MINE = re.compile("my|mijn|mein(?:en?)?|min|mitt|mina|mon|ma|mes|mis?|meu|minha|mi[oa]|мо[йюёяї]|mój|moj[aąeiu]|můj")
"""Matches words for what is the visitor's, with which no button just goes on: "Confirm my signature"."""
_LETTERS = re.compile(r"(?:[^\W_]|[\u0e31-\u0e4e])+")
_CAMEL = re.compile(r"([a-z])([A-Z])")


# A page may have twenty widgets under the same headings.
@lru_cache(1000)
def find_deed(text: str) -> str | None:
    """Return a word by which a page says that it does something (``"vote"``), in lower case, or None."""
    found = _DEED.search(text.lower())
    return None if found is None else found[0]


def find_price(text: str) -> str | None:
    """Return a sum of money in a text, in lower case, or None."""
    found = _PRICE.search(text.lower())
    return None if found is None else found[0]


def find_deed_of_button(label: str) -> str | None:
    """Return a word by which a button says that it does something, or None."""
    sends = next((word for word in split_name(label) if word in _GOING_ON_ALONE or _MINE.fullmatch(word)), None)
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


def split_name(name: str) -> list[str]:
    """Return the words of a name in an address or a form, in lower case: "next" and "page" for ``nextPage``."""
    return _LETTERS.findall(_CAMEL.sub(r"\1 \2", name).lower())
