// The page as a whole: signing in, which conversation is shown, and whether the agent is there.

import { Problem, signOut, signOutEverywhere } from './api.js';
import { Chat } from './chat.js';
import { announce, byId } from './dom.js';
import { Presence } from './presence.js';
import { closeSidebar, setUpSidebar } from './sidebar.js';
import { askToSignIn, beginSession } from './signin.js';
import { Threads } from './threads.js';

const presence = new Presence();
const threads = new Threads();
const world = { agentName: 'Agent', presence, signedIn };
const chat = new Chat(world);
let signingIn; // a promise while the form is shown

async function start() {
  setUpSidebar();
  const session = await getSessionPatiently();
  introduce(session.agent);
  signingIn = session.signed_in ? undefined : askToSignIn();
  await signingIn;
  signingIn = undefined;
  byId('app').hidden = false;
  listen();
  await open();
  await Promise.all([presence.watch(), threads.refresh()]);
}

/** The server may be starting just now. */
async function getSessionPatiently() {
  for (;;) {
    try {
      return await beginSession();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showBanner(byId('starting'), `${error.message} Trying again…`);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

function introduce(agent) {
  world.agentName = agent;
  byId('starting').hidden = true;
  for (const place of document.querySelectorAll('[data-agent]')) place.textContent = agent;
  for (const place of document.querySelectorAll('[data-monogram]')) [place.textContent] = agent;
  byId('message').placeholder = `Message ${agent}`;
  document.title = agent;
}

function listen() {
  addEventListener('hashchange', open);
  addEventListener('online', () => presence.watch());
  addEventListener('signed-out', ({ detail }) => signInAgain(detail));
  document.addEventListener('visibilitychange', () => (document.hidden ? presence.pause() : lookAgain()));
  byId('signout').addEventListener('click', () => leave(signOut));
  byId('signout-everywhere').addEventListener('click', () => leave(signOutEverywhere));
  presence.addEventListener('change', showPresence);
  chat.addEventListener('begun', () => {
    history.replaceState(null, '', `#/${chat.thread}`);
    threads.select(chat.thread);
    threads.refresh();
  });
  chat.addEventListener('answered', () => threads.refresh());
  threads.addEventListener('change', showTitle);
  threads.addEventListener('problem', ({ detail }) => chat.complain(detail));
  threads.addEventListener('deleted', ({ detail }) => {
    if (detail === chat.thread) location.hash = '#/';
  });
}

/** Shows the conversation that the address names. */
async function open() {
  const [, thread] = /^#\/(.+)$/.exec(location.hash) ?? [];
  closeSidebar();
  threads.select(thread);
  const opened = chat.open(thread);
  showTitle();
  await opened;
}

function showTitle() {
  const title = threads.titleOf(chat.thread) ?? (chat.thread ? 'Conversation' : 'New conversation');
  byId('title').textContent = title;
  document.title = `${title} · ${world.agentName}`;
}

// Sessions

function lookAgain() {
  if (signingIn) return;
  presence.watch();
  threads.refresh();
}

async function signInAgain(reason) {
  if (signingIn) return;
  signingIn = askToSignIn(reason);
  await signingIn;
  signingIn = undefined;
  lookAgain();
  if (chat.thread) chat.open(chat.thread);
}

/** Resolves once nobody needs to sign in; rejects when `signal` aborts. */
async function signedIn(signal) {
  await signingIn;
  signal.throwIfAborted();
}

async function leave(end) {
  try {
    await end();
    location.replace(location.pathname);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) return; // it had ended already, which the form says
    closeSidebar();
    chat.complain(`You are still signed in. ${error.message}`);
  }
}

// Whether the agent is there

function showPresence() {
  const { state, agent } = presence;
  const messages = {
    away: `${agent.complaint || 'The agent is away.'} Trying again…`,
    unreachable: 'The server cannot be reached. Trying again…',
  };
  const wasAway = !byId('banner').hidden;
  showBanner(byId('banner'), messages[state] ?? '');
  byId('offline').hidden = !agent.offline;
  chat.suggest(agent.suggestions);
  if (wasAway && state === 'here') {
    announce('The agent is back');
    threads.refresh();
  }
}

function showBanner(banner, text) {
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
}

start();
