// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Uses the page as a person would, and tells the test what there is to see. See page_test.go.

const failures = [];
const check = (ok, what) => ok || failures.push(what);
const phone = (i) => document.getElementById(`phone-${i}`);
const all = (root, selector) => [...root.querySelectorAll(selector)];
const server = document.getElementById('server');
const lines = (reason) => all(server, `.line[data-reason="${reason}"]`);

/** until returns when condition holds. */
const until = (what, condition) => new Promise((resolve, reject) => {
  const end = Date.now() + 20_000;
  const look = () => {
    if (condition()) resolve();
    else if (Date.now() > end) reject(new Error(`not seen: ${what}`));
    else setTimeout(look, 20);
  };
  look();
});

const online = (i) => until(`phone ${i} online`, () => phone(i).dataset.link === 'online');
const bubbles = (i, side) => all(phone(i), `.bubble.${side}`);
const states = (i) => bubbles(i, 'mine').map((b) => b.dataset.state).join();
const write = (i, text) => {
  phone(i).querySelector('input[data-part=text]').value = text;
  phone(i).querySelector('form').requestSubmit();
};
const tunnel = (i) => phone(i).querySelector('[data-part=tunnel]').click();
const cards = (phase) => all(server, `.card[data-phase=${phase}]`);
const kept = () => server.querySelector('[data-part=waiting]').textContent;

async function use() {
  await online(0);
  await online(1);
  const markup = '<img src="x" onerror="alert(1)"> & <b>';
  write(0, markup);
  await until('delivered', () => states(0) === 'delivered');
  check(bubbles(1, 'theirs')[0].querySelector('p').textContent === markup, 'markup is shown as text');
  check(!document.querySelector('main img, main .bubble b'), 'markup is no elements');
  write(1, 'Neither, fair saint, if either thee dislike.');
  await until('answer', () => bubbles(0, 'theirs').length === 1 && states(1) === 'delivered');

  tunnel(1);
  write(0, 'Wherefore art thou?');
  write(0, 'The orchard walls are high.');
  await until('on the server', () => states(0) === 'delivered,stored,stored');
  check(bubbles(1, 'theirs').length === 1, 'nothing comes in the tunnel');
  await until('2 are kept', () => kept() === '2');
  write(1, 'Is there anybody?');
  check(states(1).endsWith('waiting'), 'what is written in the tunnel waits');
  await until('the phone is asked', () => lines('probed').length > 0);
  await until('the line is given up', () => lines('dead').length > 0);
  await until('both are in the store alone', () => cards('store').length === 2);
  check(phone(1).dataset.link === 'dark', 'the phone knows nothing of it');

  tunnel(1);
  await until('all delivered', () => states(0) === 'delivered,delivered,delivered' && states(1) === 'delivered,delivered');
  check(bubbles(1, 'theirs').length === 3, 'each is shown once');
  check(bubbles(0, 'theirs').length === 2, 'what waited in the tunnel comes');
  await until('nothing is kept', () => kept() === '0' && !server.querySelector('.card'));

  tunnel(0); // and out before anybody has noticed
  write(1, 'A thousand times good night!');
  await until('on the server', () => states(1).endsWith('stored'));
  tunnel(0);
  await until('delivered anew', () => bubbles(0, 'theirs').length === 3 && states(1).endsWith('delivered'));
  await until('the old line is replaced', () => lines('replaced').length > 0);
}

/** login types in who the phones are. */
async function login() {
  const form = document.getElementById('login');
  await until('who are the phones', () => !form.hidden);
  all(form, 'input').forEach((input, i) => { input.value = ['romeo', 'secret, with = and ü', 'juliet@localhost', 'secret'][i]; });
  form.requestSubmit();
  await online(0);
  await online(1);
  check(form.elements.password[0].value === '', 'the form keeps no password');
}

/** pose does what makes a good picture. */
async function pose() {
  await online(0);
  await online(1);
  const say = async (i, text) => {
    write(i, text);
    await until('delivered', () => states(i).endsWith('delivered'));
  };
  await say(0, 'Shall I hear more?');
  await say(1, 'What man art thou?');
  await say(0, 'By a name I know not how to tell thee who I am.');
  tunnel(1);
  write(0, 'Wherefore art thou silent?');
  write(0, 'The orchard walls are high.');
  await until('on the server', () => states(0).endsWith('stored,stored'));
  write(1, 'Is there anybody?');
  await until('stored', () => cards('store').length === 2);
  tunnel(0);
  write(0, 'I take thee at thy word.');
  tunnel(0);
  await until('sent', () => states(0).endsWith('stored,stored,stored'));
  tunnel(1);
  await until('all delivered', () => !states(0).includes('stored') && states(1) === 'delivered,delivered');
  tunnel(1);
  write(0, 'Call me but love.');
  await until('the phone is asked', () => cards('probe').length === 1);
  write(0, 'And I’ll be new baptized.');
  await until('on the server', () => states(0).endsWith('stored,stored'));
}

const work = { use, login, pose }[document.currentScript.dataset.work];
addEventListener('error', (e) => failures.push(String(e.message)));
addEventListener('unhandledrejection', (e) => failures.push(String(e.reason)));
work().catch((e) => failures.push(e.message)).finally(() => {
  const seen = `${all(server, '.line').map((l) => l.innerText).reverse().join('\n')}\n0: ${states(0)}\n1: ${states(1)}`;
  const status = all(document, '.status').map((e) => e.innerText).join(', ');
  return fetch('/done', { method: 'POST', body: JSON.stringify({ failures, seen: `${seen}\n${status}` }) });
});
