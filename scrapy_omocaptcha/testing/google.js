// Stands in for Google's api.js and enterprise.js, as https://developers.google.com/recaptcha documents them.
//
// Widgets are rendered, but nobody solves them, so a promise of execute() stays pending until somebody sets the value of
// the widget's textarea and calls its callbacks, as Google's script does when a person has solved it.
(() => {
  'use strict';
  const script = new URL(document.currentScript.src);
  const kind = script.pathname.includes('enterprise') ? 'enterprise' : 'api2';
  const rendering = script.searchParams.get('render') || 'onload';
  const VERSION_3 = 100000;
  const config = window.___grecaptcha_cfg ||= {};
  const clients = config.clients ||= {};
  const widgets = new Map();
  const loaded = window.grecaptcha ||= {};
  const api = kind === 'enterprise' ? loaded.enterprise ||= {} : loaded;

  // Google's script has other member names in each release, so nobody may rely on them.
  const names = new Set();
  while (names.size < 8) {
    const name = String.fromCharCode(...[0, 0].map(() => 97 + Math.floor(Math.random() * 26)));
    if (name !== 'id') names.add(name);
  }
  const [PLACE, NOTHING, STATE, VIEW, ADDED, CLIENT, PARAMETERS, OTHERS] = names;

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function frame(page, title, query) {
    const source = new URL(`/recaptcha/${kind}/${page}?${new URLSearchParams(query)}`, script);
    return element('iframe', {title, src: source, role: 'presentation'});
  }

  function readAttributes(container) {
    const read = [...container.attributes].filter((attribute) => attribute.name.startsWith('data-'));
    return Object.fromEntries(read.map((attribute) => [attribute.name.slice('data-'.length), attribute.value]));
  }

  function addChallenge(parameters) {
    const pictures = frame('bframe', 'recaptcha challenge expires in two minutes', {hl: 'en', k: parameters.sitekey});
    const style = 'visibility: hidden; position: absolute; top: -10000px;';
    return document.body.appendChild(element('div', {style}, pictures));
  }

  // options are those of a v2 widget's frame. v3 has none, and no challenge.
  function add(id, container, parameters, options) {
    const invisible = parameters.size === 'invisible';
    const suffix = id ? `-${id}` : '';
    const textarea = element('textarea', {
      id: `g-recaptcha-response${suffix}`,
      name: 'g-recaptcha-response',
      class: 'g-recaptcha-response',
      style: 'width: 250px; height: 40px; resize: none; display: none;',
    });
    const anchor = frame('anchor', 'reCAPTCHA', {
      ar: 1,
      k: parameters.sitekey,
      co: btoa(`${location.protocol}//${location.host}`).replaceAll('=', '.'),
      hl: 'en',
      ...options,
      size: parameters.size,
      ...(parameters.s && {s: parameters.s}),
    });
    const added = invisible
      ? element(
          'div',
          {class: 'grecaptcha-badge', 'data-style': parameters.badge, style: 'width: 256px; height: 60px;'},
          element('div', {class: 'grecaptcha-logo'}, anchor),
          element('div', {class: 'grecaptcha-error'}),
          textarea
        )
      : element('div', {style: 'width: 304px; height: 78px;'}, element('div', {}, anchor), textarea);
    container.append(added);
    widgets.set(id, {textarea, parameters, container, challenge: options && addChallenge(parameters)});
    const client = {id, [PLACE]: container, [NOTHING]: null};
    client[STATE] = {
      [VIEW]: {[ADDED]: added, [CLIENT]: client},
      [PARAMETERS]: parameters,
      [OTHERS]: [document.body, window],
    };
    clients[id] = client;
    return id;
  }

  function find(id) {
    const widget = id === undefined ? [...widgets.values()][0] : widgets.get(Number(id));
    if (!widget) throw new Error(`reCAPTCHA stand-in: there is no widget ${id ?? ''}`);
    return widget;
  }

  function open(widget) {
    if (widget.challenge) Object.assign(widget.challenge.style, {visibility: 'visible', top: '10px'});
    return new Promise((resolve) => {
      widget.parameters['promise-callback'] = resolve;
    });
  }

  function render(container, parameters = {}, inherit = false) {
    const place = typeof container === 'string' ? document.getElementById(container) : container;
    if (!(place instanceof Element)) throw new Error(`reCAPTCHA stand-in: there is no element ${container}`);
    const button = place.matches('button, input');
    const given = {
      theme: 'light',
      type: 'image',
      badge: 'bottomright',
      size: button ? 'invisible' : 'normal',
      ...(inherit && readAttributes(place)),
      ...parameters,
    };
    if (!given.sitekey) throw new Error('reCAPTCHA stand-in: the parameter sitekey is missing');
    if ([...widgets.values()].some((widget) => widget.container === place || widget.button === place)) {
      throw new Error('reCAPTCHA stand-in: this element has a widget already');
    }
    const id = widgets.size;
    if (!button) return add(id, place, given, {type: given.type, theme: given.theme});
    // A widget on a button is put before it; the button opens the challenge and sends nothing by itself.
    const before = element('div', {});
    place.before(before);
    add(id, before, given, {type: given.type, theme: given.theme});
    const widget = widgets.get(id);
    widget.button = place;
    place.addEventListener('click', (event) => {
      event.preventDefault();
      open(widget);
    });
    return id;
  }

  // A v3 widget is executed by its key.
  function execute(target) {
    return open(target === rendering ? widgets.get(VERSION_3) : find(target));
  }

  function start() {
    Object.assign(api, {
      render,
      execute,
      getResponse: (id) => find(id).textarea.value,
      reset: (id) => {
        find(id).textarea.value = '';
      },
    });
    api.ready = (callback) => callback();
    if (rendering === 'onload') {
      for (const each of document.querySelectorAll('.g-recaptcha[data-sitekey]')) render(each, {}, true);
    } else if (rendering !== 'explicit') {
      const badge = document.body.appendChild(element('div', {}));
      add(VERSION_3, badge, {sitekey: rendering, size: 'invisible', badge: 'bottomright'}, null);
    }
    for (const callback of config.fns || []) callback();
    config.fns = [];
    window[script.searchParams.get('onload')]?.();
  }

  // Before all of it has been loaded, Google's script has ready() only.
  api.ready = (callback) => {
    (config.fns ||= []).push(callback);
  };
  if (document.readyState === 'loading') {
    document.addEventListener('DOMContentLoaded', start);
  } else {
    setTimeout(start);
  }
})();
