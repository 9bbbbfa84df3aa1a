import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { DESKTOP, launch, PHONE, Visitor } from '../support/browser.ts';
import { combinations, generate, label } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { freePorts } from '../support/ports.ts';
import { serveBelow } from '../support/proxy.ts';

/** Where `npm run screenshots` wants the pictures; no other run makes any. */
const SCREENSHOTS = process.env.SCREENSHOTS && path.join(ROOT, process.env.SCREENSHOTS);
const LINK_TOKEN = 'a-token-for-the-link-of-the-tests';
const TURNS = 30; // two messages each, so that a conversation has more than a page of 50

const DELIBERATE = 'Think about this slowly, word by word, so that there is time to look at it while it grows.';
const SHOWPIECE = `Please look over my notes on the harbour survey.

## Tides at the north pier

| day | high water | metres |
| --- | --- | ---: |
| Friday | 06:12 | 4.1 |
| Saturday | 07:03 | 4.4 |

The script that made the table:

\`\`\`python
def highest(tides: list[Tide]) -> Tide:
    """The highest of a day's tides."""
    return max(tides, key=lambda tide: tide.metres)
\`\`\`

- Saturday is a **spring tide**
- the gauge was *calibrated* in March`;

const HOSTILE = [
  '<script>window.pwned = 1</script>',
  '<img src="https://elsewhere.example/a.png" onerror="window.pwned = 2">',
  '<svg><script>window.pwned = 3</script></svg> <iframe src="https://elsewhere.example/b"></iframe>',
  '<style>body { background: url(https://elsewhere.example/c.png) }</style>',
  '<a href="javascript:window.pwned = 4">html link</a> <form action="https://elsewhere.example/d"><input></form>',
  '![picture](https://elsewhere.example/e.png) ![](https://elsewhere.example/f.png "title")',
  '[script link](javascript:window.pwned=5) [data link](data:text/html,<script>window.pwned=6</script>)',
  '[odd link](JaVa&#x0A;Script:window.pwned=7) <javascript:window.pwned=8> [ref link][r]',
  '',
  '[r]: javascript:window.pwned=9',
  '',
  '```html" onmouseover="window.pwned=10',
  '<b onmouseover="window.pwned = 11">code</b>',
  '```',
  '',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=12&gt;">',
].join('\n');

const [combination] = combinations.filter(({ logic, interface: way }) => logic === 'langgraph' && way === 'web');

