// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// A phone: a chat with one other person, and a tunnel.

import { Client } from './xmpp.js';

/** What a sender knows of a message, and how it is shown. */
const ticks = {
  waiting: ['◷', 'not sent yet'],
  sent: ['✓', 'sent'],
  stored: ['✓✓', 'on the server'],
  delivered: ['✓✓', 'delivered'],
  failed: ['✕', 'not delivered'],
};

/** remember keeps the latest of what comes, for a page may be open for long. */
function remember(map, key, value) {
  map.set(key, value);
  if (map.size > 1000) map.delete(map.keys().next().value);
}

/** texts are the bodies that the page's own phones know, by id: the server shows none. */
export const texts = new Map();

const name = (address) => {
  const local = address.split('@')[0];
  return local[0].toUpperCase() + local.slice(1);
};

export class Phone {
  #client;
  #mine = new Map(); // messages of ours by id, in order
  #theirs = new Map(); // by sender and id
  #tunnel = false;
  #pause = 500; // ms until the next try to log in
  #ui;

  constructor(root, account, other, url) {
    Object.assign(this, { account, other, url });
    // The same resource after a reload, but not that of another tab.
    const key = `resource of ${account.address}`;
    this.resource = sessionStorage.getItem(key) ?? `phone-${crypto.randomUUID().slice(0, 4)}`;
    sessionStorage.setItem(key, this.resource);
    this.#build(root);
    this.#connect();
  }

  #build(root) {
    const part = (p) => root.querySelector(`[data-part=${p}]`);
    this.#ui = { root, status: part('status'), chat: part('chat'), text: part('text'), tunnel: part('tunnel') };
    part('name').textContent = name(this.account.address);
    part('avatar').textContent = name(this.account.address)[0];
    part('address').textContent = this.account.address;
    this.#ui.text.placeholder = `Write to ${name(this.other.address)}`;
    this.#ui.text.setAttribute('aria-label', `Message to ${name(this.other.address)}`);
    this.#ui.tunnel.setAttribute('aria-label', `${name(this.account.address)} is in a tunnel`);
    this.#ui.tunnel.onchange = () => this.#drive(this.#ui.tunnel.checked);
    part('form').onsubmit = (e) => {
      e.preventDefault();
      const body = this.#ui.text.value.trim();
      if (body) this.#compose(body);
      this.#ui.text.value = '';
    };
    this.#show('connecting', 'connecting…');
  }

  #connect() {
    const client = new Client({
      url: this.url, address: this.account.address, password: this.account.password, resource: this.resource,
      onOnline: () => this.#onOnline(),
      onMessage: (m) => this.#onMessage(m),
      onReceipt: ({ from, id }) => this.#isOther(from) && this.#mark(id, 'delivered'),
      onFailure: (id, condition) => this.#mark(id, 'failed', condition),
      onEnd: (reason, final) => this.#onEnd(reason, final),
    });
    client.dark = this.#tunnel;
    this.#client = client;
  }

  /** drive goes into the tunnel, or out of it. Out of it the phone connects anew, as phones
   * do: the old link stays open for the server, which finds out by itself. */
  #drive(into) {
    this.#tunnel = into;
    if (into) {
      this.#client.dark = true;
      this.#show('dark', 'in a tunnel: nothing goes in or out');
      return;
    }
    this.#client.abandon();
    this.#show('connecting', 'out of the tunnel, connecting…');
    this.#connect();
  }

  #onOnline() {
    this.#pause = 500;
    this.#show('online', 'online');
    for (const m of this.#mine.values()) { // what the server has not said to have
      if (m.state === 'waiting' || m.state === 'sent') this.#transmit(m);
    }
  }

  #onEnd(reason, final) {
    if (final) {
      this.#show('off', `logged out: ${reason}. Reload the page to log in.`);
      return;
    }
    this.#show('connecting', `${reason}, connecting…`);
    const ended = this.#client;
    setTimeout(() => this.#client === ended && !this.#tunnel && this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, 10_000);
  }

  #compose(body) {
    const m = { id: crypto.randomUUID(), body, state: 'waiting' };
    remember(texts, m.id, body);
    remember(this.#mine, m.id, m);
    m.note = this.#bubble(m, 'mine');
    this.#mark(m.id, 'waiting');
    if (this.#client.online && !this.#client.dark) this.#transmit(m);
  }

  /** transmit sends a message, and asks the server something after it: an answer to that
   * says that the server has the message. */
  async #transmit(m) {
    this.#client.send(this.other.address, m.id, m.body);
    this.#mark(m.id, 'sent');
    await this.#client.ping();
    if (m.state === 'sent') this.#mark(m.id, 'stored');
  }

  #mark(id, state, condition) {
    const m = this.#mine.get(id);
    if (!m || m.state === 'delivered') return;
    m.state = state;
    const [tick, word] = ticks[state];
    m.note.replaceChildren();
    const sign = document.createElement('span');
    sign.className = 'tick';
    sign.setAttribute('aria-hidden', 'true');
    sign.textContent = tick;
    m.note.append(sign, ' ', condition ? `${word}: ${condition}` : word);
    m.note.parentElement.dataset.state = state;
  }

  #onMessage({ from, id, body, delayed }) {
    const key = JSON.stringify([from, id]);
    const before = id && this.#theirs.get(key);
    if (before) { // a second copy: its receipt may have been lost
      before.copies++;
      before.note.textContent = `received, ${before.copies} copies, shown once`;
      return;
    }
    const m = { id, body, copies: 1 };
    if (id) remember(texts, id, body);
    m.note = this.#bubble(m, 'theirs');
    const whose = this.#isOther(from) ? '' : `from ${from.split('/')[0]}, `;
    m.note.textContent = whose + (delayed ? 'received, later than sent' : 'received');
    if (id) remember(this.#theirs, key, m);
  }

  /** isOther says whether an address is that of whom this phone writes to. */
  #isOther(from) {
    return from.split('/')[0] === this.other.address;
  }

  /** bubble shows a message, and returns where its note goes. */
  #bubble({ id, body }, side) {
    const [bubble, text, note] = ['li', 'p', 'small'].map((tag) => document.createElement(tag));
    bubble.className = `bubble ${side}`;
    bubble.dataset.id = id ?? '';
    text.textContent = body;
    text.dir = 'auto';
    bubble.append(text, note);
    this.#ui.chat.append(bubble);
    while (this.#ui.chat.children.length > 200) this.#ui.chat.firstElementChild.remove();
    requestAnimationFrame(() => { this.#ui.chat.scrollTop = this.#ui.chat.scrollHeight; }); // with its note
    return note;
  }

  #show(state, text) {
    this.#ui.root.dataset.link = state;
    this.#ui.status.textContent = text;
  }
}
