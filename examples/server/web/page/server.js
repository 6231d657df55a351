// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// The server's view: what waits, and what happened, from /events and /debug/waiting.

import { texts } from './phone.js';

const seconds = (ms) => `${ms >= 10_000 ? Math.round(ms / 1000) : Math.round(ms / 100) / 10} s`;
const who = (address = '') => {
  const local = address.split('@')[0];
  return local ? local[0].toUpperCase() + local.slice(1) : 'somebody';
};
const what = (e) => (texts.has(e.id) ? `“${texts.get(e.id)}”` : 'a message');

/**
 * What the words of untilack.Reason mean, in a sentence, and what they do to a message's card:
 * its phase (see phases), "end" or nothing. Of the streams' reasons, all cards of that
 * recipient are concerned which are in the phase "only".
 */
const reasons = {
  admitted: { say: (e) => `${what(e)} for ${who(e.recipient)}: a copy is kept until ${who(e.recipient)}’s phone says “received”.`, phase: 'out' },
  untracked: { quiet: true, say: () => '' }, // receipts themselves, and that somebody types
  persisted: { say: (e) => `${what(e)} is stored: it would outlive a crash of the server.`, stored: true, tone: 'store' },
  overflowed: { say: (e) => `${what(e)} is stored: there is no room for it in memory.`, phase: 'store', stored: true, tone: 'store' },
  kept: { say: (e) => `${who(e.recipient)} is not there. ${what(e)} is stored until the next login.`, phase: 'store', stored: true, tone: 'store' },
  acted: { say: (e) => `${what(e)} was not answered, and ${who(e.recipient)} is gone. It is stored until the next login.`, phase: 'store', stored: true, tone: 'store' },
  queued: { say: (e) => `${what(e)} waits for its turn behind older ones.`, phase: 'turn' },
  delivered: { say: (e) => `${what(e)} goes out to ${who(e.recipient)}, after older ones.`, phase: 'out' },
  redelivered: { say: (e) => `${what(e)} goes out to ${who(e.recipient)} again.`, phase: 'out', again: true, tone: 'again' },
  settled: { say: (e) => `“Received”, says ${who(e.recipient)}’s phone. ${what(e)} need not be kept any longer.`, phase: 'end', tone: 'good' },
  late: { say: (e) => `“Received”, says ${who(e.recipient)}’s phone, late. ${what(e)} need not be kept any longer.`, phase: 'end', tone: 'good' },
  finished: { say: (e) => `${who(e.recipient)}’s client sends no receipts, but has read past ${what(e)}.`, phase: 'end', tone: 'good' },
  parked: { say: (e) => `${who(e.recipient)}’s client has read ${what(e)}, without a receipt so far.`, phase: 'read' },
  rejected: { say: (e) => `${who(e.recipient)}’s client answered ${what(e)} with an error.`, phase: 'end', tone: 'bad' },
  expired: { say: (e) => `The time that its sender gave ${what(e)} is over.`, phase: 'end', tone: 'bad' },
  unconfirmed: { say: (e) => `${what(e)} was tried as often as allowed. It is given up.`, phase: 'end', tone: 'bad' },
  purged: { say: (e) => `${who(e.recipient)} blocks the sender of ${what(e)}.`, phase: 'end', tone: 'bad' },
  refused: { say: (e) => `${what(e)} may not be kept, and ${who(e.recipient)} is not there.`, phase: 'end', tone: 'bad' },
  dropped: { say: (e) => `An operator has given ${what(e)} up.`, phase: 'end', tone: 'bad' },
  elsewhere: { say: (e) => `${what(e)} was received at another server of ours.`, phase: 'end', tone: 'good' },
  opened: { say: (e) => `${who(e.recipient)}’s phone has logged in.` },
  closed: { say: (e) => `${who(e.recipient)}’s connection has ended.` },
  replaced: { say: (e) => `${who(e.recipient)}’s phone is back on a new connection. What was written to the old one may never have come.`, tone: 'again' },
  probed: { say: (e, t) => `“Are you there?”, the server asks ${who(e.recipient)}’s phone. It has ${t.probe} to answer.`, phase: 'probe', only: 'out', tone: 'ask' },
  answered: { say: (e) => `${who(e.recipient)}’s phone says it is there. Nothing is sent twice: the server waits on.`, phase: 'out', only: 'probe' },
  dead: { say: (e) => `No answer. ${who(e.recipient)}’s phone is gone, though nobody hung up: the connection is given up.`, tone: 'bad' },
  'write failed': { say: (e) => `Nothing can be written to ${who(e.recipient)}’s phone.`, tone: 'bad' },
  'store failed': { say: () => 'The store refuses: the server tries again.', tone: 'bad' },
};