describe('the web page in a browser', () => {
  if (!combination) throw new Error('no combination has the web page and the model with streaming');
  let stack: Stack;
  let browser: Browser;
  let address: string;
  let password: string;
  let visitor: Visitor;

  const shot = async (name: string, of = visitor) => {
    if (SCREENSHOTS) await of.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  };

  before(async function () {
    browser = await launch(this);
    if (SCREENSHOTS) mkdirSync(SCREENSHOTS, { recursive: true });
    stack = await Stack.fresh(await generate(temporaryFolder(), 'lumen', combination, ...(await freePorts())));
    stack.configure(`WEB_LINK_TOKEN=${LINK_TOKEN}`, 'COMPOSE_PROJECT_NAME=stack-web-browser');
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.match(output, /All three tiers work\.\nTalk to it in a browser: http:\/\/127\.0\.0\.1:\d+\//);
    address = `http://127.0.0.1:${stack.setting('INTERFACE_PORT')}/`;
    password = stack.setting('WEB_PASSWORD');
    visitor = await Visitor.come(browser);
  });

  beforeEach(async () => {
    await visitor.page.setViewportSize(DESKTOP);
    await visitor.page.emulateMedia({ colorScheme: 'light' });
  });

  after(async () => {
    await browser?.close();
    await stack?.remove();
  });

  it('tells that a password is wrong, and lets the right one in', async () => {
    const { page } = visitor;
    await visitor.open(address);
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('This password is wrong.').waitFor();
    await visitor.assertAccessible();
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'What can I do for you?' }).waitFor();
    assert.equal(await page.evaluate('document.activeElement.id'), 'message');
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Strict']);
    await shot('empty');
  });

  it('lets in whoever has the link, and takes the token out of the address', async () => {
    const guest = await Visitor.come(browser);
    await guest.open(`${address}#token=${LINK_TOKEN}`);
    await guest.message.waitFor();
    assert.equal(guest.page.url(), address);
    await guest.page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await guest.page.getByLabel('Password').waitFor();
    await guest.open(`${address}#token=another`);
    await guest.reload();
    await guest.page.getByText('This link does not work any more.').waitFor();
    guest.assertHarmless(address);
  });

  it('signs out for good: in all tabs, and for who has a copy of the cookie', async () => {
    const guest = await Visitor.come(browser);
    await guest.signIn(address, password);
    const [cookie] = await guest.page.context().cookies();
    const withCopy = async () =>
      (await fetch(`${address}threads`, { headers: { Cookie: `${cookie?.name}=${cookie?.value}` } })).status;
    assert.equal(await withCopy(), 200);
    const tab = await guest.page.context().newPage();
    await tab.goto(address);
    await tab.getByRole('button', { name: 'Sign out', exact: true }).click();
    await tab.getByLabel('Password').waitFor();
    assert.equal(await withCopy(), 401);
    await guest.send('after the end');
    await guest.page.getByText('Sign in first.').waitFor();
    guest.assertHarmless(address);
  });

  it('signs out everywhere by keyboard, which every other browser notices by itself', async () => {
    const guest = await Visitor.come(browser);
    await guest.signIn(address, password);
    const { page } = visitor;
    const away = { status: 503, body: JSON.stringify({ detail: 'The agent does not answer at the moment.' }) };
    await page.route('**/sessions', (route) => route.fulfill(away), { times: 1 });
    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByText('You are still signed in. The agent does not answer at the moment.').waitFor();
    await visitor.assertAccessible();
    await page.getByRole('button', { name: 'Sign out', exact: true }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByLabel('Password').waitFor();
    assert.equal(await page.evaluate('document.activeElement.id'), 'password');
    await guest.page.getByText('This session was signed out. Sign in again.').waitFor({ timeout: 30_000 });
    await guest.assertAccessible();
    for (const { page: signedOut } of [guest, visitor]) {
      await signedOut.getByLabel('Password').fill(password);
      await signedOut.keyboard.press('Enter');
      await signedOut.getByRole('button', { name: 'Sign out everywhere' }).waitFor();
    }
    guest.assertHarmless(address);
  });

  it('begins all the same where the first answer is cut off', async () => {
    const guest = await Visitor.come(browser);
    await guest.page.route('**/session', (route) => route.fulfill({ status: 200, body: '{"agent"' }), { times: 1 });
    await guest.open(address);
    await guest.page.getByText('The connection was lost. Trying again…').waitFor();
    await guest.page.getByLabel('Password').waitFor();
    guest.assertHarmless(address);
  });

  it('loads itself again where one of its files did not arrive', async () => {
    for (const file of ['app.js', 'vendor/marked.js', 'theme.js', 'style.css']) {
      const guest = await Visitor.come(browser);
      await guest.page.route(`**/static/${file}`, (route) => route.abort(), { times: 1 });
      await guest.open(address);
      if (file === 'app.js') await guest.page.getByText('A part of this page did not arrive. Trying again…').waitFor();
      await until(
        `${file} asked for again`,
        15,
        async () => guest.requests.filter((url) => url.endsWith(file)).length === 2,
      );
      await guest.page.getByLabel('Password').waitFor();
      guest.assertHarmless(address);
    }
  });

  it('shows the list of conversations though the connection was lost when it asked', async () => {
    await visitor.begin('listed all the same');
    await visitor.reply();
    await visitor.page.route('**/threads?*', (route) => route.abort(), { times: 1 });
    await visitor.reload();
    await visitor.page.getByRole('link', { name: 'listed all the same', exact: true }).waitFor();
  });

  it('shows a long conversation page by page', async () => {
    const { page } = visitor;
    await visitor.begin('turn 0');
    await visitor.reply();
    await page.evaluate(`(async () => {
      for (let turn = 1; turn < ${TURNS}; turn++) {
        const body = JSON.stringify({ message: 'turn ' + turn });
        const headers = { 'Content-Type': 'application/json' };
        await (await fetch('threads/' + location.hash.slice(2) + '/messages', { method: 'POST', headers, body })).text();
      }
    })()`);
    await visitor.reload();
    await page.getByRole('button', { name: 'Show earlier messages' }).waitFor();
    assert.equal(await page.locator('.question').count(), 25);
    const newest = page.locator('.question').last();
    assert.ok(await newest.isVisible());
    await page.getByRole('button', { name: 'Show earlier messages' }).click();
    await page.locator('.bubble', { hasText: /^turn 0$/ }).waitFor();
    assert.deepEqual(
      await page.locator('.bubble').allTextContents(),
      Array.from({ length: TURNS }, (_, turn) => `turn ${turn}`),
    );
    assert.equal(await page.getByRole('button', { name: 'Show earlier messages' }).isVisible(), false);
  });

  it('streams a reply while it grows', async () => {
    await slowDown(stack);
    await visitor.begin(DELIBERATE);
    const lengths = new Set<number>();
    const growing = visitor.page.locator('.reply[aria-busy] .prose');
    await growing.waitFor();
    while (await growing.count()) lengths.add(((await growing.textContent().catch(() => '')) ?? '').length);
    assert.ok(lengths.size > 5, `it was seen at ${lengths.size} lengths`);
    assert.match(await visitor.reply(), new RegExp(DELIBERATE));
    await visitor.page.getByRole('link', { name: 'Think about this slowly' }).waitFor();
    assert.deepEqual(
      (await visitor.stored()).map(({ role }) => role),
      ['user', 'assistant'],
    );
  });

  it('shows Markdown, code and tables, in light, dark and on a phone, without a barrier', async () => {
    await visitor.begin(SHOWPIECE);
    await visitor.reply();
    const { page } = visitor;
    assert.equal(await page.locator('.reply .code .hljs-keyword').first().textContent(), 'def');
    assert.equal(await page.locator('.reply .table td').first().textContent(), 'Friday');
    assert.equal(await page.locator('.reply .table td[align=right]').first().textContent(), '4.1');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
        await page.setViewportSize(size);
        await visitor.assertAccessible();
        await visitor.assertFits();
        await shot(`conversation-${colorScheme}-${device}`);
      }
    }
  });

  it('copies code and replies', async () => {
    const { page } = visitor;
    const copied = () => page.evaluate<string>('navigator.clipboard.readText()');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy the code' }).click();
    assert.match(await copied(), /^def highest\([\s\S]*metres\)\n?$/);
    await page.getByRole('button', { name: 'Copy the reply' }).click();
    assert.match(await copied(), /\| day \| high water \|/);
    await page.evaluate(`delete Object.getPrototypeOf(navigator).clipboard`); // as it is over plain HTTP
    await page.getByRole('button', { name: 'Copy the code' }).click();
    await page.getByText('Copied', { exact: true }).waitFor({ state: 'attached' });
  });

  it('has no barrier when empty, signed out, with the list over the page, or asking before it deletes', async () => {
    const { page } = visitor;
    const everywhere = async () => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await visitor.assertAccessible();
        await visitor.assertFits();
      }
      await page.emulateMedia({ colorScheme: 'light' });
    };
    await page.getByRole('link', { name: 'New conversation' }).click();
    await everywhere();
    await page.getByRole('link', { name: 'turn 0' }).hover();
    await page.getByRole('button', { name: 'Delete turn 0' }).click();
    await everywhere();
    await page.keyboard.press('Escape');
    await page.setViewportSize(PHONE);
    await everywhere();
    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.getByRole('button', { name: 'Close the list' }).waitFor();
    await everywhere();
    await shot('list-phone');
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('button', { name: 'Close the list' }).isVisible(), false);
    const stranger = await Visitor.come(browser, { viewport: PHONE });
    await stranger.open(address);
    await stranger.page.getByLabel('Password').waitFor();
    await stranger.assertAccessible();
    await stranger.assertFits();
  });

  it('keeps the colours that were chosen', async () => {
    const { page } = visitor;
    const background = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await page.getByRole('button', { name: 'Automatic colours' }).click();
    await page.getByRole('button', { name: 'Light colours' }).click();
    await page.getByRole('button', { name: 'Dark colours' }).waitFor();
    const dark = await background();
    assert.notEqual(dark, light);
    await visitor.reload();
    await page.getByRole('button', { name: 'Dark colours' }).waitFor();
    assert.equal(await background(), dark);
    await page.getByRole('button', { name: 'Dark colours' }).click();
    assert.equal(await background(), light);
  });

  it('can be used by keyboard alone: renames and deletes', async () => {
    const { page } = visitor;
    await visitor.begin('to be renamed');
    await visitor.reply();
    await page.getByRole('link', { name: 'to be renamed' }).focus();
    const list = page.waitForResponse('**/threads?*');
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`); // upon which the list is read again
    await list;
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.type('with another name');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'with another name' }).waitFor();
    await page.getByRole('link', { name: 'with another name' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'What can I do for you?' }).waitFor();
    await page.getByRole('link', { name: 'with another name' }).waitFor({ state: 'detached' });
  });

  it('stops a reply, and takes it up again with the same message', async () => {
    const { page } = visitor;
    await visitor.begin(DELIBERATE);
    await page.locator('.reply[aria-busy]', { hasText: 'offline' }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.', { exact: true }).first().waitFor();
    await until('the agent has noticed', 10, async () =>
      /"abandoned"/.test(await stack.compose('logs', 'lumen-agent')),
    );
    assert.deepEqual(await visitor.stored(), [{ role: 'user', content: DELIBERATE }]);
    await visitor.reload();
    await page.getByText('Stopped.', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Try again' }).click();
    assert.match(await visitor.reply(), new RegExp(DELIBERATE));
    await assertOnePair(DELIBERATE);
  });

  it('goes on with a reply after it was loaded again', async () => {
    await visitor.begin(DELIBERATE);
    await visitor.page.locator('.reply[aria-busy]', { hasText: 'offline' }).waitFor();
    await visitor.reload();
    await visitor.page.locator('.reply[aria-busy]').waitFor();
    assert.match(await visitor.reply(), new RegExp(DELIBERATE));
    await assertOnePair(DELIBERATE);
    await visitor.reload();
    assert.match(await visitor.reply(), new RegExp(DELIBERATE));
  });

  it('goes on with a reply while another conversation is looked at', async () => {
    const { page } = visitor;
    await visitor.begin(`${DELIBERATE} Elsewhere.`);
    await page.locator('.reply[aria-busy]', { hasText: 'offline' }).waitFor();
    const { hash } = new URL(page.url());
    await page.getByRole('link', { name: 'turn 0' }).click();
    await page.getByText('turn 29', { exact: true }).first().waitFor();
    await visitor.open(address + hash);
    assert.match(await visitor.reply(), /Elsewhere\.$/);
    await assertOnePair(`${DELIBERATE} Elsewhere.`);
  });

  it('waits for an agent that was killed in the middle of a reply, and answers when it is back', async () => {
    const { page } = visitor;
    await visitor.begin(DELIBERATE);
    await page.locator('.reply[aria-busy]', { hasText: 'offline' }).waitFor();
    const agent = await stack.container('agent');
    await stack.docker('kill', agent);
    await page.getByText('No answer yet.').waitFor();
    await page.getByText('The agent does not answer at the moment. Trying again…').waitFor();
    await visitor.assertAccessible();
    await shot('agent-away');
    await stack.docker('start', agent);
    await page.getByText('Trying again…').waitFor({ state: 'hidden' });
    assert.match(await visitor.reply(), new RegExp(DELIBERATE));
    await assertOnePair(DELIBERATE);
  });

  it('asks to sign in again when the session has ended, and then sends what was written', async () => {
    const { page } = visitor;
    await visitor.begin('before the end');
    await visitor.reply();
    await page.context().clearCookies();
    await visitor.send('after the end');
    await page.getByText('Sign in first.').waitFor();
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
    assert.match(await visitor.reply(), /after the end$/);
    assert.deepEqual(
      (await visitor.stored()).map(({ role }) => role),
      ['user', 'assistant', 'user', 'assistant'],
    );
  });

  it('says what is wrong with a message that is too long and a conversation that is not there', async () => {
    const { page } = visitor;
    await visitor.open(`${address}#/nothing`);
    await page.getByText('There is no such conversation.').waitFor();
    await page.getByRole('link', { name: 'New conversation' }).click();
    await visitor.send('x'.repeat(32_001));
    await page.getByText('A message has at most 32,000 characters, and this one has 32,001.').waitFor();
    assert.equal((await visitor.message.inputValue()).length, 32_001, 'what was written is still there');
    await visitor.message.fill('');
  });

  it('shows hostile content as text, runs none of it and fetches nothing', async () => {
    const { page } = visitor;
    const before = visitor.requests.length;
    await visitor.begin(HOSTILE);
    const reply = await visitor.reply();
    for (const text of [
      '<script>window.pwned = 1</script>',
      'onerror="window.pwned = 2"',
      '<iframe',
      '<style>',
      '<b onm',
    ]) {
      assert.ok(reply.includes(text), `${text} is shown`);
    }
    await visitor.reload();
    assert.equal(await visitor.reply(), reply);
    const unsafe = '.messages :is(script, img, svg:not([aria-hidden]), iframe, style, form, input, math, object, link)';
    assert.equal(await page.locator(unsafe).count(), 0);
    const links = await page.evaluate<(string | null)[]>(
      `[...document.querySelectorAll('.messages .prose a')].map((link) => link.getAttribute('href'))`,
    );
    assert.deepEqual(
      links.filter((href) => href !== null && !/^https:\/\/elsewhere\.example\//.test(href)),
      [],
    );
    for (const link of await page.locator('.messages .prose a:not([href])').all()) await link.click();
    for (const code of await page.locator('.messages pre').all()) await code.hover();
    assert.equal(await page.evaluate('window.pwned'), undefined);
    assert.ok(visitor.requests.length > before);
    await visitor.assertAccessible();
    await visitor.assertFits();
  });

  it('shows 4,096 × an emoji, whole', async () => {
    await setDelay(stack, 0);
    await visitor.begin('🎈'.repeat(4096));
    assert.ok((await visitor.reply()).endsWith('🎈'.repeat(4096)));
    await visitor.assertFits();
    const title = await visitor.page.getByRole('heading', { level: 1 }).textContent();
    assert.match(title ?? '', /^🎈+…$/u);
  });

  it('works behind a reverse proxy under a path', async () => {
    const proxy = await serveBelow('/agents/lumen/', address);
    try {
      const guest = await Visitor.come(browser);
      await guest.signIn(proxy.address, password);
      const [cookie] = await guest.page.context().cookies();
      assert.equal(cookie?.path, '/agents/lumen');
      await guest.begin('hello through a proxy');
      assert.match(await guest.reply(), /hello through a proxy/);
      await guest.reload();
      assert.match(await guest.reply(), /hello through a proxy/);
      guest.assertHarmless(proxy.address);
    } finally {
      proxy.close();
    }
  });

  it('did nothing all the while that its policy had to prevent, and asked no other host for anything', () => {
    visitor.assertHarmless(address);
  });

  it('left no message and no secret in a log', async () => {
    const stranger = await Visitor.come(browser);
    await stranger.signIn(address, 'not the password').catch(() => {});
    const logs = await stack.compose('logs', '--no-color');
    assert.match(logs, /"status": 401, .*"reason": "This password is wrong\."/);
    for (const text of [DELIBERATE, 'pwned', 'harbour', password, LINK_TOKEN, stack.setting('SESSION_SECRET')]) {
      assert.ok(!logs.includes(text), text);
    }
    assert.doesNotMatch(logs, /Traceback/);
  });

  async function assertOnePair(question: string): Promise<void> {
    const stored = await visitor.stored();
    assert.deepEqual(
      stored.map(({ role }) => role),
      ['user', 'assistant'],
    );
    assert.equal(stored[0]?.content, question);
  }
});

