// Find the widgets of a document or of a shadow root, and do with one what Google's script and a visitor do.
(() => {
  const FIELD = "g-recaptcha-response";
  const FIELDS = `textarea[name^="${FIELD}"], input[name^="${FIELD}"]`;
  const DEPTH = 5;
  const BUTTONS = 'button:not([type="button"]):not([type="reset"]), input[type="submit"], input[type="image"]';
  const CALLBACK_TIMEOUT = 1000;

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

  // Return the widgets that Google's script has made, wherever they are.
  function rendered() {
    const clients = Object.entries((window.___grecaptcha_cfg || {}).clients || {});
    const widgets = clients.map(([id, client]) => {
      const {elements, parameters} = read(client);
      // A document does not know the ids of its shadow roots.
      const roots = new Set([document, ...elements.map((element) => element.getRootNode())]);
      const named = [...roots].map((root) => root.querySelector(id === "0" ? `#${FIELD}` : `#${FIELD}-${id}`));
      const inside = elements.map((element) => element.querySelector(FIELDS));
      return {field: [...named, ...inside].find(Boolean), parameters};
    });
    return widgets.filter(({field, parameters}) => field && parameters);
  }

  // The page's own markup has to do where Google's script is not to be had.
  function marked(root) {
    const widgets = [...root.querySelectorAll("[data-sitekey]")].map((element) => ({
      field: element.querySelector(FIELDS) || (element.form || element.closest("form") || root).querySelector(FIELDS),
      parameters: {sitekey: element.dataset.sitekey, callback: element.dataset.callback},
    }));
    return widgets.filter(({field}) => field);
  }

  const order = (one, other) => one.field.compareDocumentPosition(other.field) & Node.DOCUMENT_POSITION_PRECEDING ? 1 : -1;

  function widgets(root) {
    const byField = new Map(marked(root).reverse().map((widget) => [widget.field, widget]));
    for (const widget of rendered()) if (widget.field.getRootNode() === root) byField.set(widget.field, widget);
    return [...byField.values()].sort(order);
  }

  // Return the roots that may have widgets: a script can render one in a shadow root.
  const roots = () => [...new Set([document, ...rendered().map(({field}) => field.getRootNode())])];

  // A field of a form may have the name of one of its properties, and hides that.
  const get = (form, name) => Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, name).get.call(form);

  const formsOf = (root) => [...root.querySelectorAll("form")];

  function isVisible(field) {
    // The badge of an invisible widget is often hidden; then its form tells.
    const shown = field.closest(".grecaptcha-badge") && field.form || field.parentElement || field;
    return shown.checkVisibility({checkVisibilityCSS: true});
  }

  function isMeant(field, selector) {
    for (let inside = field; inside; inside = inside.getRootNode().host) if (inside.closest(selector)) return true;
    return field.parentElement !== null && field.parentElement.querySelector(selector) !== null;
  }

  // Return what a root shows, with its widgets; its HTML only if it mentions reCAPTCHA.
  function look(root, selector) {
    const html = root === document ? document.documentElement.outerHTML : root.innerHTML;
    const found = widgets(root).map(({field, parameters}) => ({
      sitekey: parameters.sitekey,
      form: field.form && formsOf(root).indexOf(field.form),
      isVisible: isVisible(field),
      isMeant: selector === null || isMeant(field, selector),
    }));
    return {html: html.includes("recaptcha") ? html : "", widgets: found};
  }

  const buttonsOf = (form) => [...form.getRootNode().querySelectorAll(BUTTONS)].filter((each) => each.form === form);

  // Return the button that was read, unless it has become another one.
  function buttonOf(form, [number, ...read]) {
    const button = buttonsOf(form)[number];
    const text = button && button.textContent.split(/\s+/).filter(Boolean).join(" ");
    const found = button && [button.getAttribute("name") || "", button.getAttribute("value") || "", text];
    return found && found.every((each, at) => each === read[at]) ? button : null;
  }

  const pathOf = (url) => new URL(url).href.split(/[?#]/)[0];

  // Return the form that was read, by its number, and its button; none if they are sent to another address by now.
  function placeOf({root, form: read}) {
    const form = read && formsOf(root || document)[read.number];
    if (!form) return {form, button: null};
    const button = read.button && buttonOf(form, read.button);
    const url = button && button.hasAttribute("formaction") ? button.formAction : get(form, "action");
    const isSame = !/^https?:/.test(read.url) || pathOf(url) === pathOf(read.url);
    return isSame ? {form, button} : {form: undefined, button: null};
  }

  // A page may have several widgets with the same key. None but the one that was read gets the token.
  function find(place) {
    const same = widgets(place.root || document).filter(({parameters}) => parameters.sitekey === place.sitekey);
    const {form} = placeOf(place);
    const there = same.filter(({field}) => field.form === form);
    return there[place.number];
  }

  function resolve(callback) {
    if (typeof callback !== "string") return callback;
    return callback.split(".").reduce((object, name) => object && object[name], window);
  }

  // Call a callback later, so that what has given the token can return before the page goes. The promise is resolved
  // with the message of what the callback throws, or with nothing.
  const call = (callback, token) => new Promise((done) => setTimeout(() => {
    const fail = (error) => {
      done(String(error && error.message || error));
      throw error;
    };
    try {
      Promise.resolve(callback(token)).then(() => done(""), fail);
    } catch (error) {
      fail(error);
    }
  }));

  // Return whether the widget has a callback, and with waits what a callback threw. Without a widget, return null.
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
    const called = Promise.all(callable.map((callback) => call(callback, token)));
    const late = new Promise((done) => setTimeout(done, CALLBACK_TIMEOUT, []));
    const thrown = waits && callable.length ? await Promise.race([called, late]) : [];
    return {isCalled: callable.length > 0, thrown: thrown.find(Boolean) || ""};
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

  return {roots, look, isThere: (place) => Boolean(find(place)), give, press};
})()