const phases = {
  out: { say: (c) => `Waits for ${who(c.recipient)}’s “received”`, then: 'then the server asks the phone whether it is there', deadline: 'ackWaitMs' },
  probe: { say: (c) => `Has asked ${who(c.recipient)}’s phone: “are you there?”`, then: 'then its connection is given up', deadline: 'probeWaitMs' },
  store: { say: (c) => `Stored, until ${who(c.recipient)} logs in` },
  turn: { say: () => 'Waits for its turn' },
  read: { say: () => 'Was read; waits for its receipt alone' },
  end: { say: () => 'Received: forgotten' },
};

/** The phases of untilack.State's words. */
const states = { 'in backlog': 'turn', 'read': 'read', 'in doubt': 'probe' };

const maxCards = 50, maxLines = 200, maxQueue = 2000;

/** make makes an HTML element with text. */
function make(tag, className, text = '') {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
}

export class ServerView {
  #cards = new Map();
  #counts = { redelivered: 0, settled: 0, persisted: 0 };
  #looking = false;
  #queue = []; // events that are not shown yet
  #skipped = 0;
  #latest = 0; // when the last event came
  #agreed = 0; // when what is shown was last compared with what waits
  #hidden = 0; // what waits and has no card

  constructor(root, config) {
    const part = (p) => root.querySelector(`[data-part=${p}]`);
    this.config = config;
    this.times = { ack: seconds(config.ackWaitMs), probe: seconds(config.probeWaitMs) };
    this.ui = { cards: part('cards'), none: part('none'), more: part('more'), log: part('log'), link: part('link') };
    this.numbers = Object.fromEntries(['waiting', ...Object.keys(this.#counts)].map((n) => [n, part(n)]));
    const events = new EventSource('/events');
    events.onopen = () => { this.ui.link.hidden = true; this.#look(); };
    events.onerror = () => { this.ui.link.hidden = false; };
    events.onmessage = ({ data }) => this.#note(JSON.parse(data));
    events.addEventListener('missed', ({ data }) => { this.#skipped += Number(data); });
    setInterval(() => this.#look(), 2000);
    this.#tick();
  }

  /** note takes an event, to be shown with the next frame: there may be thousands a second. */
  #note(e) {
    this.#latest = Date.now();
    if (e.reason in this.#counts) this.#counts[e.reason]++;
    if (this.#queue.length === maxQueue) {
      this.#skipped += maxQueue;
      this.#queue = [];
    }
    this.#queue.push(e);
  }

  /** show shows the events since the last frame. */
  #show() {
    if (this.#skipped) {
      this.#line({ text: `${this.#skipped} things happened too fast to be shown.`, time: Date.now() });
      this.#skipped = 0;
      this.#look();
    }
    if (!this.#queue.length) return;
    for (const e of this.#queue) this.#take(e);
    this.#queue = [];
    for (const [name, count] of Object.entries(this.#counts)) this.numbers[name].textContent = count;
    this.#summarize();
  }

  /** take shows an event. */
  #take(e) {
    const reason = reasons[e.reason] ?? { say: () => `${e.reason}: ${what(e)}` };
    const time = Date.parse(e.time);
    const text = reason.say(e, this.times) + (e.error ? ` (${e.error})` : '');
    if (!reason.quiet) this.#line({ text, time, tone: reason.tone, reason: e.reason });
    if (e.id && e.sender) this.#card(e, reason, time);
    else this.#stream(e, reason, time);
  }

  /** card brings the card of a message up to date. */
  #card(e, reason, time) {
    const key = JSON.stringify([e.recipient, e.sender, e.id]);
    const begins = reason.phase && reason.phase !== 'end' && this.#cards.size < maxCards;
    const c = this.#cards.get(key) ?? (begins && this.#newCard(key, e));
    if (!c) return;
    c.stored ||= Boolean(reason.stored);
    c.copies += reason.again ? 1 : 0;
    if (reason.phase) this.#phase(c, reason.phase, time);
    this.#draw(c);
  }

  /** stream tells the cards of a stream's recipient. */
  #stream(e, reason, time) {
    if (!reason.phase) return;
    for (const c of this.#cards.values()) {
      if (c.recipient === e.recipient && c.phase === reason.only) {
        this.#phase(c, reason.phase, time);
        this.#draw(c);
      }
    }
  }

  #newCard(key, { recipient, sender, id }) {
    const root = make('li', 'card');
    const c = {
      key, recipient, sender, id, root, phase: '', since: 0, copies: 0, stored: false,
      route: make('span', 'route', `${who(sender)} → ${who(recipient)}`), badges: make('span', 'badges'),
      text: make('p', 'text'), state: make('p', 'state'), bar: make('div', 'bar'), left: make('small', 'left'),
    };
    c.text.dir = 'auto';
    c.fill = make('i', '');
    c.bar.append(c.fill);
    const head = make('div', 'head');
    head.append(c.route, c.badges);
    root.append(head, c.text, c.state, c.bar, c.left);
    this.#cards.set(key, c);
    this.ui.cards.append(root);
    return c;
  }

  #phase(c, phase, time) {
    c.phase = phase;
    c.since = time;
    if (phase !== 'end') return;
    this.#cards.delete(c.key); // it fades, and a new one may come under its name
    setTimeout(() => c.root.remove(), 1200);
  }

  #draw(c) {
    c.root.dataset.phase = c.phase;
    c.text.textContent = what(c);
    c.state.textContent = phases[c.phase].say(c);
    c.badges.replaceChildren();
    if (c.stored) c.badges.append(make('b', 'badge store', 'stored'));
    if (c.copies) c.badges.append(make('b', 'badge again', `sent again${c.copies > 1 ? ` × ${c.copies}` : ''}`));
    c.bar.hidden = c.left.hidden = !phases[c.phase].deadline || !c.since;
  }

  /** tick brings all up to date, once a frame. The server's deadlines are a little shorter, by chance. */
  #tick() {
    this.#show();
    for (const c of this.#cards.values()) {
      const { deadline, then } = phases[c.phase];
      if (!deadline || !c.since) continue;
      const all = this.config[deadline];
      const left = Math.max(0, Math.min(all, c.since + all - Date.now()));
      c.fill.style.width = `${(100 * left) / all}%`;
      c.left.textContent = left > 0 ? `${(left / 1000).toFixed(1)} s, ${then}` : 'time is over: the server looks after the phone';
    }
    requestAnimationFrame(() => this.#tick());
  }

  /** look asks what waits: events may have been missed, or be from before the page. */
  async #look() {
    if (this.#looking || document.hidden) return;
    this.#looking = true;
    const asked = Date.now();
    try {
      const answer = await fetch('/debug/waiting');
      const { recipients } = answer.ok ? await answer.json() : {};
      const old = this.#latest > asked && asked - this.#agreed < 10_000; // there was news meanwhile
      if (recipients && !old) this.#reconcile(recipients, asked);
    } catch {
      // The line to the server is shown as broken by the events.
    } finally {
      this.#looking = false;
    }
  }

  #reconcile(recipients, asked) {
    this.#agreed = asked;
    const inMemory = new Set(), inStore = new Map();
    let all = 0;
    for (const r of recipients) {
      inStore.set(r.recipient, r.stored.messages);
      for (const w of r.waiting) inMemory.add(this.#known(r.recipient, w));
      all += r.stored.messages + r.waiting.filter((w) => !w.stored).length;
    }
    for (const c of [...this.#cards.values()]) { // gone, and we have missed it
      const gone = !inMemory.has(c.key) && !(inStore.get(c.recipient) > 0);
      if (gone && c.since < asked - 1000) {
        this.#cards.delete(c.key);
        c.root.remove();
      }
    }
    this.#hidden = Math.max(0, all - this.#cards.size);
    this.#summarize();
  }

  /** known makes sure that a message which waits has a card, and returns the card's key. */
  #known(recipient, w) {
    const key = JSON.stringify([recipient, w.sender, w.id]);
    if (this.#cards.has(key)) {
      const c = this.#cards.get(key);
      c.stored = w.stored;
      this.#draw(c);
    } else if (this.#cards.size < maxCards) {
      const c = this.#newCard(key, { recipient, sender: w.sender, id: w.id });
      Object.assign(c, { stored: w.stored, copies: w.attempt });
      const phase = states[w.state] ?? 'out'; // it began so long before its deadline, more or less
      this.#phase(c, phase, w.deadline ? Date.parse(w.deadline) - this.config[phases[phase].deadline] : 0);
      this.#draw(c);
    }
    return key;
  }

  #summarize() {
    const all = this.#cards.size + this.#hidden;
    this.numbers.waiting.textContent = all;
    this.ui.none.hidden = all > 0;
    this.ui.more.hidden = !this.#hidden;
    this.ui.more.textContent = `and ${this.#hidden} more`;
  }

  #line({ text, time, tone = '', reason = '' }) {
    const line = make('li', `line ${tone}`);
    line.dataset.reason = reason;
    line.append(make('time', '', new Date(time).toLocaleTimeString([], { hour12: false })), make('span', '', text));
    this.ui.log.prepend(line);
    while (this.ui.log.children.length > maxLines) this.ui.log.lastElementChild.remove();
  }
}
