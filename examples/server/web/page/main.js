// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// The page: two phones and the server's view.

import { Phone } from './phone.js';
import { ServerView } from './server.js';

/** ask resolves to the accounts that somebody types in: a server tells those alone that it has made itself. */
function ask(domain) {
  const form = document.getElementById('login');
  form.hidden = false;
  return new Promise((resolve) => {
    form.onsubmit = (e) => {
      e.preventDefault();
      form.hidden = true;
      const { name, password } = form.elements;
      resolve([0, 1].map((i) => ({ address: `${name[i].value.trim().split('@')[0]}@${domain}`, password: password[i].value })));
      form.reset();
    };
  });
}

async function start() {
  const answer = await fetch('/config');
  if (!answer.ok) throw new Error('This page works on the server’s own machine alone: open it at localhost.');
  const config = await answer.json();
  const told = config.accounts.sort((a, b) => b.address.localeCompare(a.address)).slice(0, 2); // Romeo left, as he writes first
  const accounts = told.length === 2 ? told : await ask(config.domain);

  const url = `${location.protocol.replace('http', 'ws')}//${location.host}/xmpp-websocket`;
  new ServerView(document.getElementById('server'), config);
  const template = document.getElementById('phone');
  accounts.forEach((account, i) => {
    const root = document.getElementById(`phone-${i}`);
    root.append(template.content.cloneNode(true));
    new Phone(root, account, accounts[1 - i], url);
  });
}

start().catch((e) => {
  const trouble = document.getElementById('trouble');
  trouble.textContent = e.message;
  trouble.hidden = false;
});