const slowDown = (stack: Stack) => setDelay(stack, 0.1);

/** Starts the agent again with a model that takes so many seconds for a word. */
async function setDelay(stack: Stack, seconds: number): Promise<void> {
  const override = `services: {${stack.name}-agent: {environment: {LLM_OFFLINE_DELAY: "${seconds}"}}}\n`;
  writeFileSync(path.join(stack.folder, 'docker-compose.override.yml'), override);
  await stack.compose('up', '--detach', '--wait');
}

for (const choice of combinations.filter(({ interface: way }) => way === 'web')) {
  describe(`a stack of ${label(choice)}`, () => {
    let stack: Stack;
    const verify = async () => stack.run('./ops/verify.sh');

    before(async () => {
      stack = await Stack.fresh(
        await generate(temporaryFolder(), `stack-${label(choice)}`, choice, ...(await freePorts())),
      );
    });
    after(() => stack.remove());

    it('is deployed by ./deploy.sh, which signs in and talks', async () => {
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      assert.match(output, /All three tiers work\./);
    });

    it('notices that the agent was killed, and works again when it is back', async () => {
      const agent = await stack.container('agent');
      await stack.docker('kill', agent);
      const { status, output } = await verify();
      assert.equal(status, 1);
      assert.match(output, /✗ agent/);
      await stack.docker('start', agent);
      await until('all tiers work', 60, async () => (await verify()).status === 0);
    });
  });
}
