// Find the widgets of a document, and do with one what Google's script and a visitor do.
(() => {
  const FIELD = "g-recaptcha-response";
  const FIELDS = `textarea[name^="${FIELD}"], input[name^="${FIELD}"]`;
  const DEPTH = 5;
  const BUTTONS = 'button:not([type="button"]):not([type="reset"]), input[type="submit"], input[type="image"]';

  // Google's script keeps the parameters and elements of its widgets a few levels deep, under names that change.
  function read(client, found = {elements: [], parameters: null}, seen = new Set(), depth = 0) {
    if (client instanceof Element) {
      found.elements.push(client);
    } else if (client && typeof client === "object" && client !== window && depth < DEPTH && !seen.has(client)) {
      seen.add(client);
      if (!found.parameters && typeof client.sitekey === "string") found.parameters = client;
      for (const name of Object.keys(client)) {
        let member;
        try { member = client[name]; } catch { continue; }
        read(member, found, seen, depth + 1);
      }
    }
    return found;
  }

  // Return the widgets that Google's script has made; those in a shadow root, which a page's HTML does not show, are none.
  function rendered() {
    const clients = Object.entries((window.___grecaptcha_cfg || {}).clients || {});
    const widgets = clients.map(([id, client]) => {
      const {elements, parameters} = read(client);
      const named = document.querySelector(id === "0" ? `#${FIELD}` : `#${FIELD}-${id}`);
      const inside = elements.map((element) => element.querySelector(FIELDS));
      return {field: [named, ...inside].find(Boolean), parameters};
    });
    return widgets.filter(({field, parameters}) => parameters && field && field.getRootNode() === document);
  }

  // The page's own markup has to do where Google's script is not to be had.
  function marked() {
    const widgets = [...document.querySelectorAll("[data-sitekey]")].map((element) => ({
      field: element.querySelector(FIELDS) || (element.form || element.closest("form") || document).querySelector(FIELDS),
      parameters: {sitekey: element.dataset.sitekey, callback: element.dataset.callback},
    }));
    return widgets.filter(({field}) => field);
  }

  const order = (one, other) => one.field.compareDocumentPosition(other.field) & Node.DOCUMENT_POSITION_PRECEDING ? 1 : -1;

  function widgets() {
    const byField = new Map([...marked().reverse(), ...rendered()].map((widget) => [widget.field, widget]));
    return [...byField.values()].sort(order);
  }

  // A field of a form may have the name of one of its properties, and hides that.
  const get = (form, name) => Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, name).get.call(form);

  const forms = () => [...document.querySelectorAll("form")];

  function isVisible(field) {
    // The badge of an invisible widget is often hidden; then its form tells.
    const shown = field.closest(".grecaptcha-badge") && field.form || field.parentElement || field;
    return shown.checkVisibility({checkVisibilityCSS: true});
  }

  function isMeant(field, selector) {
    return Boolean(field.closest(selector) || field.parentElement.querySelector(selector));
  }

  // Return what the document shows, with its widgets; its HTML only if it mentions reCAPTCHA.
  function look(selector) {
    const html = document.documentElement.outerHTML;
    const found = widgets().map(({field, parameters}) => ({
      sitekey: parameters.sitekey,
      form: field.form && forms().indexOf(field.form),
      isVisible: isVisible(field),
      isMeant: selector === null || isMeant(field, selector),
    }));
    return {html: html.includes("recaptcha") ? html : "", widgets: found};
  }

  const buttonsOf = (form) => [...document.querySelectorAll(BUTTONS)].filter((each) => each.form === form);

  // Return the button that was read, unless it has become another one.
  function buttonOf(form, [number, ...read]) {
    const button = buttonsOf(form)[number];
    const text = button && button.textContent.split(/\s+/).filter(Boolean).join(" ");
    const found = button && [button.getAttribute("name") || "", button.getAttribute("value") || "", text];
    return found && found.every((each, at) => each === read[at]) ? button : null;
  }

  const pathOf = (url) => new URL(url).href.split(/[?#]/)[0];

  // Return the form that was read, by its number, and its button; none if they are sent to another address by now.
  function placeOf({form: read}) {
    const form = read && forms()[read.number];
    if (!form) return {form, button: null};
    const button = read.button && buttonOf(form, read.button);
    const url = button && button.hasAttribute("formaction") ? button.formAction : get(form, "action");
    const isSame = !/^https?:/.test(read.url) || pathOf(url) === pathOf(read.url);
    return isSame ? {form, button} : {form: undefined, button: null};
  }

  // A page may have several widgets with the same key. None but the one that was read gets the token.
  function find(place) {
    const same = widgets().filter(({parameters}) => parameters.sitekey === place.sitekey);
    const {form} = placeOf(place);
    const there = same.filter(({field}) => field.form === form);
    return there[place.number];
  }

  function resolve(callback) {
    if (typeof callback !== "string") return callback;
    return callback.split(".").reduce((object, name) => object && object[name], window);
  }

  // Return whether the widget has a callback, with waits once that was called. Without a widget, return null.
  async function give(place, token, waits) {
    const {field, parameters} = find(place) || {};
    if (!field) return null;
    field.value = token;
    // A page that asks for a token only now, when its button is pressed, gets the one that is there.
    for (const api of [window.grecaptcha, (window.grecaptcha || {}).enterprise]) {
      if (api && api.execute) api.execute = () => Promise.resolve(token);
    }
    const callbacks = [parameters.callback, parameters["promise-callback"]].map(resolve);
    const callable = callbacks.filter((callback) => typeof callback === "function");
    // They are called later, so that what has given the token can return before the page goes.
    for (const callback of callable) setTimeout(() => callback(token));
    if (waits) await new Promise((done) => setTimeout(done));
    return callable.length > 0;
  }

  // Press the button that was read, and return whether it is there. A form without one is sent as it is, if it has no
  // button at all and no callback to send it.
  function press(place, isCalled) {
    const {form, button} = placeOf(place);
    if (!find(place) || !form || (place.form.button && !button)) return false;
    if (!button && (isCalled || buttonsOf(form).length)) return false;
    // Over plain HTTP, a form is sent as it is, too.
    form.noValidate = true;
    if (button) button.disabled = false;
    setTimeout(() => button ? button.click() : HTMLFormElement.prototype.requestSubmit.call(form));
    return true;
  }

  return {look, isThere: (place) => Boolean(find(place)), give, press};
})()
