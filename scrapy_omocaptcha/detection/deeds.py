"""List the words by which a form says that it does something, such as a vote or an order.

They are more than anybody can list. What they protect are forms that show a captcha and nothing to fill in.
"""

from scrapy_omocaptcha.detection.lexicon import Lexicon

# In the order of the languages in ``phrases``.
# fmt: off
_VERBS = ((
    "vote", "votes", "voted", "voting", "cast your", "ballot", "subscribe", "unsubscribe", "buy", "opt in", "opt out",
    "mailing list", "newsletter", "purchase", "pay now", "pay for", "checkout", "check out", "add to cart",
    "place order", "order now", "your order", "my order", "confirm order", "delete", "deleted", "deleting", "deletion",
    "erase", "close account", "deactivate", "your account", "my account", "claim", "redeem", "rsvp", "donate",
    "donation", "report abuse", "report spam", "report this ad", "report this post", "report this comment",
    "report this listing", "report user", "registration", "resend", "send message", "send a message", "send my",
    "send your", "book now", "book your", "cancel", "cancellation", "apply now", "apply for", "reveal", "show phone",
    "show number", "show email", "publish", "post comment", "post reply", "your comment", "win a", "giveaway", "prize",
    "enter the draw", "petition", "sign this", "sign now", "your signature", "invite", "invitation", "enroll",
    "withdraw", "i agree", "i accept", "accept all", "accept terms", "agree to", "over 18", "18 years", "legal age",
    "of age", "download now", "your download", "download file", "start download", "top up", "delist", "unfollow",
    "attendance", "check in now", "confirm your email", "confirm your e mail", "confirm email", "verify your email",
    "verify email", "new password", "your password", "reset password", "request access", "request removal",
    "your booking", "your reservation", "your appointment", "your payment", "your subscription", "your message",
    "call back", "coupon", "voucher", "gift card"), (
    "abstimmen", "stimme", "kaufen", "bestellen", "bezahlen", "zahlungspflichtig", "löschen", "kündigen", "kündigung",
    "abmelden", "abmeldung", "abonnieren", "abbestellen", "spenden", "buchen", "reservieren", "stornieren",
    "beantragen", "einlösen", "beitrag melden", "anzeige melden", "nachricht senden", "bewerben", "teilnehmen",
    "teilnahme", "volljährig", "unterschreiben", "unterzeichnen", "gewinnspiel", "ihre bestellung",
    "jetzt herunterladen", "zurücksetzen", "absagen"), (
    "stemmen", "stem", "uitschrijven", "afmelden", "aanmelden", "inschrijven", "kopen", "betalen", "bestelling",
    "verwijderen", "opzeggen", "annuleren", "reserveren", "doneren", "solliciteren", "voter", "commander", "payer",
    "paiement", "acheter", "supprimer", "suppression", "désinscrire", "désinscription", "désabonner", "désabonnement",
    "inscription", "réserver", "annuler", "annulation", "réinitialiser", "résilier", "résiliation", "votre commande",
    "majeur", "participer", "signer", "publier", "faire un don", "signaler ce", "signaler cette", "afficher le numéro",
    "voir le numéro"), (
    "votar", "voto", "comprar", "compra", "pagar", "pago", "eliminar", "borrar", "dar de baja", "darse de baja",
    "darme de baja", "cancelar", "suscribirse", "suscribirme", "suscripción", "denunciar", "donar", "reservar",
    "inscribirse", "inscribirme", "inscripción", "registrarse", "participar", "firmar", "publicar", "confirmar pedido",
    "su pedido", "mayor de edad", "sorteo", "ver teléfono", "restablecer", "contraseña", "solicitar acceso",
    "solicitar revisión"), (
    "finalizar", "excluir", "apagar", "descadastrar", "inscrever", "inscrição", "doar", "encomendar", "resgatar",
    "ver telefone", "seu pedido", "redefinir", "candidatar", "cancelamento", "agendar", "sorteio", "votare", "acquista",
    "acquistare", "pagare", "ordinare", "elimina", "eliminare", "cancella", "cancellare", "cancellazione",
    "disiscriviti", "disiscrizione", "iscriviti", "iscrizione", "iscriversi", "donare", "prenota", "prenotare",
    "riscatta", "partecipa", "conferma ordine", "reimposta", "maggiorenne", "segnala annuncio"), (
    "głosuj", "zagłosuj", "głosowanie", "zamów", "zamawiam", "zapłać", "kup", "usuń", "usunąć", "wypisz", "zapisz się",
    "subskrybuj", "anuluj", "zarezerwuj", "podpisz", "zarejestruj", "weź udział", "hlasovat", "hlasuj", "objednat",
    "zaplatit", "smazat", "zrušit", "odhlásit", "přihlásit", "rezervovat"), (
    "голосовать", "проголосовать", "голосую", "голосование", "ваш голос", "заказать", "оформить заказ", "ваш заказ",
    "оплатить", "оплата", "купить", "удалить", "удаление", "отписаться", "отписка", "подписаться", "подписка",
    "подписать", "пожертвовать", "забронировать", "пожаловаться", "жалоба", "отменить", "регистрация",
    "сбросить пароль", "отправить сообщение", "отправить заявку", "показать телефон", "показать номер", "участвовать",
    "опубликовать", "проголосувати", "замовити", "видалити", "відписатися", "підписатися", "сплатити", "купити"), (
    "rösta", "beställ", "köp", "betala", "radera", "avregistrera", "prenumerera", "boka", "bestil", "køb", "slet",
    "bestill", "kjøp", "slett", "oy ver", "oy kullan", "sipariş ver", "ödeme", "satın al", "sil", "abonelikten çık",
    "abone ol", "kayıt ol", "iptal et", "bağış yap", "numarayı göster", "pesan sekarang", "hapus",
    "berhenti berlangganan", "bỏ phiếu", "bình chọn", "đặt hàng", "thanh toán", "xóa"), (
    "投票", "訂購", "订购", "下单", "購買", "购买", "支付", "付款", "删除", "刪除", "退订", "退訂", "订阅", "訂閱",
    "领取", "領取", "报名", "举报", "舉報", "捐", "预订", "預訂", "注销", "抽奖", "提现", "注文", "購入", "支払",
    "削除", "登録", "退会", "申し込", "申込", "応募", "参加", "通報", "寄付", "予約", "キャンセル", "購読", "주문",
    "결제", "구매", "삭제", "구독", "투표", "신청", "신고", "기부", "예약", "탈퇴",
))
"""What is done, which says so wherever it stands."""
_NOUNS = ((
    "order", "comment", "contact", "message", "feedback", "review", "rating", "poll", "option", "choice", "candidate",
    "quiz", "survey", "cart", "basket", "product", "items", "plan", "seat", "amount", "price", "total", "fee",
    "quantity", "qty", "currency", "recipient", "mail", "email", "pay", "password", "consent", "terms", "tos", "gdpr",
    "age", "adult", "marketing", "accept", "agree", "signature", "abuse", "flag", "like", "share", "follow", "profile",
    "account", "signup", "logout", "report", "post", "book", "booking", "reserve", "reservation", "appointment",
    "subscription", "payment", "download", "apply", "application", "notify", "remove", "removal", "discount",
    "complaint", "phone", "activate", "activation", "reset", "upgrade", "transfer", "renew", "extend", "join", "attend",
    "appeal", "approve", "decline", "reject", "restore", "sign up"), (
    "bestellung", "anmeldung", "anmelden", "zahlung", "spende", "teilen", "melden", "herunterladen", "aktivieren",
    "verlängern", "eintragen", "anfragen", "commande", "télécharger", "signaler", "activer", "réservation", "pedido",
    "descargar", "reserva", "activar", "baixar", "ativar", "ordine", "scarica", "prenotazione", "attiva", "segnala",
    "pobierz", "bedrag", "oddaj głos", "rezygnuję", "zgłoś", "aktywuj", "заказ", "голос", "скачать", "sipariş", "indir",
    "下载", "下載", "注册", "關注", "关注", "签到", "ダウンロード", "フォロー", "다운로드", "가입", "취소",
))
"""What a form is for, which says so in its button, its fields and its address. In a text it may be about anything."""
# fmt: on
_IN_TEXTS = Lexicon(*_VERBS)
_IN_NAMES = Lexicon(*_VERBS, *_NOUNS)


def find_deeds(text: str) -> tuple[str, ...]:
    """Return the words by which a text says that something is done."""
    return _IN_TEXTS.find(text)


def find_deeds_of_name(name: str) -> tuple[str, ...]:
    """Return the words by which a button, a field or an address says that something is done."""
    return _IN_NAMES.find(name)
