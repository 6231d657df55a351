// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// A small XMPP client over WebSocket: RFC 7395 framing, SCRAM-SHA-256, one resource,
// presence, messages, receipts (XEP-0184) and pings (XEP-0199). It knows nothing of pages.

const ns = {
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  client: 'jabber:client',
  receipts: 'urn:xmpp:receipts',
  ping: 'urn:xmpp:ping',
  delay: 'urn:xmpp:delay',
};

/** element makes an XML element; children are elements, or text. */
function element(name, space, attributes = {}, ...children) {
  const e = document.implementation.createDocument(space, name).documentElement;
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

/** child returns the child of an element with that name and namespace, if there is one. */
const child = (e, name, space) =>
  [...e.children].find((c) => c.localName === name && (!space || c.namespaceURI === space));

/**
 * A Client is one stream. Its handlers are called in the order in which things come in:
 * onOnline(), onMessage({from, id, body, delayed}), onReceipt({from, id}), onFailure(id, condition),
 * onEnd(reason, final); final if it makes no sense to log in again.
 */
export class Client {
  /** dark: nothing that comes in is read, and nothing may be sent. The link stays open. */
  dark = false;
  online = false;
  #socket;
  #answers = new Map(); // by the id of the question
  #next; // who waits for the next element of the login
  #early = []; // elements of the login that nobody has waited for yet
  #count = 0;
  #ended = false;

  constructor({ url, address, password, resource, ...handlers }) {
    [this.user, this.domain] = address.split('@');
    Object.assign(this, { password, resource }, handlers);
    this.#socket = new WebSocket(url, 'xmpp');
    this.#socket.onopen = () => this.#login().catch((e) => this.#end(e.message, e.final));
    this.#socket.onmessage = ({ data }) => this.dark || this.#read(data);
    this.#socket.onclose = () => this.dark || this.#end('the connection is gone', false);
  }

  /** send sends a message that asks for a receipt. */
  send(to, id, body) {
    this.#write(element('message', ns.client, { to, id, type: 'chat' },
      element('body', ns.client, {}, body), element('request', ns.receipts)));
  }

  /** ping resolves when the server has dealt with all that was sent before. */
  async ping() {
    await this.#ask(element('iq', ns.client, { type: 'get', to: this.domain }, element('ping', ns.ping)));
  }

  /** abandon forgets the stream without a word, as a phone does whose network has changed. */
  abandon() {
    this.dark = this.#ended = true;
    this.online = false;
  }

  #write(e) {
    if (!this.dark && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new XMLSerializer().serializeToString(e));
  }

  #end(reason, final) {
    if (this.#ended) return;
    this.#ended = true;
    this.online = false;
    this.#socket.close();
    this.onEnd(reason, final);
  }

  #read(text) {
    const e = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    if (e.localName === 'error' && e.namespaceURI === 'http://etherx.jabber.org/streams') {
      const condition = e.firstElementChild?.localName ?? 'error';
      this.#end(condition, condition === 'conflict');
    } else if (e.localName === 'close' && e.namespaceURI === ns.framing) {
      this.#end('the server has closed the stream', false);
    } else if (e.namespaceURI !== ns.client) {
      if (this.#next) this.#next(e);
      else this.#early.push(e);
    } else if (e.localName === 'iq') {
      this.#iq(e);
    } else if (e.localName === 'message') {
      this.#message(e);
    }
  }

  #message(e) {
    const [from, id] = [e.getAttribute('from'), e.getAttribute('id')];
    const type = e.getAttribute('type') ?? 'normal';
    if (type === 'error') {
      this.onFailure(id, child(e, 'error')?.firstElementChild?.localName ?? 'error');
      return;
    }
    const received = child(e, 'received', ns.receipts);
    if (received) this.onReceipt({ from, id: received.getAttribute('id') });
    const body = child(e, 'body', ns.client);
    if (body) this.onMessage({ from, id, body: body.textContent, delayed: Boolean(child(e, 'delay', ns.delay)) });
    if (id && ['chat', 'normal'].includes(type) && child(e, 'request', ns.receipts)) {
      this.#write(element('message', ns.client, { to: from, id: crypto.randomUUID(), type: 'chat' },
        element('received', ns.receipts, { id })));
    }
  }

  #iq(e) {
    const [id, type, from] = ['id', 'type', 'from'].map((a) => e.getAttribute(a));
    if (type === 'result' || type === 'error') {
      this.#answers.get(id)?.(e);
      this.#answers.delete(id);
      return;
    }
    const answer = element('iq', ns.client, { id, type: 'result', ...(from && { to: from }) });
    if (!child(e, 'ping', ns.ping)) {
      answer.setAttribute('type', 'error');
      answer.append(element('error', ns.client, { type: 'cancel' },
        element('service-unavailable', 'urn:ietf:params:xml:ns:xmpp-stanzas')));
    }
    this.#write(answer);
  }

  /** ask resolves to the answer to an IQ. */
  #ask(iq) {
    const id = `q${++this.#count}`;
    iq.setAttribute('id', id);
    this.#write(iq);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  /** expect resolves to the next element of the login, which has to have one of these names. */
  async #expect(...names) {
    const e = this.#early.shift() ?? await new Promise((resolve) => { this.#next = resolve; });
    this.#next = undefined;
    if (names.includes(e.localName)) return e;
    throw Object.assign(new Error(e.firstElementChild?.localName ?? e.localName), { final: e.localName === 'failure' });
  }

  async #open() {
    this.#write(element('open', ns.framing, { to: this.domain, version: '1.0' }));
    await this.#expect('open');
    await this.#expect('features');
  }

  async #login() {
    await this.#open();
    await this.#authenticate();
    await this.#open();
    const answer = await this.#ask(element('iq', ns.client, { type: 'set' },
      element('bind', ns.bind, {}, element('resource', ns.bind, {}, this.resource))));
    if (answer.getAttribute('type') !== 'result') throw new Error('no resource');
    this.#write(element('presence', ns.client));
    await this.ping(); // from here on what is sent to us comes
    this.online = true;
    this.onOnline();
  }

  /** authenticate is SCRAM-SHA-256 (RFC 5802, RFC 7677): the password is not sent. */
  async #authenticate() {
    const nonce = crypto.randomUUID();
    const first = `n=${this.user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
    this.#write(element('auth', ns.sasl, { mechanism: 'SCRAM-SHA-256' }, encode(utf8(`n,,${first}`))));
    const challenge = decode((await this.#expect('challenge')).textContent);
    const { r, s, i } = fields(challenge);
    if (!r.startsWith(nonce)) throw Object.assign(new Error('not our nonce'), { final: true });

    const salted = await saltedPassword(this.password, bytes(s), Number(i));
    const clientKey = await hmac(salted, utf8('Client Key'));
    const final = `c=biws,r=${r}`;
    const all = utf8(`${first},${challenge},${final}`);
    const signature = await hmac(new Uint8Array(await crypto.subtle.digest('SHA-256', clientKey)), all);
    const proof = clientKey.map((b, n) => b ^ signature[n]);
    this.#write(element('response', ns.sasl, {}, encode(utf8(`${final},p=${encode(proof)}`))));

    const { v } = fields(decode((await this.#expect('success')).textContent));
    const expected = encode(await hmac(await hmac(salted, utf8('Server Key')), all));
    if (v !== expected) throw Object.assign(new Error('the server does not know the password'), { final: true });
  }
}

const utf8 = (text) => new TextEncoder().encode(text);
const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const encode = (data) => btoa(String.fromCharCode(...data));
const decode = (base64) => new TextDecoder().decode(bytes(base64));
const fields = (text) => Object.fromEntries(text.split(',').map((f) => [f[0], f.slice(2)]));

async function hmac(key, data) {
  const k = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', k, data));
}

async function saltedPassword(password, salt, iterations) {
  const key = await crypto.subtle.importKey('raw', utf8(password.normalize('NFKC')), 'PBKDF2', false, ['deriveBits']);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, key, 256));
}
