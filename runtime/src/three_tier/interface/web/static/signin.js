// Signing in, at the beginning and again when a session has ended.

import { getSession, Problem, signIn } from './api.js';
import { byId } from './dom.js';

/** Resolves with what the server says of the session, after signing in with the link where the address holds one. */
export async function beginSession() {
  const token = new URLSearchParams(location.hash.slice(1).replaceAll('+', '%2B')).get('token');
  if (!token) return getSession();
  history.replaceState(null, '', location.pathname); // so that it stays in no history and on no screenshot
  try {
    await signIn({ token });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    byId('signin-problem').textContent = error.message;
  }
  return getSession();
}

/** Shows the form until somebody has signed in. */
export async function askToSignIn(reason = '') {
  const [view, app, problem, password] = ['signin', 'app', 'signin-problem', 'password'].map(byId);
  const form = view.querySelector('form');
  app.hidden = true;
  view.hidden = false;
  if (reason) problem.textContent = reason;
  password.focus();
  await new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      problem.textContent = '';
      try {
        await signIn({ password: password.value });
        resolve();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problem.textContent = error.message;
        password.select();
      }
    };
  });
  password.value = '';
  view.hidden = true;
  app.hidden = false;
}
