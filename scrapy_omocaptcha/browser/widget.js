// Find the widget that Google's script has made for a site key, and do with it what that script and a visitor do.
(() => {
  const FIELD = "g-recaptcha-response";
  const FIELDS = `textarea[name^="${FIELD}"], input[name^="${FIELD}"]`;
  const DEPTH = 5;

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

  // A page may have several widgets with the same key.
  const among = (widgets, action) => widgets.find(({field}) => field.form && field.form.action === action) || widgets[0];

  function rendered(sitekey, action) {
    const clients = Object.entries((window.___grecaptcha_cfg || {}).clients || {});
    const widgets = clients.map(([id, client]) => {
      const {elements, parameters} = read(client);
      const inside = elements.map((element) => element.querySelector(FIELDS)).find(Boolean);
      const field = document.getElementById(id === "0" ? FIELD : `${FIELD}-${id}`) || inside;
      return {field, parameters};
    });
    const order = (one, other) => one.field.compareDocumentPosition(other.field) & Node.DOCUMENT_POSITION_PRECEDING ? 1 : -1;
    const found = widgets.filter(({field, parameters}) => field && parameters && parameters.sitekey === sitekey);
    return among(found.sort(order), action);
  }

  // The page's own markup has to do where Google's script is not to be had.
  function marked(sitekey, action) {
    const elements = [...document.querySelectorAll(`[data-sitekey="${CSS.escape(sitekey)}"]`)];
    const widgets = elements.map((element) => ({
      field: element.querySelector(FIELDS) || (element.form || element.closest("form") || document).querySelector(FIELDS),
      parameters: {callback: element.dataset.callback},
    }));
    return among(widgets.filter(({field}) => field), action);
  }

  const find = (sitekey, action) => rendered(sitekey, action) || marked(sitekey, action);

  function resolve(callback) {
    if (typeof callback !== "string") return callback;
    return callback.split(".").reduce((object, name) => object && object[name], window);
  }

  function give(sitekey, action, token) {
    const {field, parameters} = find(sitekey, action);
    field.value = token;
    // A page that asks for a token only now, when its button is pressed, gets the one that is there.
    for (const api of [window.grecaptcha, (window.grecaptcha || {}).enterprise]) {
      if (api && api.execute) api.execute = () => Promise.resolve(token);
    }
    const callbacks = [parameters.callback, parameters["promise-callback"]].map(resolve);
    const callable = callbacks.filter((callback) => typeof callback === "function");
    // Each is called later, so that this call returns before the page goes.
    for (const callback of callable) setTimeout(() => callback(token));
    return callable.length > 0;
  }

  const BUTTONS = 'button:not([type="button"]):not([type="reset"]), input[type="submit"], input[type="image"]';

  function press(sitekey, action) {
    const {field} = find(sitekey, action) || {};
    if (!field) return;
    let button;
    if (field.form) {
      // Over plain HTTP, a form is sent as it is, too.
      field.form.noValidate = true;
      const buttons = [...field.form.elements, ...field.form.querySelectorAll('input[type="image"]')];
      const submits = buttons.filter((element) => element.matches(BUTTONS));
      button = submits.find((element) => !element.matches(":disabled")) || submits[0];
      if (!button) return void setTimeout(() => field.form.requestSubmit());
    } else {
      for (let around = field.parentElement; around && !button; around = around.parentElement) {
        button = around.querySelector('button, input[type="submit"], input[type="button"]');
      }
    }
    if (button) button.disabled = false;
    if (button) setTimeout(() => button.click());
  }

  return {isThere: (sitekey, action) => Boolean(find(sitekey, action)), give, press};
})()
