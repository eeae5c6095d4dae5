"""Small pages with a widget in a form, one for each rule that determines what a browser sends."""

from __future__ import annotations

WIDGET = '<div class="g-recaptcha" data-sitekey="k"></div>'


def form_page(content: str, attributes: str = "method=post action=/send") -> str:
    """Return a page whose form contains ``content``, the widget, and one more field."""
    return f"<!DOCTYPE html><title>t</title><form {attributes}>{content}{WIDGET}<input name=last value=1></form>"


OWN = {
    "text": form_page('<input name=a value="x y&amp;z=~*-._!()\'"><input name=b><input value=nameless>'),
    "unicode": form_page('<input name="ключ" value="значение €"><textarea name=t>日本</textarea>'),
    "get": form_page("<input name=a value='1 2'>", 'action="/search?old=1#frag"'),
    "get to itself": form_page("<input name=a value=1>", ""),
    "post to itself": form_page("<input name=a value=1>", "method=post"),
    "unknown method": form_page("", "method=put action=/send"),
    "fragment only": form_page("", "method=post action=#top"),
    "query only": form_page("", "method=post action='?x=ü y'"),
    "path and backslash": form_page("", r"method=post action='..\a b/ü|^`{}?q=ü b'"),
    "other host": form_page("", "method=post action=//other.example"),
    "other host over tls": form_page("", "method=post action=https://other.example/x"),
    "own port": form_page("", "method=post action=http://page.example:80/x"),
    "action in spaces": form_page("", 'method=post action=" \n/se\nnd "'),
    "base": f"<base href='http://base.example/deep/'>{form_page('', 'method=post action=x')}",
    "base and empty action": f"<base href='http://base.example/deep/'>{form_page('', 'method=post')}",
    "boxes": form_page(
        "<input type=checkbox name=a><input type=checkbox name=b checked><input type=CHECKBOX name=c value=v checked>"
        "<input type=radio name=r value=1 checked><input type=radio name=r value=2>"
        "<input type=radio name=u value=1>"
    ),
    "selects": form_page(
        "<select name=a><option>one<option value=2>two</select>"
        "<select name=b><option disabled>x<option> y \n z <option>w</select>"
        "<select name=c><option selected>1<option selected>2<option>3</select>"
        "<select name=d multiple><option selected>1<option>2<option selected value=''>3</select>"
        "<select name=e multiple><option>1</select>"
        "<select name=f size=3><option>1<option>2</select><select name=g0 size=0><option>1<option>2</select>"
        "<select name=g><optgroup disabled><option selected>1</optgroup><option>2</select>"
        "<select name=h><option selected disabled value=''>choose<option>2</select>"
        "<select name=i><optgroup><option>1<option selected>2</optgroup></select><select name=l></select>"
        "<select name=j disabled><option>1</select>"
        "<select name=k><option><b>bold</b> text<script>let a</script></select>"
    ),
    "textareas": form_page(
        "<textarea name=a>\nfirst\nsecond\r\nthird</textarea><textarea name=b>\n\nx</textarea>"
        "<textarea name=c>&lt;b&gt; &amp; <i></textarea>"
        "<textarea name=d disabled>x</textarea><textarea name=e></textarea>"
    ),
    "newlines in values": form_page("<input type=hidden name='a\nb' value='1\n2&#13;3'><input name=t value='1\n2'>"),
    "disabled": form_page(
        "<input name=a value=1 disabled><fieldset disabled><input name=b value=1>"
        "<input name=c value=1></fieldset><fieldset><input name=e></fieldset>"
    ),
    "nested fieldsets": form_page(
        "<fieldset disabled><fieldset><input name=a></fieldset></fieldset>"
        "<fieldset><fieldset disabled><input name=b></fieldset><input name=c></fieldset>"
    ),
    "buttons": form_page(
        "<input type=reset name=r value=1><input type=button name=b value=1>"
        "<button type=button name=c value=1></button>"
        "<button name=go value=now>Go</button><input type=submit name=second value=2>"
    ),
    "submit without value": form_page("<input type=submit name=go>"),
    "button without value": form_page("<button name=go>text</button>"),
    "button of unknown type": form_page("<button type=nonsense name=go value=1>text</button>"),
    "image button": form_page("<input type=image name=pic src=x>"),
    "image button without name": form_page("<input type=image src=x>"),
    "disabled button": form_page("<input type=submit name=go value=1 disabled>"),
    "disabled trick button": form_page("<button disabled></button><input type=submit name=go value=1>"),
    "button of its own target": form_page(
        "<button name=go formaction=/other?x formmethod=get formenctype=multipart/form-data>go</button>"
    ),
    "button with an empty target": form_page(
        "<button name=go formaction='' formenctype=multipart/form-data>go</button>"
    ),
    "control that names nothing": form_page("<input form='' name=a value=1>", "id='' method=post action=/send"),
    "control that names the second element with an id": "<p id=f></p>"
    + form_page("<input form=f name=a value=1>", "id=f method=post action=/send"),
    "button elsewhere": "<button form=f name=go value=1></button>"
    + form_page("", "id=f method=post")
    + "<input form=f name=z>",
    "owned by attribute": form_page(
        "<input form=other name=a value=1><input form='' name=b value=1><input name=c value=1>", "id=f method=post"
    )
    + "<form id=other><input form=f name=d value=1><select form=f name=e><option>1</select></form>"
    "<textarea form=f name=g></textarea>",
    "not fields": form_page(
        "<datalist><option>x</option><input name=a></datalist><template><input name=b></template>"
        "<noscript><input name=c><textarea name=g-recaptcha-response></textarea></noscript>"
        "<output name=d>1</output><object name=e></object><!-- <input name=f> --><script>'<input name=g>'</script>"
    ),
    "typed values": form_page(
        "<input type=number name=a><input type=number name=b value=1.50><input type=number name=c value=1e3>"
        "<input type=range name=d><input type=range name=e value=2 min=0 max=5>"
        "<input type=color name=g value=#ABCDEF><input type=color name=h>"
        "<input type=date name=i value=2026-02-03><input type=time name=k value=05:00>"
        "<input type=datetime-local name=l value=2026-02-03T04:05><input type=month name=m value=2026-12>"
        "<input type=week name=n value=2026-W07><input type=email name=o value=a@b>"
        "<input type=url name=p value=https://x/>"
        "<input type=email multiple name=q value=a@b,c@d><input type=tel name=r value=' 1 '>"
        "<input multiple name=s0 value='a , b'>"
        "<input type=nonsense name=s value=1><input type=search name=t value=1><input type=password name=u value=1>"
    ),
    "multipart": form_page(
        "<input name='q\"uote' value='a\nb'><input type=hidden name='n\nl' value='1\n2'><input type=file name=f>"
        "<input name=ü value=é><input type=file name=many multiple>",
        "method=post enctype=multipart/form-data",
    ),
    "files without multipart": form_page("<input type=file name=f>"),
    "unknown enctype": form_page("", "method=post enctype=application/json"),
    "accept-charset": form_page("<input name=ü value='é €'>", "method=post accept-charset='nope latin1, utf-8'"),
    "unknown accept-charset": form_page("<input name=a value=é>", "method=post accept-charset=nope"),
    "widget first": f"<form method=post>{WIDGET}<input name=a></form>",
    "widget around a field": "<form method=post><div class=g-recaptcha><input name=a></div><input name=b></form>",
    "bound button": "<form method=post><input name=a>"
    "<button class=g-recaptcha data-sitekey=k name=go value=1>x</button><input name=b></form>",
    "bound input": "<form method=post><input name=a>"
    "<input type=submit class=g-recaptcha name=go value=1><input name=b></form>",
    "rendered": "<form method=post><div class=g-recaptcha><div>"
    "<textarea name=g-recaptcha-response></textarea></div></div><input name=a></form>",
    "textarea of the page": f"<form method=post>{WIDGET}<input name=a>"
    "<textarea name=g-recaptcha-response>old</textarea></form>",
    "hidden field of the page": f"<form method=post><input type=hidden name=g-recaptcha-response>{WIDGET}</form>",
    "unclosed": f"<form method=post><div><input name=a><p>{WIDGET}<input name=b>",
    # lxml nests the elements of these otherwise than the HTML standard's parser does.
    "element closed within": f"<div><form method=post>{WIDGET}</div><input name=a><button name=go></button></form>"
    "<input name=b>",
    "cells of a table": f"<table><tr><td><form method=post>{WIDGET}</td><td><input name=a></form></td>"
    "<td><input name=b></table>",
    "rows of a table": f"<form method=post>{WIDGET}<table><tr><td><input name=a></form></td><td><input name=b></table>"
    "<input name=c>",
    "form in a form": f"<form method=post action=/x><input name=a><form action=/y>{WIDGET}<input name=b></form>"
    "<input name=c>",
    "form named that is ignored": f"<form method=post><form id=f></form><input form=f name=a></form>"
    f"<form method=post>{WIDGET}<input name=b></form>",
    "form in noscript": f"<noscript><form action=/x></noscript><form method=post>{WIDGET}<input name=a></form>",
    "form in a template": f"<template><form action=/x></template><form method=post>{WIDGET}<input name=a></form>",
    "end tags of others": f"<p><b><span><form method=post></b></span></p>{WIDGET}<input name=a></form><input name=b>",
    "end tag before its content's": f"<form method=post>{WIDGET}<div></form><input name=a></div><input name=b>",
    "list closed within": f"<ul><li><form method=post>{WIDGET}<input name=a></ul><input name=b></form><input name=c>",
    "upper case": f"<FORM METHOD=POST ACTION=/X><INPUT NAME=A VALUE=B>{WIDGET}"
    "<SELECT NAME=C><OPTION SELECTED>1</SELECT></FORM>",
    "field called submit": form_page(
        "<input name=submit value=1><input name=action><input name=method><input name=target>"
    ),
    "charset": form_page("<input name='ö' value='ä ж 日 ł 한 😀'>"),
}
